// A document that the program wrote once: a shrunk run of MIR-02. Pages of later versions still read it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkDocument } from '#page/load.js';
import { outcome } from '#page/difference.js';
import { Model } from '#page/model.js';

const document = checkDocument(JSON.parse(readFileSync(new URL('fixtures/lost-write.json', import.meta.url), 'utf8')));
const model = new Model(document);
const { run } = model;

test('it opens where the write was let go too soon', () => {
  assert.equal(run.kindName(model.opening), 'drain-end');
  assert.equal(outcome(model), 'broke DATA: device-content');
});

test('the lost write can be followed: asked, landed on the source, dirty, and never copied', () => {
  const from = model.opening;
  const waiting = [...model.standings.at(from).guests.values()];
  assert.deepEqual(waiting.map((it) => it.what), ['write']);
  const landed = [...run.ofKind('disk-land')].find((i) => i > from && run.value(i, 'disk') === 'source');
  const [bits] = model.bits;
  assert.equal(bits.dirty.onesAt(landed - 1), 0);
  assert.equal(bits.dirty.onesAt(run.count - 1), 1);
  assert.ok([...run.ofKind('mirror-iteration')].every((i) => i < from));
});

test('each lane has its events, and the pivot and READY are landmarks', () => {
  const labels = model.lanes.map((lane) => lane.label);
  assert.deepEqual(labels, ['monitor', 'main loop', 'job0', 'job0: coroutine', 'guest 0', 'source', 'target', 'drained']);
  const marks = model.lanes.flatMap((lane) => lane.landmarks.map((it) => it.text));
  for (const mark of ['READY', 'defer to main', 'mirror_exit', 'before drain']) assert.ok(marks.includes(mark), mark);
  assert.ok(marks.some((text) => /→ target/.test(text)));
});

test('steps, decisions and states come with what explains them', () => {
  assert.equal(document.steps.length, 17);
  for (const step of document.steps) assert.ok(step.source[step.line - step.first_line], step.step);
  for (let d = 0; d < run.decisionCount; d += 1) {
    const { what, n, chosen } = run.decision(d);
    assert.ok(what.length > 10 && chosen < n);
  }
  assert.equal(document.states.transitions.length, 20);
});
