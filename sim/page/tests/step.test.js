// Stepping, looking for things, comparing runs, links, keys, and playing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App } from '#page/app.js';
import { counterpart, firstDifference } from '#page/difference.js';
import { KEYS, actionOf } from '#page/keys.js';
import { Model } from '#page/model.js';
import { readLink, writeLink } from '#page/permalink.js';
import { advance } from '#page/play.js';
import { byDecision, byStep, find, matcher, seek, stepAt } from '#page/step.js';
import { details, grouped, size, time, whereabouts } from '#page/words.js';
import { Writer, synthetic } from '../tools/synthetic.mjs';

const now = (work) => work();
const app = (document) => new App(document, { theme: 'light', schedule: now });

test('a step by decision comes to the event that followed the choice, and back', () => {
  const { run } = new Model(synthetic(500));
  let at = 0;
  for (let d = 0; d < 5; d += 1) {
    at = byDecision(run, at, 1);
    assert.equal(at, run.eventOfDecision(d));
    assert.ok(run.decided[at] > run.decided[at - 1]);
  }
  for (let d = 3; d >= 0; d -= 1) {
    at = byDecision(run, at, -1);
    assert.equal(at, run.eventOfDecision(d));
  }
  assert.equal(byDecision(run, run.count - 1, 1), run.count - 1);
});

test('steps of the mirror are found in both directions', () => {
  const { run } = new Model(synthetic(500));
  const [first, second] = run.ofKind('mirror-step');
  assert.equal(byStep(run, 0, 1), first);
  assert.equal(byStep(run, first, 1), second);
  assert.equal(byStep(run, second, -1), first);
  assert.deepEqual(stepAt(run, second + 1), { step: 'M10', event: second, job: 'job0' });
  assert.equal(stepAt(run, 0), null);
});

test('M1 is not M10, and words must all be there', () => {
  const { run } = new Model(synthetic(500));
  assert.equal(find(run, 0, 1, 'M1'), -1);
  assert.equal(find(run, 0, 1, 'm10'), run.ofKind('mirror-step')[0]);
  assert.equal(find(run, 0, 1, 'drained'), run.ofKind('drained')[0]);
  const fits = matcher(run, 'disk write target');
  const found = run.ofKind('disk-begin').find((i) => run.value(i, 'disk') === 'target');
  assert.ok(fits(found));
  assert.equal(matcher(run, '  '), null);
});

test('looking for something bit by bit comes to the same, and ends where there is nothing', () => {
  const { run } = new Model(synthetic(60_000));
  const all = (direction, from, text) => {
    const look = seek(run, from, direction, text);
    for (let calls = 1; ; calls += 1) {
      const found = look(-1);
      if (found !== null) return { found, calls };
    }
  };
  const far = all(1, 0, 'disk target no-such');
  assert.deepEqual(far, { found: -1, calls: Math.floor((run.count - 1) / 256) + 1 });
  const last = run.ofKind('guest-done').at(-1);
  const text = `guest-done id ${grouped(run.value(last, 'id'))}`;
  for (const from of [0, last - 1]) assert.equal(find(run, from, 1, text), last);
  assert.equal(find(run, last + 1, -1, text), last);
  assert.equal(find(run, last, 1, text), -1);
  const { found, calls } = all(1, 0, text);
  assert.equal(found, last);
  assert.ok(calls > 10, `${calls}`);
  assert.equal(all(-1, run.count, text).found, last);
});

test('who goes elsewhere does not wait for what was looked for', () => {
  const it = app(synthetic(300));
  it.find('no such thing', 1);
  assert.equal(it.store.chosen.found, 'none after this');
  it.search = () => null;
  it.store.set({ found: 'looking…' });
  it.go(5);
  assert.deepEqual([it.search, it.store.chosen.found], [null, '']);
});

test('a first difference is where the runs part, and events before it are the same', () => {
  const a = new Writer();
  const b = new Writer();
  for (const w of [a, b]) {
    w.event('timer', { name: 'one' });
    w.event('timer', { name: 'two' });
    w.now = 100;
  }
  a.event('timer', { name: 'three' });
  b.event('timer', { name: 'four' });
  b.now = 300;
  b.event('timer', { name: 'five' });
  const [left, right] = [new Model(a.document()).run, new Model(b.document()).run];
  const difference = firstDifference(left, right);
  assert.deepEqual(difference, { event_a: 2, event_b: 2, decision: null });
  assert.equal(counterpart(left, right, difference, 1), 1);
  assert.equal(counterpart(right, left, difference, 3), 2);
  assert.equal(firstDifference(left, left), null);
});

