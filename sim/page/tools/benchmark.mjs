// How long frames take, and how large pages are, for runs of several lengths. node tools/benchmark.mjs

import { statSync } from 'node:fs';
import { launch, made, open } from '../browser/helpers.mjs';
import { synthetic } from './synthetic.mjs';

/** Zooms and pans in turns, a frame for each; returns what each took, in milliseconds. */
function frames() {
  const { app, timeline } = globalThis.blockjob;
  const times = [];
  const paints = [];
  return new Promise((done) => {
    let last = performance.now();
    let at = 0;
    const next = (now) => {
      if (at > 0) times.push(now - last);
      if (at > 0) paints.push(timeline.lastMs);
      last = now;
      if (at === 240) return done({ times, paints });
      app.move((axis) => {
        if (at % 60 < 20) axis.zoom(0.8, axis.from + (axis.to - axis.from) * 0.4);
        else if (at % 60 < 40) axis.pan(0.05);
        else axis.zoom(1.25, axis.from + (axis.to - axis.from) * 0.4);
      });
      at += 1;
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
}

function summary(times) {
  const sorted = times.slice().sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1).padStart(6);
  return `${at(0.5)} ${at(0.95)} ${at(1)}`;
}

const browser = await launch();
console.log('events      page bytes   open ms   frame ms: median 95 % max   of which lanes: median 95 % max');
for (const count of [10_000, 100_000, 1_000_000]) {
  const path = made(`bench-${count}.html`, synthetic(count));
  const began = performance.now();
  const { page, context } = await open(browser, path);
  const opened = performance.now() - began;
  const { times, paints } = await page.evaluate(frames);
  console.log(`${String(count).padEnd(10)} ${String(statSync(path).size).padStart(11)} ${opened.toFixed(0).padStart(9)}   `
    + `${summary(times).padStart(28)}   ${summary(paints).padStart(28)}`);
  await context.close();
}
await browser.close();
