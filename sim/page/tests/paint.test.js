// The painter: what is painted, how much of it, and where.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Axis, ticks } from '#page/axis.js';
import { inSight, scrollFor } from '#page/events-list.js';
import { perfetto } from '#page/export-perfetto.js';
import { shiviz } from '#page/export-shiviz.js';
import { toSvg } from '#page/export-image.js';
import { fileName } from '#page/download.js';
import { Model } from '#page/model.js';
import { paint } from '#page/paint.js';
import { pick } from '#page/pick.js';
import { arrowEnds, takenOf } from '#page/panel-job.js';
import { byteTicks } from '#page/chart.js';
import { SvgSurface } from '#page/surface.js';
import { contrast, themeOf } from '#page/theme.js';
import { synthetic } from '../tools/synthetic.mjs';

function sceneOf(model, axis, more = {}) {
  return { model, axis, width: 1200, height: model.height, cursor: 0, wrong: null, difference: null, theme: themeOf('light'), ...more };
}

function itemsOf(model, axis) {
  const surface = new SvgSurface();
  paint(surface, sceneOf(model, axis));
  return surface.items;
}

test('how much is painted depends on the window and not on the length of the run', () => {
  const [short, long] = [20_000, 200_000].map((count) => new Model(synthetic(count)));
  const few = itemsOf(short, new Axis(short.run));
  const many = itemsOf(long, new Axis(long.run));
  assert.ok(many < few * 1.5, `${few} for 20,000 events, ${many} for 200,000`);
  const rows = long.lanes.reduce((sum, lane) => sum + lane.rows.length + 1, 0);
  assert.ok(many < rows * 1200 + 500, `${many} for ${rows} rows of 1,200 pixels`);
});

test('the cursor does not cover the mark of where it went wrong, not even at the edges', () => {
  const model = new Model(synthetic(300));
  for (const event of [0, 150, model.run.count - 1]) {
    const surface = new SvgSurface();
    const drawn = { rects: [], shapes: [], lines: [] };
    surface.rect = (x, y, width, height, colour) => drawn.rects.push({ x, y, width, height, colour });
    surface.shape = (points, colour) => drawn.shapes.push({ points, colour });
    surface.line = (x, _y, _x2, _y2, colour) => drawn.lines.push({ x, colour });
    const scene = sceneOf(model, new Axis(model.run), { cursor: event, wrong: event });
    paint(surface, scene);
    const { theme } = scene;
    const mark = drawn.rects.find((it) => it.colour === theme.tones.failed && it.height === 14);
    const head = drawn.shapes.find((it) => it.colour === theme.accent).points.map(([x]) => x);
    const [low, high] = [Math.min(...head), Math.max(...head)];
    assert.ok(mark.x >= high || mark.x + mark.width <= low, `the mark is at ${mark.x}, the cursor from ${low} to ${high}`);
    assert.ok(mark.x >= 0 && mark.x + mark.width <= scene.width, 'and it is in the picture');
    const last = drawn.lines.filter((it) => [theme.accent, theme.tones.failed].includes(it.colour)).at(-1);
    assert.equal(last.colour, theme.tones.failed, 'its line is above that of the cursor');
  }
});

test('what is out of sight is not painted', () => {
  const model = new Model(synthetic(20_000));
  const axis = new Axis(model.run);
  axis.show(5000, 5060);
  assert.ok(itemsOf(model, axis) < 400, `${itemsOf(model, axis)} for 60 events`);
});

test('both scales show the same events, before and after', () => {
  const model = new Model(synthetic(3000));
  const axis = new Axis(model.run);
  axis.show(1000, 1400);
  axis.rescale('time');
  assert.ok(axis.eventAt(axis.from) <= 1000 && axis.eventAt(axis.to) >= 1400);
  axis.rescale('order');
  assert.ok(Math.abs(axis.from - 1000) < 30 && Math.abs(axis.to - 1400) < 30, `${axis.from} ${axis.to}`);
});

test('zooming leaves in its place what is under the pointer', () => {
  const model = new Model(synthetic(3000));
  const axis = new Axis(model.run);
  const before = axis.view(0, 1000).x(700);
  axis.zoom(0.25, axis.position(700));
  assert.ok(Math.abs(axis.view(0, 1000).x(700) - before) < 0.01);
  axis.pan(-100);
  assert.equal(axis.from, 0);
  axis.zoom(1e9, 10);
  assert.deepEqual([axis.from, axis.to], axis.limits());
});

