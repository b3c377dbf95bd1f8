// The panel of decisions: those that were made just before the event under the cursor, or else the one that
// is in force and the one that comes next, each with the options that were open.

import { button, make } from '#page/dom.js';
import { eventName, grouped } from '#page/words.js';

/** So many decisions are shown with all their options. */
const MOST = 6;

/**
 * Which decisions the panel shows at an event, by number.
 * @param {import('#page/run.js').Run} run
 * @param {number} cursor
 * @returns {{made:number[], left:number, last:number|null, next:number|null}} `made` just before the event, without
 *   the first `left` ones if there are very many; if there are none, the `last` before and the `next` after it
 */
export function decisionsAt(run, cursor) {
  const until = run.decided[cursor] ?? 0;
  // What was made before the first event that was kept may have been made long before it.
  const from = cursor > 0 ? run.decided[cursor - 1] : run.first > 0 ? until : 0;
  if (until > from) {
    const first = Math.max(from, until - MOST);
    return { made: Array.from({ length: until - first }, (_, at) => first + at), left: first - from, last: null, next: null };
  }
  return { made: [], left: 0, last: until > 0 ? until - 1 : null, next: until < run.decisionCount ? until : null };
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
    const now = decisionsAt(run, cursor);
    const show = (number) => decisionOf(run, number, app.model.document.log ? whatIf : null);
    element.replaceChildren(...now.made.length ? madeHere(now, show) : around(app, now, show));
    for (const box of element.querySelectorAll('.options')) {
      const chosen = box.querySelector('.chosen');
      if (chosen) box.scrollTop = chosen.offsetTop - box.clientHeight / 2 + 12;
    }
  });
}

function madeHere({ made, left }, show) {
  const intro = made.length === 1 && left === 0 ? 'Made just before this event:'
    : `${grouped(made.length + left)} decisions were made just before this event${left ? `; the last ${made.length} of them:` : ':'}`;
  return [make('p.quiet', null, intro), ...made.map(show)];
}

/** No decision belongs to the event: the two between which it stands. */
function around(app, { last, next }, show) {
  const { run } = app.model;
  const place = (number) => {
    const event = run.eventOfDecision(number);
    if (event >= run.count) return 'after the last event';
    if (run.first > 0 && event === 0) return 'before the first event that was kept';
    return button(`before event ${eventName(run, event)}`, () => app.go(event));
  };
  const part = (name, number) => make('section.around', null, make('p.which', null, `${name} `, place(number)), show(number));
  return [
    make('p.quiet', null, 'No decision belongs to this event.'),
    last === null ? make('p.quiet', null, 'None was made before it.') : part('In force, the last one, made', last),
    next === null ? make('p.quiet', null, 'None is made after it.') : part('Next, made', next),
  ];
}

function decisionOf(run, number, whatIf) {
  const decision = run.decision(number);
  if (!decision) return make('p.quiet', null, `Decision ${grouped(number)} is not in this document.`);
  const options = [];
  for (let option = 0; option < decision.n; option += 1) {
    const chosen = option === decision.chosen;
    const label = decision.labels?.[option] ?? (option === 0 ? '0, the dullest' : String(option));
    const other = !chosen && whatIf && button('what if', () => whatIf(number, option), {
      'aria-label': `What if ${label} had been chosen at decision ${number}`,
    });
    options.push(make(`li${chosen ? '.chosen' : ''}`, null, make('span', null, label), chosen ? make('span', null, 'chosen') : other));
  }
  return make('div', null,
    make('h3', null, `Decision ${grouped(number)} `, make('span.quiet', null, `(0 to ${grouped(run.decisionCount - 1)}) ${decision.site}`)),
    make('p', null, decision.what),
    make('ul.options', { tabindex: 0, 'aria-label': `Options of decision ${number}` }, ...options));
}
