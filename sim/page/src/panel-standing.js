// The panel of what stands at the cursor: bitmaps, queue, timers, bottom halves, requests, drained sections.

import { make } from '#page/dom.js';
import { shortName } from '#page/lanes-parts.js';
import { shrink } from '#page/bits.js';
import { themeOf } from '#page/theme.js';
import { waitsFor } from '#page/standing.js';
import { grouped, size, span, time } from '#page/words.js';

/** So many of each are listed. */
const MOST = 12;

/** @param {import('#page/app.js').App} app @param {HTMLElement} element */
export function standingPanel(app, element) {
  element.classList.add('standing');
  app.store.on(['cursor', 'run', 'theme', 'job'], ({ cursor, theme }) => {
    const { model } = app;
    if (model.run.count === 0) {
      element.replaceChildren();
      return;
    }
    const state = model.standings.at(cursor);
    const name = (who) => shortName(model.coroutines.names[who] ?? '?');
    const due = (timer) => `${timer.name}, due ${time(timer.deadline)}`;
    const request = (it) => `${it.at}: ${it.what} ${span(it.offset, it.bytes)}, since ${time(model.run.at[it.event])}`;
    element.replaceChildren(
      ...model.strips.map((bits) => bitsOf(bits, cursor, theme, model.bits.length > 1)),
      list('Drained sections', [...state.sections.values()].map((it) => sectionText(model, state, it))),
      list('Runs now', state.running.map(name)),
      list('Ready to run', [...state.ready.keys()].map(name)),
      list('Guests wait for', [...state.guests.values()].map(request)),
      list('In flight at nodes', [...state.requests.values()].map(request)),
      list('Timers', [...state.timers.values()].sort((a, b) => a.deadline - b.deadline).map(due)),
      list('Bottom halves', [...state.halves.keys()]),
    );
  });
}

function sectionText(model, state, section) {
  const since = time(model.run.at[section.asked]);
  if (section.drained !== null) return `${section.node}, by ${section.owner}: holds since ${time(model.run.at[section.drained])}`;
  const waiting = waitsFor(state, section);
  const what = waiting.length === 0 ? 'its turn'
    : waiting.slice(0, 3).map((it) => `${it.what} ${span(it.offset, it.bytes)} at ${it.at}`).join('; ');
  return `${section.node}, by ${section.owner}: asked at ${since}, waits for ${what}`;
}

/** A list under a heading; one without entries is one word. */
function list(title, lines) {
  const shown = lines.slice(0, MOST).map((text) => make('li', null, text));
  if (lines.length > MOST) shown.push(make('li.quiet', null, `and ${grouped(lines.length - MOST)} more`));
  const count = lines.length ? ` ${grouped(lines.length)}` : ' none';
  return make('div', null, make('h3', null, title, make('span.count', null, count)),
    lines.length ? make('ul', { tabindex: 0, 'aria-label': title }, ...shown) : null);
}

/** The bitmaps of a job at the cursor, granules from left to right: dirty above, in flight below. */
function bitsOf(bits, cursor, theme, named) {
  const columns = Math.min(bits.granules, 512);
  const colours = themeOf(theme).rgb;
  const canvas = make('canvas.grid-of-bits', { width: columns, height: 2, role: 'img' });
  const context = canvas.getContext('2d');
  const data = context.createImageData(columns, 2);
  const row = new Uint8Array(columns);
  [[bits.dirty, colours.write], [bits.flight, colours.copy]].forEach(([history, rgb], line) => {
    row.fill(0);
    if (history) shrink(history.at(cursor), bits.granules, row);
    for (let x = 0; x < columns; x += 1) data.data.set([...rgb, row[x]], 4 * (line * columns + x));
  });
  context.putImageData(data, 0, 0);
  const dirty = bits.dirty
    ? `${grouped(bits.dirty.onesAt(cursor))} of ${grouped(bits.granules)} granules dirty` : 'dirty bits not recorded';
  const flight = `${grouped(bits.flight.onesAt(cursor))} in flight`;
  canvas.setAttribute('aria-label', `${dirty}, ${flight}`);
  return make('div', null,
    make('h3', null, `${named ? `${bits.job}: ` : ''}Bitmaps`, make('span.count', null, ` granules of ${size(bits.granularity)}`)),
    canvas, make('p.quiet.path', null, `above: ${dirty}; below: ${flight}`));
}
