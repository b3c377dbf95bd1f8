// The panel of the step: M1 to M17, the lines of ours and the function of QEMU's.

import { button, make } from '#page/dom.js';
import { find, stepAt } from '#page/step.js';
import { eventName } from '#page/words.js';

/** @param {import('#page/app.js').App} app @param {HTMLElement} element */
export function codePanel(app, element) {
  let shown = null;
  app.store.on(['cursor', 'run', 'job'], ({ cursor, run, job }) => {
    const now = stepAt(app.model.run, cursor, app.model.stepsOf(job));
    const several = app.model.jobs.length > 1;
    const key = `${run} ${now?.step} ${now?.event} ${now?.event === cursor}`;
    if (key === shown) return;
    shown = key;
    const steps = app.model.document.steps ?? [];
    const step = steps.find((it) => it.step === now?.step);
    element.replaceChildren(
      stepButtons(app, steps, now?.step),
      now ? make('p.big', null, `${now.step}${several ? ` of ${now.job}` : ''}${now.event === cursor ? ', now' : ', since'}`, now.event === cursor ? '' : ' ',
        now.event === cursor ? null : button(`event ${eventName(app.model.run, now.event)}`, () => app.go(now.event)))
        : make('p.quiet', null, job ? `${job} has come to no step yet.` : 'No job has come to a step yet.'),
      step ? describe(step) : '',
    );
    // Only the box is scrolled, never the page.
    const [box, lit] = [element.querySelector('.source'), element.querySelector('.lit')];
    if (box && lit) box.scrollTop = lit.offsetTop - box.clientHeight / 3;
  });
}

function stepButtons(app, steps, current) {
  const all = steps.map(({ step, what }) => button(step, () => jump(app, step), {
    title: what,
    'aria-label': `Next ${step}`,
    'aria-current': step === current ? 'step' : null,
  }));
  return make('div.steps', { role: 'group', 'aria-label': 'Steps of the mirror' }, ...all);
}

/** To the next time that a step is reached, or else to the first. */
function jump(app, step) {
  const { run } = app.model;
  const next = find(run, app.store.chosen.cursor, 1, step);
  const found = next >= 0 ? next : find(run, -1, 1, step);
  if (found >= 0) app.go(found);
  else app.store.set({ found: `no ${step} in this run` });
}

function describe(step) {
  const first = step.first_line ?? step.line;
  const lines = (step.source ?? []).map((text, at) => make(
    `span${first + at === step.line ? '.lit' : ''}`, null, make('span.n', { 'aria-hidden': 'true' }, String(first + at)), text,
  ));
  return make('div', null,
    make('p', null, step.what),
    make('p.quiet', null, 'QEMU: ', make('code', null, step.qemu)),
    make('p.quiet', null, 'Here: ', make('code', null, `${step.file}:${step.line}`)),
    lines.length ? make('pre.source', { tabindex: 0, role: 'region', 'aria-label': `Source of ${step.step}` }, ...lines) : null);
}
