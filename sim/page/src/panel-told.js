// What the run was told, how it failed, and what stands beside it.

import { button, byId, make } from '#page/dom.js';
import { outcome } from '#page/difference.js';
import { eventName, grouped, time } from '#page/words.js';

/** The title of the page, and the line below it. */
export function header(app) {
  app.store.on(['run'], () => {
    const { document: it, run } = app.model;
    byId('title').textContent = it.title || 'A run';
    document.title = it.title || 'A run';
    const parts = [
      it.origin === 'real' ? 'real disks' : 'simulated', it.scenario && `scenario ${it.scenario}`, it.policy && `policy ${it.policy}`,
      it.bug && `with bug ${it.bug}`, `${grouped(run.count)} events`, run.decisionCount ? `${grouped(run.decisionCount)} decisions` : null,
      time(run.endNs), it.lost ? `${grouped(it.lost)} earlier events were not kept` : null, outcome(app.model),
    ];
    byId('subtitle').textContent = parts.filter(Boolean).join(' · ');
  });
}

/**
 * How the run failed, or else the one beside it: so the sentence stays when the panels are about the other run.
 * `shrink` is null if nobody can make it shorter.
 */
export function banner(app, element, shrink) {
  app.store.on(['run'], () => {
    const own = Boolean(app.model.failure) || !app.against;
    const { failure, run } = own ? app.model : app.against;
    element.hidden = !failure;
    if (!failure) return;
    const seen = failure.event ?? -1;
    const place = app.against ? `, in the run ${own === app.flipped ? 'below' : 'above'}` : '';
    const at = (event) => () => (own ? app.go(event) : app.other(event));
    element.replaceChildren(
      make('div', null,
        make('p', null, make('strong', null, `${failure.rule} `), make('span.quiet', null, `${failure.place}${place}`)),
        make('p.sentence', null, failure.sentence || failure.text)),
      make('div.row', null,
        button('Where it went wrong', at((own ? app.model : app.against).opening)),
        seen >= 0 && seen < run.count ? button('Where it was noticed', at(seen)) : null,
        shrink && own && app.model.document.log ? button('Make it shorter', shrink) : null));
  });
}

/** The run beside this one. */
export function versus(app, element) {
  app.store.on(['run'], () => {
    element.hidden = !app.against;
    if (!app.against) return;
    const { difference, flipped } = app;
    const [above, below] = flipped ? [app.against, app.model] : [app.model, app.against];
    const line = (which, model) => make('p', null, make('strong', null, which), ` ${model.document.title || 'a run'}; ${grouped(model.run.count)} events, ${outcome(model)}`);
    const choice = (place, text) => button(text, () => app.follow(place), { 'aria-pressed': String(app.followed === place) });
    const where = difference
      ? `They first differ at event ${eventName(app.model.run, difference.event_a)}${difference.decision === null || difference.decision === undefined
        ? '' : `, decision ${grouped(difference.decision)}`}.`
      : 'They do not differ.';
    // Whoever has pressed a button here with a key goes on from there.
    const held = element.contains(document.activeElement) ? document.activeElement.textContent : null;
    element.replaceChildren(
      make('div', null, line('Above:', above), line('Below:', below), make('p.quiet', null, where)),
      make('div.row', null,
        make('div.group', { role: 'group', 'aria-label': 'The run that panels and stepping are about', title: 'Panels and stepping are about this run (v). A click in a run chooses it, too.' },
          make('span.what', { 'aria-hidden': 'true' }, 'panels show'), choice('above', 'Above'), choice('below', 'Below')),
        difference ? button('First difference', () => app.act('difference')) : null,
        button('Swap them', () => app.swap()),
        button('Only the one above', () => app.alone())));
    if (held) [...element.querySelectorAll('button')].find((it) => it.textContent === held)?.focus();
  });
}

/** Says in the headings of panels which of two runs they are about. @param {Iterable<HTMLElement>} elements */
export function which(app, elements) {
  app.store.on(['run'], () => {
    for (const element of elements) element.textContent = app.against ? ` of the run ${app.followed}` : '';
  });
}

/** Its settings, and the command that repeats it. */
export function configPanel(app, element) {
  app.store.on(['run'], () => {
    const { document: it } = app.model;
    const rows = (it.config ?? []).map(([field, value, meaning]) => make('tr', { title: meaning || null },
      make('th', { scope: 'row' }, field), make('td', null, value, meaning ? make('span.meaning', null, meaning) : '')));
    element.replaceChildren(
      it.command ? make('p.quiet', null, 'This makes the run again:') : make('p.quiet', null, 'Nothing makes this run again: it was a real one.'),
      it.command ? make('code.command', { tabindex: 0 }, it.command) : '',
      rows.length ? make('div.scroll', { tabindex: 0, role: 'region', 'aria-label': 'Settings' }, make('table.told', null, make('tbody', null, ...rows))) : '',
      it.digest ? make('p.quiet', null, 'digest ', make('code', null, it.digest)) : '',
    );
  });
}
