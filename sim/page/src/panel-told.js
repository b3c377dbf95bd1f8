// What the run was told, its story, how it failed, and what stands beside it.

import { button, byId, make } from '#page/dom.js';
import { outcome } from '#page/difference.js';
import { grouped, time } from '#page/words.js';

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

/** How the run failed. `shrink` is null if nobody can make it shorter. */
export function banner(app, element, shrink) {
  app.store.on(['run'], () => {
    const { failure, run } = app.model;
    element.hidden = !failure;
    if (!failure) return;
    const seen = failure.event ?? -1;
    element.replaceChildren(
      make('p', null, make('strong', null, `${failure.rule} `), make('span.quiet', null, failure.place)),
      make('p.sentence', null, failure.sentence || failure.text),
      make('div.row', null,
        button('Where it went wrong', () => app.act('wrong')),
        seen >= 0 && seen < run.count ? button('Where it was noticed', () => app.go(seen)) : null,
        shrink && app.model.document.log ? button('Make it shorter', shrink) : null));
  });
}

/** The run beside this one. */
export function versus(app, element) {
  app.store.on(['run'], () => {
    element.hidden = !app.against;
    if (!app.against) return;
    const { difference } = app;
    const line = (which, model) => make('p', null, make('strong', null, which), ` ${model.document.title || 'a run'}; ${grouped(model.run.count)} events, ${outcome(model)}`);
    const where = difference
      ? `They first differ at event ${grouped(difference.event_a + 1)}${difference.decision === null || difference.decision === undefined
        ? '' : `, decision ${grouped(difference.decision + 1)}`}.`
      : 'They do not differ.';
    element.replaceChildren(
      make('div', null, line('Above:', app.model), line('Below:', app.against), make('p.quiet', null, where)),
      make('div.row', null,
        difference ? button('First difference', () => app.act('difference')) : null,
        button('Swap them', () => app.swap()),
        button('Only the one above', () => app.setAgainst(null))));
  });
}

/** The run in sentences; each leads to its event. */
export function storyPanel(app, panel, element) {
  app.store.on(['run'], () => {
    const story = app.model.document.story ?? {};
    const lines = story.lines ?? [];
    panel.hidden = lines.length === 0;
    const entry = ({ event, text, at_ns: at }) => make('li', { 'data-event': event },
      button(text, () => app.go(event), { title: time(at) }));
    element.replaceChildren(make('ol.story-lines', { tabindex: 0, 'aria-label': 'The story' }, ...lines.slice(0, 500).map(entry)),
      ...(story.causes ?? []).slice(0, 4).map((text) => make('p.cause', null, text)),
      ...(story.waiting ?? []).slice(0, 8).map((text) => make('p.quiet', null, text)));
  });
  app.store.on(['cursor', 'run'], ({ cursor }) => {
    let now = null;
    for (const item of element.querySelectorAll('li')) {
      item.classList.remove('now');
      if (Number(item.dataset.event) <= cursor) now = item;
    }
    now?.classList.add('now');
    const box = element.querySelector('ol');
    if (now && box) box.scrollTop = now.offsetTop - box.offsetTop - box.clientHeight / 2;
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
