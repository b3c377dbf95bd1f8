// The panels about the event under the cursor: what it is, and which decision was made before it.

import { button, facts, make } from '#page/dom.js';
import { meaningOf } from '#page/meanings.js';
import { shortName } from '#page/lanes-parts.js';
import { grouped, line, size, time } from '#page/words.js';

/** So many decisions are shown with all their options. */
const MOST_DECISIONS = 6;

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
        ['event', `${grouped(cursor + 1)} of ${grouped(run.count)}`],
        ['time', time(run.at[cursor])],
        run.contextName(cursor) && ['context', run.contextName(cursor)],
        ['who runs', who ? shortName(who) : 'the event loop'],
        turn !== null && subject >= 0 && ['woken', shortName(coroutines.names[subject])],
        turn !== null && ['runs', turn < run.count
          ? button(`at event ${grouped(turn + 1)}`, () => app.go(turn)) : 'never again'],
        ...run.fields(cursor).map(([name, value]) => [name.replaceAll('_', ' '), shown(name, value)]),
      ]),
    );
  });
}

/**
 * @param {import('#page/app.js').App} app
 * @param {HTMLElement} element
 * @param {((decision:number, chosen:number) => void)|null} whatIf null if nobody can run the other choice
 */
export function decisionPanel(app, element, whatIf) {
  app.store.on(['cursor', 'run'], ({ cursor }) => {
    const { run } = app.model;
    if (run.decisionCount === 0) {
      element.replaceChildren(make('p.quiet', null, app.model.document.origin === 'real'
        ? 'A real run makes no decisions that could be made otherwise.' : 'No decision was made in this run.'));
      return;
    }
    const made = run.decided[cursor] ?? 0;
    const before = cursor > 0 ? run.decided[cursor - 1] : 0;
    const fresh = made > before;
    const first = fresh ? Math.max(before, made - MOST_DECISIONS) : made - 1;
    const numbers = [];
    for (let d = Math.max(0, first); d < made; d += 1) numbers.push(d);
    const intro = fresh
      ? `${made - before === 1 ? 'One decision was' : `${made - before} decisions were`} made just before this event.`
      : 'None was made just before this event. The last one before it:';
    element.replaceChildren(
      make('p.quiet', null, made === 0 ? 'No decision was made yet.' : intro),
      ...numbers.map((number) => decisionOf(run, number, whatIf && app.model.document.log ? whatIf : null)),
    );
    for (const box of element.querySelectorAll('.options')) {
      const chosen = box.querySelector('.chosen');
      if (chosen) box.scrollTop = chosen.offsetTop - box.clientHeight / 2 + 12;
    }
  });
}

function decisionOf(run, number, whatIf) {
  const decision = run.decision(number);
  if (!decision) return make('p.quiet', null, `Decision ${grouped(number + 1)} is not in this document.`);
  const options = [];
  for (let option = 0; option < decision.n; option += 1) {
    const chosen = option === decision.chosen;
    const label = decision.labels?.[option] ?? (option === 0 ? '0, the dullest' : String(option));
    const other = !chosen && whatIf && button('what if', () => whatIf(number, option), {
      'aria-label': `What if ${label} had been chosen at decision ${number + 1}`,
    });
    options.push(make(`li${chosen ? '.chosen' : ''}`, null,
      make('span', null, chosen ? `${label}` : label), chosen ? make('span', null, 'chosen') : other));
  }
  return make('div', null,
    make('h3', null, `${decision.site} `, make('span.quiet', null, `${grouped(number + 1)} of ${grouped(run.decisionCount)}`)),
    make('p', null, decision.what),
    make('ul.options', { tabindex: 0, 'aria-label': `Options at ${decision.site}` }, ...options));
}