test('a run that ends sooner differs where it ends', () => {
  const [short, long] = [300, 600].map((count) => new Model(synthetic(count)).run);
  const { event_a: at } = firstDifference(long, short);
  assert.ok(at > 250 && at <= short.count);
});

test('a run that is shown instead keeps the one before beside it, and they change places', () => {
  const it = app(synthetic(300));
  it.show(synthetic(600), { keep: true });
  assert.ok(it.against.run.count < it.model.run.count);
  assert.equal(it.store.chosen.cursor, it.difference.event_a);
  it.swap();
  assert.ok(it.against.run.count > it.model.run.count);
  it.setAgainst(null);
  assert.equal(it.difference, null);
});

test('of two runs either is followed where it stands, at the event beside the cursor', () => {
  const it = app(synthetic(300));
  const upper = it.model;
  it.setAgainst(synthetic(600));
  const lower = it.against;
  it.go(it.difference.event_a - 5);
  it.other();
  assert.deepEqual([it.model, it.against, it.followed], [lower, upper, 'below']);
  assert.equal(it.store.chosen.cursor, it.difference.event_a - 5);
  it.act('event-on');
  assert.equal(it.besideCursor(), it.store.chosen.cursor);
  it.other(17);
  assert.deepEqual([it.model, it.store.chosen.cursor, it.followed], [upper, 17, 'above']);
  it.follow('below');
  it.alone();
  assert.deepEqual([it.model, it.against, it.followed], [upper, null, 'above']);
  it.other();
  assert.equal(it.model, upper);
});

test('actions move the cursor and never out of the run', () => {
  const it = app(synthetic(100));
  it.act('event-back');
  assert.equal(it.store.chosen.cursor, 0);
  it.act('last');
  it.act('event-on');
  assert.equal(it.store.chosen.cursor, it.model.run.count - 1);
  it.find('no such thing', 1);
  assert.equal(it.store.chosen.found, 'none after this');
});

test('all that keys are for is done by the page', () => {
  const it = app(synthetic(100));
  const own = ['help', 'save', 'link', 'look', 'goto'];
  for (const [keys, action] of KEYS) {
    assert.ok(own.includes(action) || it.act(action), action);
    const key = keys[0].replace('Shift+', '');
    assert.equal(actionOf({ key, shiftKey: keys[0].startsWith('Shift+') }), action);
  }
  assert.equal(actionOf({ key: 'n', ctrlKey: true }), null);
});

test('a link leads to where it was made, whatever is in the log', () => {
  const link = { log: 'bj1:granules=1,bug=MIR-02:aio.next=3a4.17&x#y%', against: 'bj1:b', at: 212 };
  assert.deepEqual(readLink(writeLink(link)), link);
  assert.deepEqual(readLink('#at=x&log='), { log: null, against: null, at: null });
  assert.equal(readLink('#log=bj1:%').log, 'bj1:%');
});

test('playing owes what is left of an event, and a hidden page does not run away', () => {
  let state = { steps: 0, owed: 0 };
  let sum = 0;
  for (let frame = 0; frame < 60; frame += 1) {
    state = advance(state.owed, 8, 1000 / 60);
    sum += state.steps;
  }
  assert.ok(sum === 7 || sum === 8);
  assert.ok(advance(0, 8, 3_600_000).steps <= 2);
});

test('times, sizes and places are said as one says them', () => {
  assert.equal(time(3_200_000), '3.2 ms');
  assert.equal(time(0), '0 ns');
  assert.equal(size(65536), '64 KiB');
  assert.equal(grouped(1000000), '1,000,000');
  const { run } = new Model(synthetic(300));
  const step = run.ofKind('mirror-step')[0];
  assert.match(whereabouts(run, step), /^event \d+ \(0 to \d+\), .*, main: mirror-step M10$/);
  assert.equal(details(run, run.ofKind('job-status')[0]), 'undefined → created');
});
