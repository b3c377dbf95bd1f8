// Begins: reads the run that the page holds, and puts the parts together.

import * as dialogs from '#page/dialogs.js';
import * as server from '#page/server.js';
import { App } from '#page/app.js';
import { Chart } from '#page/chart.js';
import { byId, make } from '#page/dom.js';
import { EventsList } from '#page/events-list.js';
import { actionOf, takesKeys } from '#page/keys.js';
import { announce, liveRegion } from '#page/live.js';
import { readDocument } from '#page/load.js';
import { codePanel } from '#page/panel-code.js';
import { decisionPanel } from '#page/panel-decision.js';
import { herePanel } from '#page/panel-here.js';
import { jobChoice } from '#page/job-choice.js';
import { jobPanel } from '#page/panel-job.js';
import { standingPanel } from '#page/panel-standing.js';
import { storyPanel } from '#page/panel-story.js';
import { banner, configPanel, header, versus, which } from '#page/panel-told.js';
import { commandFor, readLink, writeLink } from '#page/permalink.js';
import { player, SPEEDS } from '#page/play.js';
import { Timeline } from '#page/timeline.js';

const served = server.isServed();

/** Does something that may be refused, and tells the reader why. */
async function attempt(title, work) {
  try {
    return await work();
  } catch (error) {
    dialogs.message(title, error.message);
    return null;
  }
}

/** The block of the page with this id, or null. */
async function embedded(id) {
  const element = document.getElementById(id);
  return element ? readDocument(element.textContent) : null;
}

