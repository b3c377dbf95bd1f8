// The run as it is read, against a plain reading of the same document.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { checkDocument, readDocument } from '#page/load.js';
import { Model } from '#page/model.js';
import { Run } from '#page/run.js';
import { lastBefore, lowerBound, nextAfter, upperBound } from '#page/search.js';
import { Writer, synthetic } from '../tools/synthetic.mjs';

test('a document comes out of the page as it went in', async () => {
  const document = synthetic(100);
  const packed = deflateSync(JSON.stringify(document)).toString('base64');
  assert.deepEqual(await readDocument(`\n${packed}\n`), document);
});

test('a document of another form or version is refused with a sentence', () => {
  assert.throws(() => checkDocument({ format: 'other' }), /no run that was recorded/);
  assert.throws(() => checkDocument({ format: 'blockjob-view', version: 2 }), /version 2/);
});

test('bounds in a sorted list are where a walk finds them', () => {
  const sorted = Uint32Array.from([1, 3, 3, 7, 9]);
  for (let value = 0; value <= 10; value += 1) {
    const list = [...sorted];
    const below = list.filter((it) => it < value).length;
    assert.equal(lowerBound(sorted, value), below);
    assert.equal(upperBound(sorted, value), list.filter((it) => it <= value).length);
    assert.equal(nextAfter(sorted, value), list.find((it) => it > value) ?? -1);
    assert.equal(lastBefore(sorted, value), list.findLast((it) => it < value) ?? -1);
  }
});

test('times and decisions are sums, and fields are those of the event', () => {
  const w = new Writer();
  w.event('timer', { name: 'one' });
  w.now = 500;
  w.decide(3, 2);
  w.event('drained', { node: 'source', section: 4, owner: 'probe' });
  w.event('timer', { name: 'two' });
  const run = new Run(w.document());
  assert.deepEqual([...run.at], [0, 500, 500]);
  assert.deepEqual([...run.decided], [0, 1, 1]);
  assert.equal(run.value(1, 'section'), 4);
  assert.equal(run.value(2, 'name'), 'two');
  assert.equal(run.value(2, 'section'), null);
  assert.deepEqual([...run.ofKind('timer')], [0, 2]);
  assert.deepEqual([...run.ofKinds(['drained', 'timer'])], [0, 1, 2]);
  assert.equal(run.eventOfDecision(0), 1);
  assert.deepEqual(run.decision(0), { number: 0, site: 'aio.next', what: 'Which coroutine runs next.', n: 3, chosen: 2, labels: null });
});

test('what is missing in a column is missing in the event', () => {
  const w = new Writer();
  w.event('coroutine-enter', { entered: 'job#1' });
  w.event('coroutine-enter', { entered: 'job#1', by: 'guest#2' });
  const run = new Run(w.document());
  assert.equal(run.value(0, 'by'), null);
  assert.deepEqual(run.fields(0), [['entered', 'job#1']]);
  assert.equal(run.value(1, 'by'), 'guest#2');
});

test('a run without events has a model', () => {
  const model = new Model(new Writer().document());
  assert.equal(model.run.count, 0);
  assert.equal(model.opening, 0);
});

test('a failing run begins where it went wrong and not where that was noticed', () => {
  const failure = { rule: 'DATA', place: 'device-content', event: 90, wrong_event: 40, sentence: 'A write is lost.' };
  assert.equal(new Model(synthetic(100, { failure })).opening, 40);
  assert.equal(new Model(synthetic(100, { failure: { ...failure, wrong_event: null } })).opening, 90);
});

test('a coroutine works for whom it reports, and one that it made for the same', () => {
  const w = new Writer();
  w.event('coroutine-create', { created: 'guest#1' });
  w.event('guest-ask', { guest: 3, id: 1, request: 'write', offset: 0, bytes: 512 }, 'main/guest#1');
  w.event('coroutine-create', { created: 'blk_request#2' }, 'main/guest#1');
  w.event('coroutine-create', { created: 'other#3' });
  const { coroutines } = new Model(w.document());
  const actor = (name) => coroutines.actors[coroutines.actor[coroutines.names.indexOf(name)]];
  assert.deepEqual(actor('main/blk_request#2'), { kind: 'guest', name: '3' });
  assert.deepEqual(actor('main/other#3'), { kind: 'context', name: 'main' });
});

test('a wake leads to the next turn of the one that was woken', () => {
  const w = new Writer();
  w.event('coroutine-create', { created: 'a#1' });
  w.event('coroutine-create', { created: 'b#2' });
  const wake = w.event('coroutine-wake', { serial: 2, by: 'a#1' }, 'main/a#1');
  w.event('coroutine-enter', { entered: 'a#1' });
  // It is in the queue already: this wake leads to the same turn.
  const again = w.event('coroutine-wake', { serial: 2 });
  const turn = w.event('coroutine-enter', { entered: 'b#2' });
  const lost = w.event('coroutine-wake', { serial: 1 });
  const { wakes, run } = new Model(w.document());
  assert.deepEqual([...wakes.from], [wake, again, lost]);
  assert.deepEqual([...wakes.to], [turn, turn, run.count]);
});

test('slices of a row stand side by side, however long they were', () => {
  const { lanes } = new Model(synthetic(3000));
  assert.deepEqual(lanes.map((lane) => lane.id).slice(0, 3), ['context main', 'job job0', 'turns job0']);
  for (const lane of lanes) {
    for (const row of lane.rows) {
      for (let at = 1; at < row.start.length; at += 1) {
        assert.ok(row.start[at] >= row.end[at - 1], `${lane.id} ${at}`);
      }
    }
  }
});
