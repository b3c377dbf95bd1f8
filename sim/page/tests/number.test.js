// Numbers of events and decisions: counted from 0, as in traces, logs and what-if, and typed to go there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App } from '#page/app.js';
import { destination } from '#page/goto.js';
import { Model } from '#page/model.js';
import { perfetto } from '#page/export-perfetto.js';
import { decisionsAt } from '#page/panel-decision.js';
import { eventName, whereabouts } from '#page/words.js';
import { Writer, synthetic } from '../tools/synthetic.mjs';

const app = (document) => new App(document, { theme: 'light', schedule: (work) => work() });

/** Events after 0, 1, 1, 4 and 4 decisions, and a last decision after all of them. */
function decided(more = {}) {
  const w = new Writer(more);
  w.event('timer', { name: 'a' });
  w.decide(2, 0);
  w.event('timer', { name: 'b' });
  w.event('timer', { name: 'c' });
  for (const chosen of [0, 1, 2]) w.decide(3, chosen);
  w.event('timer', { name: 'd' });
  w.event('timer', { name: 'e' });
  w.decide(2, 1);
  return w.document();
}

test('the first event is 0, as in a trace, and those that were not kept have numbers, too', () => {
  const { run } = new Model(decided());
  assert.equal(eventName(run, 0), '0');
  assert.match(whereabouts(run, 4), /^event 4 \(0 to 4\), /);
  const cut = new Model(decided({ lost: 1000 })).run;
  assert.equal(eventName(cut, 0), '1,000');
  assert.match(whereabouts(cut, 4), /^event 1,004 \(1,000 to 1,004\), /);
  const { traceEvents } = JSON.parse(perfetto(new Model(decided({ lost: 1000 }))));
  assert.deepEqual(traceEvents.filter((it) => it.ph === 'i').map((it) => it.args.event), [1000, 1001, 1002, 1003, 1004]);
});

test('a number that is typed leads to its event, and a d before it to its decision', () => {
  const { run } = new Model(decided());
  for (const text of ['3', ' event 3', 'e3', 'E3']) assert.deepEqual(destination(run, text), { event: 3, wrong: null }, text);
  for (const text of ['d0', 'decision 0', 'D0']) assert.deepEqual(destination(run, text), { event: 1, wrong: null }, text);
  for (const text of ['d1', 'd2', 'd3']) assert.deepEqual(destination(run, text), { event: 3, wrong: null }, text);
  const long = new Model(decided({ lost: 1_000_000 })).run;
  assert.deepEqual(destination(long, '1,000,002'), { event: 2, wrong: null });
});

test('a number that leads nowhere is answered with one sentence that says what there is', () => {
  const { run } = new Model(decided());
  const wrong = (text, it = run) => destination(it, text).wrong;
  assert.equal(wrong('5'), 'There is no event 5 here. The events are 0 to 4.');
  assert.equal(wrong('d5'), 'There is no decision 5. The decisions are 0 to 4.');
  assert.equal(wrong('d4'), 'Decision 4 was made after the last event.');
  for (const text of ['M4', '-1', '1.5', 'dd3']) assert.match(wrong(text), /^“.*” is no number of an event or a decision: 211 is an event, d89 a decision\.$/);
  const cut = new Model(decided({ lost: 7 })).run;
  assert.equal(wrong('6', cut), 'There is no event 6 here. The events that were kept are 7 to 11.');
  const real = decided();
  real.decisions = { site: [], n: [], chosen: [], labels: [] };
  assert.equal(wrong('d0', new Model(real).run), 'This run has no decisions.');
});

test('going to a number moves the cursor, and a wrong one leaves it and is said until a right one comes', () => {
  const it = app(synthetic(300));
  it.goTo('120');
  assert.equal(it.store.chosen.cursor, 120);
  it.goTo('9999');
  assert.equal(it.store.chosen.cursor, 120);
  assert.match(it.store.chosen.gone, /^There is no event 9,999/);
  it.goTo('d3');
  assert.equal(it.store.chosen.cursor, it.model.run.eventOfDecision(3));
  assert.equal(it.store.chosen.gone, '');
});

test('an event has the decisions that were made just before it, and one without stands between two', () => {
  const { run } = new Model(decided());
  assert.deepEqual(decisionsAt(run, 0), { made: [], left: 0, last: null, next: 0 });
  assert.deepEqual(decisionsAt(run, 1).made, [0]);
  assert.deepEqual(decisionsAt(run, 2), { made: [], left: 0, last: 0, next: 1 });
  assert.deepEqual(decisionsAt(run, 3).made, [1, 2, 3]);
  assert.deepEqual(decisionsAt(run, 4), { made: [], left: 0, last: 3, next: 4 });
});

test('of very many decisions before one event the last are shown, and the others counted', () => {
  const w = new Writer();
  for (let at = 0; at < 10; at += 1) w.decide(2, 0);
  w.event('timer', { name: 'a' });
  const { made, left } = decisionsAt(new Model(w.document()).run, 0);
  assert.deepEqual([made, left], [[4, 5, 6, 7, 8, 9], 4]);
});

test('what was decided before the first event that was kept belongs to no event', () => {
  const w = new Writer({ lost: 5 });
  w.decide(2, 0);
  w.decide(2, 0);
  w.event('timer', { name: 'a' });
  assert.deepEqual(decisionsAt(new Model(w.document()).run, 0), { made: [], left: 0, last: 1, next: null });
});