function preferredTheme() {
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

async function begin() {
  const run = await embedded('run');
  if (!run) throw new Error('This page holds no run.');
  const app = new App(run, { theme: preferredTheme() });
  const timeline = new Timeline(app, byId('lanes'), byId('tip'));
  parts(app);
  const actions = controls(app, timeline);
  listen(app, actions);
  const against = await embedded('against');
  const difference = document.getElementById('difference');
  if (against) app.setAgainst(against, difference ? JSON.parse(difference.textContent) : null);
  await follow(app);
  window.addEventListener('hashchange', () => follow(app));
  // For tests, for the benchmark and for the curious.
  globalThis.blockjob = { app, timeline, drawnMs: 0 };
  requestAnimationFrame(() => setTimeout(() => { globalThis.blockjob.drawnMs = performance.now(); }));
  document.documentElement.dataset.ready = 'yes';
}

/** All panels. */
function parts(app) {
  header(app);
  banner(app, byId('banner'), served ? () => shrink(app) : null);
  versus(app, byId('versus'));
  which(app, document.querySelectorAll('.which-run'));
  herePanel(app, byId('here'));
  decisionPanel(app, byId('decision'), served ? (decision, chosen) => whatIf(app, decision, chosen) : null);
  codePanel(app, byId('code'));
  jobPanel(app, byId('state'));
  standingPanel(app, byId('standing'));
  storyPanel(app, byId('story-panel'), byId('story'));
  configPanel(app, byId('config'));
  liveRegion(app, byId('live'));
  jobChoice(app, byId('job-choice'));
  app.store.on(['run'], () => { byId('code').closest('section').hidden = !app.model.hasSteps; });
  player(app);
  const list = new EventsList(app, byId('events'));
  const chart = new Chart(app, byId('chart'));
  return { list, chart };
}

function whatIf(app, decision, chosen) {
  return attempt('What if', async () => {
    const other = await server.whatIf(app.model.document.log, decision, chosen);
    app.show(other, { keep: true });
    announce(byId('live'), `Another run, with another choice at decision ${decision}. ${byId('versus').textContent}`);
  });
}

function shrink(app) {
  return attempt('Make it shorter', async () => {
    app.show(await server.shrink(app.model.document.log), { keep: true });
  });
}

/** Goes where the address leads. */
async function follow(app) {
  const link = readLink(location.hash);
  const here = app.model.document.log;
  if (link.log && link.log !== here) {
    if (!served) {
      dialogs.message('Another run', 'The link leads to another run than the one in this page. This command shows it:',
        make('code.command', { tabindex: 0 }, commandFor(link.log)));
      return;
    }
    const other = await attempt('Another run', () => server.askRun({ log: link.log }));
    if (other) app.show(other, { at: link.at === null ? null : link.at - (other.lost ?? 0) });
  } else if (link.at !== null) {
    app.go(link.at - app.model.run.first);
  }
  if (link.against && served && app.against?.document.log !== link.against) {
    const beside = await attempt('The run beside', () => server.askRun({ log: link.against }));
    if (beside) app.setAgainst(beside);
  }
}

/** The link to what is shown. */
function permalink(app) {
  const { log } = app.model.document;
  return writeLink({ log, at: app.model.run.numberOf(app.store.chosen.cursor), against: app.against?.document.log ?? null });
}

async function copyLink(app) {
  const link = permalink(app);
  history.replaceState(null, '', link);
  const address = location.href;
  try {
    await navigator.clipboard.writeText(address);
    announce(byId('live'), 'The link was copied.');
    byId('link').textContent = 'Copied';
    setTimeout(() => { byId('link').textContent = 'Copy link'; }, 1500);
  } catch {
    dialogs.message('Link', 'The link is in the address bar, too:', make('code.command', { tabindex: 0 }, address));
  }
}

/** Buttons and fields. Returns what only the page can do, by the names that keys have for it. */
function controls(app, timeline) {
  const actions = {
    help: () => dialogs.keysDialog(),
    save: () => dialogs.saveDialog(app, timeline, served),
    link: () => copyLink(app),
    look: () => byId('filter').focus(),
    goto: () => byId('goto').focus(),
  };
  for (const name of ['help', 'save', 'link']) byId(name).addEventListener('click', actions[name]);
  byId('theme').addEventListener('click', () => app.act('theme'));
  byId('served').hidden = !served;
  byId('open-run').addEventListener('click', () => dialogs.runDialog(app, async (what, keep) => {
    app.show(await server.askRun(what), { keep });
  }));
  for (const element of document.querySelectorAll('[data-do]')) {
    element.addEventListener('click', () => app.act(element.dataset.do));
  }
  byId('speed').append(...SPEEDS.map((speed) => make('option', { value: speed, selected: speed === 8 }, `${speed}/s`)));
  byId('speed').addEventListener('change', () => app.store.set({ speed: Number(byId('speed').value) }));
  byId('scale').addEventListener('change', () => app.rescale(byId('scale').value));
  byId('filter').addEventListener('input', () => app.store.set({ filter: byId('filter').value, found: '' }));
  byId('filter').addEventListener('keydown', (event) => {
    if (event.key === 'Enter') app.act(event.shiftKey ? 'find-back' : 'find-on');
    if (event.key === 'Escape') byId('lanes').focus();
  });
  byId('goto').addEventListener('input', () => app.store.set({ gone: '' }));
  byId('goto').addEventListener('keydown', (event) => {
    if (event.key === 'Enter') app.goTo(byId('goto').value);
    if (event.key === 'Escape') byId('lanes').focus();
  });
  reflect(app);
  return actions;
}

/** Controls that show what is chosen. */
function reflect(app) {
  app.store.on(['theme'], ({ theme }) => {
    document.documentElement.dataset.theme = theme;
    byId('theme').textContent = theme === 'dark' ? 'Light' : 'Dark';
  });
  app.store.on(['scale'], ({ scale }) => { byId('scale').value = scale; });
  app.store.on(['found'], ({ found }) => { byId('found').textContent = found; });
  app.store.on(['gone'], ({ gone }) => {
    byId('gone').textContent = gone;
    byId('goto').setAttribute('aria-invalid', String(gone !== ''));
  });
  app.store.on(['playing'], ({ playing }) => {
    byId('play').setAttribute('aria-pressed', String(playing));
    byId('play').textContent = playing ? 'Stop' : 'Play';
  });
  app.store.on(['run'], () => {
    const names = app.model.run.kinds.filter((kind) => kind.events.length).map((kind) => kind.name);
    byId('kinds').replaceChildren(...names.map((value) => make('option', { value })));
  });
}

/** Keys, wherever the focus is. */
function listen(app, actions) {
  document.addEventListener('keydown', (event) => {
    if (takesKeys(event.target, event.key)) return;
    const name = actionOf(event);
    if (!name) return;
    if (actions[name]) actions[name]();
    else app.act(name);
    event.preventDefault();
  });
}

begin().catch((error) => {
  byId('title').textContent = 'This page cannot show its run';
  byId('subtitle').textContent = error.message;
});
