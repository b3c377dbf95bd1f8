// The panel about the event under the cursor: what it is, when, and who did it.

import { button, facts, make } from '#page/dom.js';
import { meaningOf } from '#page/meanings.js';
import { shortName } from '#page/lanes-parts.js';
import { eventName, grouped, line, range, size, time } from '#page/words.js';

/** A value of a field as one reads it. */
function shown(name, value) {
  if (typeof value !== 'number') return String(value);
  if (name === 'offset' || name === 'bytes' || name.endsWith('_bytes')) return `${size(value)} (${grouped(value)})`;
  if (name.endsWith('_ns')) return time(value);
  return grouped(value);
}

/** @param {import('#page/app.js').App} app @param {HTMLElement} element */
export function herePanel(app, element) {
  app.store.on(['cursor', 'run'], ({ cursor }) => {
    const { run, coroutines, wakes } = app.model;
    if (run.count === 0) {
      element.replaceChildren(make('p.quiet', null, 'This run has no events.'));
      return;
    }
    const who = run.coroutineName(cursor);
    const subject = coroutines.subject[cursor];
    const turn = run.kindName(cursor) === 'coroutine-wake' ? wakes.to[run.row[cursor]] : null;
    element.replaceChildren(
      make('p.big', null, line(run, cursor)),
      make('p.quiet', null, meaningOf(run.kindName(cursor))),
      facts([
        ['event', `${eventName(run, cursor)} ${range(run)}`],
        ['time', time(run.at[cursor])],
        run.contextName(cursor) && ['context', run.contextName(cursor)],
        ['who runs', who ? shortName(who) : 'the event loop'],
        turn !== null && subject >= 0 && ['woken', shortName(coroutines.names[subject])],
        turn !== null && ['runs', turn < run.count
          ? button(`at event ${eventName(run, turn)}`, () => app.go(turn)) : 'never again'],
        ...run.fields(cursor).map(([name, value]) => [name.replaceAll('_', ' '), shown(name, value)]),
      ]),
    );
  });
}
