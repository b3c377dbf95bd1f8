// Which jobs there are, and which of them have strips, a chart and bitmaps.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { App } from '#page/app.js';
import { Axis } from '#page/axis.js';
import { toSvg } from '#page/export-image.js';
import { leftOut } from '#page/job-choice.js';
import { meaningOf } from '#page/meanings.js';
import { Model } from '#page/model.js';
import { shareOut } from '#page/timeline.js';
import { stepAt } from '#page/step.js';
import { themeOf } from '#page/theme.js';
import { place, whereabouts } from '#page/words.js';
import { Writer, synthetic } from '../tools/synthetic.mjs';

const BYTES = 65536;
const fact = (name) => ({ name, source: `source-${name}`, target: 'target', granularity_bytes: BYTES, length_bytes: 8 * BYTES });

/** So many jobs, each with a copy. */
function jobs(count) {
  const names = Array.from({ length: count }, (_, at) => `job${at}`);
  const w = new Writer({ jobs: names.map(fact) });
  for (const [at, job] of names.entries()) {
    w.event('mirror-iteration', { job, offset: at * BYTES, bytes: BYTES });
    w.event('mirror-iteration-done', { job, offset: at * BYTES, bytes: BYTES });
  }
  return w.document();
}

const strips = (model) => [...new Set(model.places.filter((it) => it.kind === 'strip').map((it) => model.bits[it.index].job))];

test('four of many jobs have strips, which is said, and one that is chosen is among them', () => {
  const it = new App(jobs(7), { theme: 'light', schedule: (work) => work() });
  assert.deepEqual(strips(it.model), ['job0', 'job1', 'job2', 'job3']);
  assert.match(leftOut(it.model), /^4 of 7 jobs have strips/);
  assert.equal(it.model.charted(null), 'job0');
  it.choose('job5');
  assert.deepEqual(strips(it.model), ['job0', 'job1', 'job2', 'job5']);
  assert.equal(it.model.charted('job5'), 'job5');
  const [, , copied] = it.model.series;
  assert.deepEqual([...copied.events], [11]);
  it.choose('job1');
  assert.deepEqual(strips(it.model), ['job0', 'job1', 'job2', 'job3']);
  assert.equal(leftOut(new Model(jobs(4))), '');
});

test('steps are those of the job that was chosen, or of all', () => {
  const w = new Writer({ jobs: [fact('a'), fact('b')] });
  w.event('mirror-step', { job: 'a', step: 'M1' });
  w.event('mirror-step', { job: 'b', step: 'M2' });
  w.event('timer', { name: 'x' });
  const model = new Model(w.document());
  const at = (job) => stepAt(model.run, 2, model.stepsOf(job));
  assert.deepEqual([at('a').step, at('b').step, at(null).step], ['M1', 'M2', 'M2']);
  assert.deepEqual([at('a').step, at('none')], ['M1', null]);
});

test('a job that only the document knows is not shown, and one that only the run knows is', () => {
  const w = new Writer({ jobs: [fact('job0')] });
  w.event('job-status', { job: 'scrub', from: 'undefined', to: 'created' });
  w.event('job-status', { job: 'scrub', from: 'created', to: 'running' });
  const model = new Model(w.document());
  assert.deepEqual(model.jobs, ['scrub']);
  assert.deepEqual([model.bits, model.series, strips(model)], [[], [], []]);
  assert.equal(model.hasSteps, false);
  const mirror = new Model(synthetic(300));
  assert.deepEqual([mirror.jobs, mirror.hasSteps, mirror.series.length], [['job0'], true, 3]);
});

test('of a run that was cut off a job of which nothing more is told is still known', () => {
  const w = new Writer({ jobs: [fact('job0')], lost: 10 });
  w.event('timer', { name: 'one' });
  assert.deepEqual(new Model(w.document()).jobs, ['job0']);
});

test('who was added to the run has a lane, in which is told what he does', () => {
  const w = new Writer();
  w.event('note', { who: 'worker 1', text: 'calls acquire()' });
  w.event('timer', { name: 'one' });
  w.event('note', { who: 'worker 0', text: 'calls release()' });
  const model = new Model(w.document());
  const lane = (event) => model.lanes[model.laneOf[event]];
  assert.deepEqual([lane(0).label, lane(2).label], ['worker 1', 'worker 0']);
  assert.deepEqual([[...lane(0).marks], [...lane(2).marks]], [[0], [2]]);
  assert.equal(place(model.run, 0), 'worker 1');
  assert.match(whereabouts(model.run, 2), /worker 0: note calls release\(\)$/);
  assert.notEqual(meaningOf('note'), '');
  const picture = toSvg({ model, axis: new Axis(model.run), width: 1200, height: model.height, cursor: 1, wrong: null, difference: null, theme: themeOf('light') });
  assert.match(picture, /calls release\(\)/);
});

test('two pictures share the room that there is, and a low one leaves its rest to the other', () => {
  assert.deepEqual(shareOut(900, 900, 600), [300, 300]);
  assert.deepEqual(shareOut(200, 900, 600), [200, 400]);
  assert.deepEqual(shareOut(900, 100, 600), [500, 100]);
  assert.deepEqual(shareOut(120, 130, 600), [120, 130]);
  const [upper, lower] = shareOut(900, 900, 50);
  assert.ok(upper >= 150 && lower >= 150, 'a window that is too low is scrolled');
});
