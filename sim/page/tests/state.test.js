// What stands at an event, against a replay from the beginning.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BitHistory, shrink } from '#page/bits.js';
import { Model } from '#page/model.js';
import { sample, valueAt } from '#page/series.js';
import { SPACING, waitsFor } from '#page/standing.js';
import { Writer, synthetic } from '../tools/synthetic.mjs';

/** Bits of `history` at an event, by making every change in order. */
function plainBits(changes, granules, event) {
  const bits = new Array(granules).fill(0);
  for (const [at, first, end, on] of changes) {
    if (at <= event) bits.fill(on ? 1 : 0, Math.max(0, first), Math.min(granules, end));
  }
  return bits;
}

function bitsOf(words, granules) {
  return Array.from({ length: granules }, (_, bit) => (words[bit >>> 5] >>> (bit & 31)) & 1);
}

test('a bitmap at any event is what all changes until then have made of it', () => {
  const granules = 77;
  const history = new BitHistory(granules);
  const changes = [];
  let state = 1;
  const draw = (below) => (state = (state * 48271) % 2147483647) % below;
  for (let at = 0; at < 900; at += 1) {
    const first = draw(granules);
    changes.push([at * 2, first, first + 1 + draw(40), draw(2) === 1]);
    history.add(...changes[at]);
  }
  history.seal();
  assert.ok(history.checkpoints.length > 3, 'the run has several checkpoints');
  for (const event of [0, 1, 255, 256, 257, 511, 900, 1234, 1798, 5000]) {
    const expected = plainBits(changes, granules, event);
    assert.deepEqual(bitsOf(history.at(event), granules), expected, `at ${event}`);
    assert.equal(history.onesAt(event), expected.filter(Boolean).length);
  }
});

test('the picture of a bitmap has in each column what stood there', () => {
  const history = new BitHistory(4);
  history.add(10, 0, 4, true);
  history.add(20, 1, 2, false);
  history.seal();
  const image = history.image([5, 10, 15, 20, 30], 4);
  const column = (x) => [...image.subarray(x * 4, x * 4 + 4)].map((it) => (it ? 1 : 0));
  assert.deepEqual([0, 1, 2, 3, 4].map(column), [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 1, 1], [1, 0, 1, 1]]);
});

test('one bit among very many is seen', () => {
  const words = new Uint32Array(1024);
  words[700] = 1;
  const rows = new Uint8Array(8);
  shrink(words, 32768, rows);
  assert.equal(rows.filter((it) => it > 0).length, 1);
  assert.ok(Math.max(...rows) >= 40);
});

test('what stands after a checkpoint is what a replay from the beginning says', () => {
  const model = new Model(synthetic(SPACING * 2 + 500));
  const { standings, run } = model;
  assert.ok(standings.checkpoints.length >= 3);
  for (const event of [0, 7, SPACING - 1, SPACING, SPACING + 1, SPACING * 2 + 321]) {
    const quick = standings.at(event);
    const all = standings.checkpoints;
    standings.checkpoints = all.map(() => all[0]);
    const state = structuredClone(standings.at(0));
    for (let i = 1; i <= event; i += 1) standings.effects[run.kind[i]]?.(state, i, run, model.coroutines);
    standings.checkpoints = all;
    assert.deepEqual(quick, state, `at ${event}`);
  }
});

test('a section that is asked for waits for what is in flight at its node', () => {
  const w = new Writer();
  w.event('drain-begin', { node: 'source', section: 1, owner: 'mirror_run' });
  const document = w.document();
  const kind = { name: 'request-begin', columns: { node: [], id: [], request: [], offset: [], bytes: [] }, types: { node: 'text', id: 'number', request: 'text', offset: 'number', bytes: 'number' } };
  const add = (node, id) => {
    const values = { node: w.string(node), id, request: w.string('write'), offset: 512, bytes: 512 };
    for (const [field, column] of Object.entries(kind.columns)) column.push(values[field]);
    document.events.at_ns.push(0);
    document.events.decisions.push(0);
    document.events.context.push(w.string('main'));
    document.events.coroutine.push(-1);
    document.events.kind.push(document.kinds.length);
  };
  add('source', 1);
  add('target', 2);
  document.kinds.push(kind);
  const model = new Model(document);
  const state = model.standings.at(2);
  const [section] = state.sections.values();
  assert.deepEqual(waitsFor(state, section).map((it) => it.at), ['source']);
  assert.equal(section.drained, null);
});

test('dirty bytes and bytes in flight are what the bitmaps add up to', () => {
  const { bits: [bits], series: [dirty, flight, copied], run } = new Model(synthetic(3000));
  for (const event of [4, 100, 1000, run.count - 1]) {
    assert.equal(valueAt(dirty, event), bits.dirty.onesAt(event) * 65536);
    assert.equal(valueAt(flight, event), bits.flight.onesAt(event) * 65536);
  }
  assert.equal(valueAt(copied, run.count), run.ofKind('mirror-iteration-done').length * 65536);
  assert.equal(valueAt(dirty, 4), 4096 * 65536);
});

test('granules are in flight from when they are taken until their copy has ended', () => {
  const { bits: [bits], run } = new Model(synthetic(1000));
  const [taken, done] = [run.ofKind('mirror-iteration'), run.ofKind('mirror-iteration-done')];
  for (const [copy, event] of taken.entries()) {
    assert.equal(bits.flight.onesAt(event - 1), 0);
    assert.equal(bits.flight.onesAt(event), 1);
    if (copy < done.length) assert.equal(bits.flight.onesAt(done[copy]), 0);
  }
});

test('a peak between two points is seen in both', () => {
  const series = { events: Uint32Array.from([5, 6, 7]), values: Float64Array.from([1, 9, 2]) };
  assert.deepEqual(sample(series, [0, 10, 20]), [9, 2]);
});

test('a run that does not tell of dirty bits says so and shows what its job said', () => {
  const document = synthetic(500);
  document.kinds.find((kind) => kind.name === 'dirty-set').name = 'other-one';
  document.kinds.find((kind) => kind.name === 'dirty-clear').name = 'other-two';
  const { bits: [bits], series: [dirty] } = new Model(document);
  assert.equal(bits.dirty, null);
  assert.equal(dirty.events.length, 0);
  assert.ok(bits.flight.events.length > 0);
});

test('timers stand until they run, are taken back, or the sleep is over', () => {
  const w = new Writer();
  w.event('timer', { name: 'first' });
  w.now = 100;
  w.event('timer', { name: 'job_sleep' });
  w.now = 900;
  w.event('drained', { node: 'source', section: 1, owner: 'x' });
  const document = w.document();
  document.kinds[0] = { name: 'timer-arm', types: { name: 'text', id: 'number', deadline_ns: 'number' }, columns: { name: [w.string('sleep'), w.string('job_sleep')], id: [1, 2], deadline_ns: [500, 2000] } };
  document.strings = w.strings;
  const { standings } = new Model(document);
  assert.equal(standings.at(1).timers.size, 2);
  assert.deepEqual([...standings.at(2).timers.values()].map((timer) => timer.name), ['main: job_sleep']);
});