test('an event that is revealed is in sight', () => {
  const model = new Model(synthetic(3000));
  for (const scale of ['order', 'time']) {
    const axis = new Axis(model.run, scale);
    axis.zoom(0.01, 0);
    for (const event of [2500, 3, 1200, model.run.count - 1]) {
      axis.reveal(event);
      const at = axis.position(event);
      assert.ok(at >= axis.from && at <= axis.to, `${event} by ${scale}`);
    }
  }
});

test('what is under the pointer is told, and has the event it is about', () => {
  const model = new Model(synthetic(3000));
  const axis = new Axis(model.run);
  const surface = new SvgSurface();
  axis.show(0, 120);
  const view = paint(surface, sceneOf(model, axis));
  const place = model.places.find((it) => it.label === 'guest 0');
  const ask = model.run.ofKind('guest-ask')[0];
  const found = pick(model, view, view.middle(ask) + 1, place.top + 4);
  assert.equal(found.event, ask);
  assert.match(found.text, /guest 0: write/);
  const strip = model.places.find((it) => it.bitmap === 'dirty');
  assert.match(pick(model, view, view.middle(50), strip.top + 10).text, /granule \d.* is dirty/);
});

test('a picture in SVG is well formed and shows the labels', () => {
  const model = new Model(synthetic(300));
  const svg = toSvg(sceneOf(model, new Axis(model.run)), 'A <run> & more');
  assert.match(svg, /^<svg xmlns/);
  assert.match(svg, /A &lt;run&gt; &amp; more/);
  assert.match(svg, />main loop</);
  assert.equal((svg.match(/<g[ >]/g) ?? []).length, (svg.match(/<\/g>/g) ?? []).length);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});

test('Perfetto gets slices in order, and arrows with both ends', () => {
  const trace = JSON.parse(perfetto(new Model(synthetic(500)))).traceEvents;
  const ids = (ph) => trace.filter((it) => it.ph === ph).map((it) => it.id).sort();
  assert.ok(ids('s').length > 10);
  assert.deepEqual(ids('s'), ids('f'));
  assert.ok(trace.filter((it) => it.ph === 'X').every((it) => it.dur >= 0 && Number.isFinite(it.ts)));
});

test('in ShiViz each host counts its own events, and knows no future of others', () => {
  const lines = shiviz(new Model(synthetic(500))).split('\n').slice(2).filter(Boolean);
  const counts = new Map();
  for (let at = 0; at < lines.length; at += 2) {
    const [, host, json] = /^(\S+) (\{.*\})$/.exec(lines[at]);
    const clock = JSON.parse(json);
    counts.set(host, (counts.get(host) ?? 0) + 1);
    assert.equal(clock[host], counts.get(host));
    for (const [other, known] of Object.entries(clock)) assert.ok(known <= (counts.get(other) ?? 0), `${host} of ${other}`);
  }
  assert.ok(counts.size >= 3, [...counts.keys()].join(' '));
});

test('a list of a million scrolls to its ends', () => {
  for (const count of [10, 5000, 1_000_000, 3_000_000]) {
    for (const entry of [0, Math.floor(count / 2), count - 1]) {
      const { first, end } = inSight(scrollFor(entry, 330, count), 330, count);
      assert.ok(first <= entry && entry < end, `${entry} of ${count}: ${first}..${end}`);
    }
  }
});

test('marks of axes are round and inside', () => {
  assert.deepEqual(ticks(0, 100, 5), [0, 20, 40, 60, 80, 100]);
  assert.ok(ticks(0, 1e9, 7).length <= 8);
  assert.deepEqual(byteTicks(0, 8192), [0, 2048, 4096, 6144, 8192]);
});

test('names of lanes and of slices can be read in both themes', () => {
  for (const name of ['light', 'dark']) {
    const theme = themeOf(name);
    for (const colour of ['text', 'quiet', 'accent']) assert.ok(contrast(theme[colour], theme.panel) >= 4.5, `${name} ${colour}`);
    for (const [tone, colour] of Object.entries(theme.tones)) {
      assert.ok(contrast(theme.on[tone], colour) >= 4.5, `${name} ${tone} ${contrast(theme.on[tone], colour)}`);
    }
  }
});

test('arrows of the diagram end at the boxes, and taken ones are those of the path', () => {
  const [[x1, y1], [x2, y2]] = arrowEnds('created', 'running', false);
  assert.deepEqual([x1, y1, x2, y2].map(Math.round), [190, 78, 222, 78]);
  assert.deepEqual([...takenOf(['created', 'running', 'paused'])], ['created running', 'running paused']);
});

test('a file is named after the run and the event', () => {
  assert.equal(fileName({ bug: 'MIR-02', scenario: 'tiny one' }, 211, 'svg'), 'blockjob-MIR-02-tiny-one-event211.svg');
  assert.equal(fileName({}, null, 'json'), 'blockjob.json');
});
