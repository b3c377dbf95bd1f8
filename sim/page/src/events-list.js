// The list of events around the cursor. Only those in sight have an element.

import { make } from '#page/dom.js';
import { clamp } from '#page/search.js';
import { details, eventName, place, time } from '#page/words.js';
import { matcher } from '#page/step.js';

/** How high an entry is, as style.css has it. */
const ENTRY = 22;

/** Browsers know no element higher than some 33 million pixels: above this the list is scrolled in larger steps. */
const HIGHEST = 20_000_000;

/**
 * Which entries are in sight.
 * @param {number} scrolled in pixels
 * @param {number} height of what is in sight
 * @param {number} count of all
 * @returns {{first:number, end:number, top:number, total:number}} `top` of the first, in pixels
 */
export function inSight(scrolled, height, count) {
  const total = Math.min(count * ENTRY, HIGHEST);
  const shown = Math.ceil(height / ENTRY) + 1;
  if (total === count * ENTRY) {
    const first = clamp(Math.floor(scrolled / ENTRY), 0, Math.max(0, count - 1));
    return { first, end: Math.min(count, first + shown), top: first * ENTRY, total };
  }
  const share = scrolled / Math.max(1, total - height);
  const first = clamp(Math.round(share * (count - shown + 1)), 0, Math.max(0, count - shown + 1));
  return { first, end: Math.min(count, first + shown), top: scrolled, total };
}

/** How far the list must be scrolled for an entry to be in the middle. */
export function scrollFor(entry, height, count) {
  const total = Math.min(count * ENTRY, HIGHEST);
  if (total === count * ENTRY) return clamp(entry * ENTRY - height / 2 + ENTRY / 2, 0, Math.max(0, total - height));
  const shown = Math.ceil(height / ENTRY) + 1;
  const first = clamp(entry - Math.floor(shown / 2), 0, count - shown + 1);
  return (first / Math.max(1, count - shown + 1)) * (total - height);
}

export class EventsList {
  /**
   * @param {import('#page/app.js').App} app
   * @param {HTMLElement} element
   */
  constructor(app, element) {
    this.app = app;
    this.element = element;
    this.all = make('div.all', { role: 'presentation' });
    element.append(this.all);
    element.addEventListener('scroll', () => this.fill(), { passive: true });
    element.addEventListener('click', (event) => {
      const entry = event.target.closest('.entry');
      if (entry) app.go(Number(entry.dataset.event));
    });
    app.store.on(['cursor', 'run'], () => this.reveal());
    app.store.on(['filter'], () => this.fill());
  }

  /** Scrolls to the cursor if it is out of sight. */
  reveal() {
    const { element, app } = this;
    const { cursor } = app.store.chosen;
    const { count } = app.model.run;
    const { first, end } = inSight(element.scrollTop, element.clientHeight, count);
    this.all.style.height = `${inSight(0, element.clientHeight, count).total}px`;
    if (cursor < first + 1 || cursor >= end - 2) element.scrollTop = scrollFor(cursor, element.clientHeight, count);
    this.fill();
  }

  fill() {
    const { element, app } = this;
    const { run } = app.model;
    const { cursor, filter } = app.store.chosen;
    const { first, end, top } = inSight(element.scrollTop, element.clientHeight, run.count);
    const fits = matcher(run, filter);
    const entries = [];
    for (let i = first; i < end; i += 1) {
      const classes = ['entry'];
      if (fits?.(i)) classes.push('fits');
      if (app.difference?.event_a === i) classes.push('differs');
      entries.push(make(`div.${classes.join('.')}`, {
        role: 'option',
        id: `event-${i}`,
        'data-event': i,
        'aria-selected': i === cursor ? 'true' : 'false',
        'aria-setsize': run.count,
        'aria-posinset': i + 1,
        style: { top: `${top + (i - first) * ENTRY}px` },
      },
      make('span.number', null, eventName(run, i)),
      make('span.when', null, time(run.at[i])),
      make('span.where', null, place(run, i)),
      make('span.what', null, make('span.kind', null, run.kindName(i)), ' ', details(run, i))));
    }
    this.all.replaceChildren(...entries);
    if (cursor >= first && cursor < end) element.setAttribute('aria-activedescendant', `event-${cursor}`);
    else element.removeAttribute('aria-activedescendant');
  }
}
