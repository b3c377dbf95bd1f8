// The story beside the cursor, of which a part has elements.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST, sentenceAt, windowAround } from '#page/panel-story.js';

const lines = Array.from({ length: 9000 }, (_, at) => ({ event: at * 3 + 5 }));

test('the sentence of an event is the last one until then', () => {
  assert.equal(sentenceAt(lines, 4), -1);
  assert.equal(sentenceAt(lines, 5), 0);
  assert.equal(sentenceAt(lines, 7), 0);
  assert.equal(sentenceAt(lines, 8), 1);
  assert.equal(sentenceAt(lines, 1_000_000), 8999);
  assert.equal(sentenceAt([{ event: 2 }, { event: 2 }, { event: 2 }], 2), 2);
});

test('what is shown is around the sentence, wherever it is, and never more than a few', () => {
  for (const now of [0, 1, 59, 60, 61, 4500, 8930, 8999]) {
    const { first, end } = windowAround(9000, now, null);
    assert.ok(first <= now && now < end, `${now}: ${first}..${end}`);
    assert.equal(end - first, MOST);
  }
  assert.deepEqual(windowAround(10, 3, null), { first: 0, end: 10 });
});

test('stepping within what is shown leaves it, and near its end it moves on', () => {
  const before = windowAround(9000, 4500, null);
  assert.equal(windowAround(9000, 4510, before), before);
  const after = windowAround(9000, before.end - 5, before);
  assert.notEqual(after, before);
  assert.ok(after.first < before.end - 5 && after.end > before.end);
  assert.notEqual(windowAround(9000, before.first - 1, before), before);
  assert.notEqual(windowAround(9000, 8000, before), before);
});
