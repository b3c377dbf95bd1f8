// The panel of the job: its states as a diagram, where it is and how it came there.

import { button, facts, make, svg } from '#page/dom.js';
import { grouped, time } from '#page/words.js';

/** Where the states stand in the diagram. */
const AT = {
  paused: [262, 22], standby: [374, 22],
  undefined: [46, 78], created: [150, 78], running: [262, 78], ready: [374, 78],
  aborting: [150, 142], waiting: [318, 142],
  null: [46, 200], concluded: [150, 200], pending: [318, 200],
};
const [HALF, TALL] = [40, 13];

/** So many jobs have a button each. */
const MOST_BUTTONS = 12;

/** Where a line from the middle of a box to `to` leaves the box. */
function border([x, y], [toX, toY]) {
  const [dx, dy] = [toX - x, toY - y];
  const share = Math.min(HALF / Math.abs(dx || 1e-9), TALL / Math.abs(dy || 1e-9));
  return [x + dx * share, y + dy * share];
}

/** The ends of the arrow from one state to another; pairs that go both ways run side by side. */
export function arrowEnds(from, to, both) {
  const [a, b] = [AT[from], AT[to]];
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
  const aside = both ? 7 : 0;
  const shift = [(-(b[1] - a[1]) / length) * aside, ((b[0] - a[0]) / length) * aside];
  const moved = ([x, y]) => [x + shift[0], y + shift[1]];
  return [moved(border(a, b)), moved(border(b, a))];
}

/** The transitions that were taken, as `from to`. */
export function takenOf(path) {
  const taken = new Set();
  for (let at = 1; at < path.length; at += 1) taken.add(`${path[at - 1]} ${path[at]}`);
  return taken;
}

function diagram(states, job) {
  const taken = takenOf(job.path);
  const pairs = new Set(states.transitions.map(([from, to]) => `${from} ${to}`));
  const arrows = states.transitions.filter(([from, to]) => from !== to && AT[from] && AT[to]).map(([from, to]) => {
    const [[x1, y1], [x2, y2]] = arrowEnds(from, to, pairs.has(`${to} ${from}`));
    const angle = (Math.atan2(y2 - y1, x2 - x1) * 180) / Math.PI;
    const mark = taken.has(`${from} ${to}`) ? ' taken' : '';
    return svg('g', {},
      svg('path', { class: `arrow${mark}`, d: `M${x1} ${y1}L${x2} ${y2}` }),
      svg('path', { class: `head${mark}`, d: 'M0 0L-7 -3.5V3.5Z', transform: `translate(${x2} ${y2}) rotate(${angle})` }));
  });
  const boxes = states.names.filter((name) => AT[name]).map((name) => {
    const [x, y] = AT[name];
    const when = name === job.status ? ' now' : job.path.includes(name) ? ' been' : '';
    return svg('g', { class: `state${when}` },
      svg('rect', { x: x - HALF, y: y - TALL, width: 2 * HALF, height: 2 * TALL, rx: 5 }),
      svg('text', { x, y }, name));
  });
  const label = `States of a job. Now: ${job.status}. So far: ${job.path.join(', ')}.`;
  return svg('svg', { class: 'diagram', viewBox: '0 0 420 222', role: 'img', 'aria-label': label }, ...arrows, ...boxes);
}

/** @param {import('#page/app.js').App} app @param {HTMLElement} element */
export function jobPanel(app, element) {
  const show = ({ cursor, job: chosen }) => {
    const { standings, run, document, jobs: names } = app.model;
    const { jobs } = run.count ? standings.at(cursor) : { jobs: new Map() };
    if (names.length === 0) {
      element.replaceChildren(make('p.quiet', null, 'There is no job.'));
      return;
    }
    // Following the run: the job that the cursor is at, unless the reader has chosen one.
    const name = names.includes(chosen) ? chosen : names.find((it) => it === run.value(cursor, 'job')) ?? names[0];
    const job = jobs.get(name) ?? { status: 'undefined', path: ['undefined'], pauses: 0, sleepsUntil: null, deferred: false };
    const states = document.states ?? { names: Object.keys(AT), transitions: [] };
    const fact = (document.jobs ?? []).find((it) => it.name === name);
    element.replaceChildren(
      names.length > 1 ? choice(names, name, (it) => app.choose(it)) : '',
      diagram(states, job),
      facts([
        ['job', fact ? `${name}: ${fact.source} to ${fact.target}` : name],
        ['pauses asked', String(job.pauses)],
        job.sleepsUntil !== null && ['sleeps until', time(job.sleepsUntil)],
        job.deferred && ['waits for', 'the main loop, to run mirror_exit'],
      ]),
    );
  };
  app.store.on(['cursor', 'run', 'job'], show);
}

/** A button for each job, or a list if there are many. */
function choice(names, now, choose) {
  if (names.length > MOST_BUTTONS) {
    const select = make('select', { 'aria-label': 'Job', onchange: () => choose(select.value) },
      ...names.map((value) => make('option', { value, selected: value === now }, value)));
    return make('div.steps', null, select, make('span.quiet', null, `one of ${grouped(names.length)} jobs`));
  }
  return make('div.steps', { role: 'group', 'aria-label': 'Jobs' }, ...names.map((name) =>
    button(name, () => choose(name), { 'aria-current': name === now ? 'step' : null })));
}
