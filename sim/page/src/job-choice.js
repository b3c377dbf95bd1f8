// Which job the chart and the strips are about, where there are several.

import { make } from '#page/dom.js';
import { grouped } from '#page/words.js';

/**
 * What is shown of jobs, and what is left out, in words.
 * @param {import('#page/model.js').Model} model
 * @returns {string}
 */
export function leftOut({ bits, strips }) {
  if (strips.length === bits.length) return '';
  return `${strips.length} of ${grouped(bits.length)} jobs have strips; the one that is chosen is among them`;
}

/** @param {import('#page/app.js').App} app @param {HTMLElement} element */
export function jobChoice(app, element) {
  app.store.on(['run', 'job'], ({ job }) => {
    const { model } = app;
    element.hidden = model.bits.length < 2;
    const now = model.charted(job);
    const held = element.contains(document.activeElement);
    const select = make('select', { id: 'job', onchange: () => app.choose(select.value) },
      ...model.bits.map((it) => make('option', { value: it.job, selected: it.job === now }, it.job)));
    element.replaceChildren(make('label.what', { for: 'job' }, 'chart of'), select, make('span.quiet', null, leftOut(model)));
    if (held) select.focus();
  });
}
