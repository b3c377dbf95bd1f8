// The story of the run, in sentences. Of a long one only those around the cursor have an element.

import { button, make } from '#page/dom.js';
import { clamp, firstAtOrAfter } from '#page/search.js';
import { grouped, time } from '#page/words.js';

/** So many sentences have an element. */
export const MOST = 60;

/** Fewer than so many before or after the one of the cursor, and others are shown. */
const MARGIN = 15;

/**
 * The sentence that is told at an event: the last one until then, -1 if there is none.
 * @param {{event:number}[]} lines in the order of events
 * @param {number} cursor
 */
export function sentenceAt(lines, cursor) {
  return firstAtOrAfter(lines, cursor + 1) - 1;
}

/**
 * Which sentences are shown: the same as before if there are enough of them on both sides.
 * @param {number} count of all
 * @param {number} now the one in the middle of it all
 * @param {{first:number, end:number}|null} before what was shown until now
 * @returns {{first:number, end:number}}
 */
export function windowAround(count, now, before) {
  if (before) {
    const early = now - before.first >= MARGIN || before.first === 0;
    const late = before.end - now > MARGIN || before.end === count;
    if (early && late && now < before.end) return before;
  }
  const first = clamp(now - MOST / 2, 0, Math.max(0, count - MOST));
  return { first, end: Math.min(count, first + MOST) };
}

/** @param {import('#page/app.js').App} app @param {HTMLElement} panel @param {HTMLElement} element */
export function storyPanel(app, panel, element) {
  let lines = [];
  let shown = null;
  let lit = null;
  const list = make('ol.story-lines', { tabindex: 0, 'aria-label': 'The story' });
  const place = make('p.quiet');
  const more = make('div');

  const fill = (range) => {
    shown = range;
    lit = null;
    const turn = (text, now) => make('li', null, button(text, () => {
      fill(windowAround(lines.length, now, null));
      list.scrollTop = now < range.first ? list.scrollHeight : 0;
      list.focus();
    }));
    const { first, end } = range;
    list.replaceChildren(
      first > 0 ? turn(`↑ ${grouped(first)} sentences before these`, first - MOST / 2) : '',
      ...lines.slice(first, end).map(({ event, text, at_ns: at }) =>
        make('li.told-at', { 'data-event': event }, button(text, () => app.go(event), { title: time(at) }))),
      end < lines.length ? turn(`↓ ${grouped(lines.length - end)} sentences after these`, end + MOST / 2) : '');
    place.textContent = lines.length > MOST ? `Sentences ${grouped(first + 1)} to ${grouped(end)} of ${grouped(lines.length)}, around the cursor.` : '';
  };

  app.store.on(['run'], () => {
    const story = app.model.document.story ?? {};
    lines = inOrder(story.lines ?? []);
    shown = null;
    panel.hidden = lines.length === 0;
    more.replaceChildren(
      ...story.left_out ? [make('p.quiet', null, `${grouped(story.left_out)} more sentences are not told: there are too many.`)] : [],
      ...(story.causes ?? []).slice(0, 4).map((text) => make('p.cause', null, text)),
      ...(story.waiting ?? []).slice(0, 8).map((text) => make('p.quiet', null, text)));
  });
  element.replaceChildren(place, list, more);
  app.store.on(['cursor', 'run'], ({ cursor }) => {
    if (lines.length === 0) return;
    const now = sentenceAt(lines, cursor);
    const range = windowAround(lines.length, Math.max(0, now), shown);
    if (range !== shown) fill(range);
    const next = now < 0 ? null : list.querySelectorAll('.told-at')[now - range.first];
    if (next === lit) return;
    lit?.classList.remove('now');
    lit = next;
    if (!lit) return;
    lit.classList.add('now');
    list.scrollTop = lit.offsetTop - list.offsetTop - list.clientHeight / 2;
  });
}

/** Lines in the order of their events; they mostly are. */
function inOrder(lines) {
  const sorted = lines.every((line, at) => at === 0 || lines[at - 1].event <= line.event);
  return sorted ? lines : [...lines].sort((a, b) => a.event - b.event);
}
