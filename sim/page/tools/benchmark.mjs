// How long a page takes to open, and how long its frames are while one steps, plays, zooms and goes far.
//
//   node tools/benchmark.mjs                     pages of runs that were made up, of several lengths
//   node tools/benchmark.mjs [TIMES] PAGE...     pages that `blockjob sim view` or `blockjob view` has written
//
// Each page is opened anew TIMES times (5 if nothing is said), and the medians are printed.

import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { launch, made, open } from '../browser/helpers.mjs';
import { synthetic } from './synthetic.mjs';

/** What is done in each frame of a measurement, by its name; all of it in the page. */
const DEEDS = {
  'step by event': `app.act(at % 2 ? 'event-on' : at % 16 ? 'event-on' : 'event-back')`,
  'step by decision': `app.act('decision-on')`,
  'step of the mirror': `app.act('step-on')`,
  'play 4,096/s': `at === 0 ? app.store.set({ speed: 4096, playing: true }) : at === 119 && app.store.set({ playing: false })`,
  'zoom and move': `app.move((axis) => at % 60 < 20 ? axis.zoom(0.8, axis.from + (axis.to - axis.from) * 0.4)
    : at % 60 < 40 ? axis.pan(0.05) : axis.zoom(1.25, axis.from + (axis.to - axis.from) * 0.4))`,
  'go far': `app.go((at * 7919 * 97) % app.model.run.count)`,
};

/** Does a deed in each of 120 frames; returns how long each frame took, in milliseconds. */
function frames(deed) {
  const { app } = globalThis.blockjob;
  const act = new Function('app', 'at', deed);
  const times = [];
  return new Promise((done) => {
    let last = 0;
    let at = 0;
    const next = (now) => {
      if (at > 0) times.push(now - last);
      last = now;
      if (at === 120) return done(times);
      act(app, at);
      at += 1;
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
}

const median = (values) => values.slice().sort((a, b) => a - b)[Math.floor(values.length / 2)];
const ms = (value) => value.toFixed(0).padStart(7);

/** One opening of a page: when it is first drawn, and the frames of each deed. */
async function measure(browser, path) {
  const { page, context, errors } = await open(browser, path);
  const drawn = await page.evaluate(() => new Promise((done) => {
    const look = () => (globalThis.blockjob.drawnMs > 0 ? done(globalThis.blockjob.drawnMs) : setTimeout(look, 5));
    look();
  }));
  const found = { drawn, deeds: {} };
  await page.evaluate(() => { globalThis.blockjob.app.act('first'); globalThis.blockjob.app.act('fit'); });
  for (const [name, deed] of Object.entries(DEEDS)) {
    const times = await page.evaluate(`(${frames})(${JSON.stringify(`return ${deed};`)})`);
    found.deeds[name] = { median: median(times), longest: Math.max(...times) };
  }
  found.events = await page.evaluate(() => globalThis.blockjob.app.model.run.count);
  if (errors.length) throw new Error(errors.join('\n'));
  await context.close();
  return found;
}

async function report(browser, path, times) {
  const all = [];
  for (let time = 0; time < times; time += 1) all.push(await measure(browser, path));
  const bytes = readFileSync(path);
  console.log(`${path}: ${all[0].events} events, ${statSync(path).size} bytes, ${(gzipSync(bytes).length / 1024).toFixed(0)} KiB with gzip`);
  console.log(`  first drawn after ${ms(median(all.map((it) => it.drawn)))} ms`);
  for (const name of Object.keys(DEEDS)) {
    const of = (field) => median(all.map((it) => it.deeds[name][field]));
    console.log(`  ${name.padEnd(20)} frame ${ms(of('median'))} ms, longest ${ms(of('longest'))} ms`);
  }
}

const [first, ...rest] = process.argv.slice(2);
const numbered = /^\d+$/.test(first ?? '');
const paths = (numbered ? rest : process.argv.slice(2)).map((path) => resolve(path));
const browser = await launch();
if (paths.length === 0) {
  for (const count of [10_000, 100_000, 1_000_000]) paths.push(made(`bench-${count}.html`, synthetic(count)));
}
for (const path of paths) await report(browser, path, numbered ? Number(first) : 5);
await browser.close();
