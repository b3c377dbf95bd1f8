// The dialogs: keys, saving, another run, and messages.

import * as server from '#page/server.js';
import { button, byId, make } from '#page/dom.js';
import { download, fileName } from '#page/download.js';
import { toPng, toSvg } from '#page/export-image.js';
import { perfetto } from '#page/export-perfetto.js';
import { shiviz } from '#page/export-shiviz.js';
import { KEYS, keyName } from '#page/keys.js';

/** Opens the dialog with a heading and something in it. */
export function open(title, ...body) {
  byId('dialog-head').textContent = title;
  byId('dialog-body').replaceChildren(...body);
  const dialog = byId('dialog');
  if (!dialog.open) dialog.showModal();
}

export function close() {
  byId('dialog').close();
}

/** A sentence for the reader, with more below it. */
export function message(title, text, ...more) {
  open(title, make('p', null, text), ...more);
}

export function keysDialog() {
  const rows = KEYS.flatMap(([keys, , what]) => [
    make('dt', null, ...keys.filter((key) => key !== 'Shift+N').flatMap((key, at) =>
      [at ? ' or ' : '', make('kbd', null, keyName(key))])),
    make('dd', null, what),
  ]);
  open('Keys', make('dl.keys', null, ...rows),
    make('p.quiet', null, 'With the mouse: the wheel zooms, dragging moves, a click goes to an event. With two fingers: pinch.'));
}

/** @param {import('#page/app.js').App} app @param {import('#page/timeline.js').Timeline} timeline */
export function saveDialog(app, timeline, served) {
  const { document: it } = app.model;
  const { cursor } = app.store.chosen;
  const scene = () => timeline.scene(app.model, app.axis, cursor, Math.max(800, timeline.element.clientWidth));
  const at = app.model.run.numberOf(cursor);
  const name = (ending, number = null) => fileName(it, number, ending);
  const text = (ending, format, own) => async () => {
    const content = served && it.log ? await server.trace(it.log, format) : own();
    download(name(ending), content, ending === 'json' ? 'application/json' : 'text/plain');
  };
  const saves = [
    ['Picture (PNG)', async () => download(name('png', at), await toPng(scene()))],
    ['Picture (SVG)', () => download(name('svg', at), toSvg(scene(), it.title), 'image/svg+xml')],
    ['Perfetto', text('perfetto.json', 'perfetto', () => perfetto(app.model))],
    ['ShiViz', text('shiviz.txt', 'shiviz', () => shiviz(app.model))],
    ['This document (JSON)', () => download(name('json'), JSON.stringify(it), 'application/json')],
  ];
  const said = make('p.quiet', { role: 'status' });
  const all = saves.map(([title, save]) => button(title, async () => {
    try {
      await save();
      said.textContent = `${title}: saved.`;
    } catch (error) {
      said.textContent = error.message;
    }
  }));
  open('Save', make('p', null, 'Pictures show what is visible in the timeline.'), make('div.saves', null, ...all), said);
}

/** Asks for another run. @param {(what:object, keep:boolean) => Promise<void>} ask */
export async function runDialog(app, ask) {
  const it = app.model.document;
  let known;
  try {
    known = await server.options();
  } catch (error) {
    message('Other run', error.message);
    return;
  }
  const choice = (id, label, values, now, none) => {
    const options = [...(none ? [make('option', { value: '' }, none)] : []), ...values.map((value) =>
      make('option', { value, selected: value === now }, value))];
    return [make('label', { for: id }, label), make('select', { id }, ...options)];
  };
  const said = make('p.error', { role: 'status' });
  const value = (id) => byId(id).value;
  const go = button('Show it', async () => {
    go.disabled = true;
    said.textContent = '';
    try {
      const log = value('run-log').trim();
      const drawn = { scenario: value('run-scenario'), seed: value('run-seed'), policy: value('run-policy'), bug: value('run-bug') };
      await ask(log ? { log } : drawn, byId('run-keep').checked);
      close();
    } catch (error) {
      said.textContent = error.message;
    }
    go.disabled = false;
  });
  open('Other run', make('div.form', null,
    ...choice('run-scenario', 'scenario', known.scenarios ?? [], it.scenario, null),
    make('label', { for: 'run-seed' }, 'seed'), make('input', { id: 'run-seed', type: 'text', inputmode: 'numeric', value: '1' }),
    ...choice('run-bug', 'bug', known.bugs ?? [], it.bug, 'none'),
    ...choice('run-policy', 'policy', known.policies ?? [], it.policy, 'as the scenario has it'),
    make('label', { for: 'run-log' }, 'or a log'), make('input', { id: 'run-log', type: 'text', placeholder: 'bj1:…' }),
    make('label', { for: 'run-keep' }, 'keep this one beside it'), make('input', { id: 'run-keep', type: 'checkbox' })), go, said);
}
