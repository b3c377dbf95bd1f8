// The events with vector clocks, as ShiViz reads them: who knew of what. A host is a job, a guest, a disk
// or the main loop; a wake carries what the waker knew to the turn that it led to.

import { line } from '#page/words.js';

/** The regular expression that ShiViz is to be told for this file. */
export const PATTERN = '(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)';

/** A lane as the name of a host: without spaces. */
function hostOf(model, i) {
  const { run, coroutines, lanes } = model;
  const kind = run.kindName(i);
  if (kind === 'disk-land') return `disk-${run.value(i, 'disk')}`;
  const guest = run.value(i, 'guest');
  if (guest !== null) return `guest${guest}`;
  const who = coroutines.running[i];
  if (who >= 0) {
    const { kind: role, name } = coroutines.actors[coroutines.actor[who]];
    return role === 'guest' ? `guest${name}` : name;
  }
  return lanes.length ? run.contextName(i) || 'main' : 'main';
}

/**
 * @param {import('#page/model.js').Model} model
 * @returns {string}
 */
export function shiviz(model) {
  const { run, coroutines, wakes } = model;
  const clocks = new Map();
  /** What reaches a host with its next event. */
  const coming = new Map();
  const messages = new Map();
  const lines = [PATTERN, ''];
  const clockOf = (host) => clocks.get(host) ?? clocks.set(host, new Map()).get(host);
  const wokenAt = new Map();
  for (let wake = 0; wake < wakes.from.length; wake += 1) wokenAt.set(wakes.to[wake], wakes.from[wake]);
  for (let i = 0; i < run.count; i += 1) {
    const kind = run.kindName(i);
    if (kind === 'coroutine-wake') {
      const land = coroutines.running[i] < 0 && i > 0 && run.kindName(i - 1) === 'disk-land';
      messages.set(i, new Map(clockOf(hostOf(model, land ? i - 1 : i))));
      continue;
    }
    if (kind.startsWith('coroutine-')) {
      const message = kind === 'coroutine-enter' ? messages.get(wokenAt.get(i)) : null;
      const who = coroutines.subject[i];
      if (message && who >= 0) {
        const { kind: role, name } = coroutines.actors[coroutines.actor[who]];
        const host = role === 'guest' ? `guest${name}` : name;
        coming.set(host, [...(coming.get(host) ?? []), message]);
      }
      continue;
    }
    const host = hostOf(model, i).replaceAll(' ', '-');
    const clock = clockOf(host);
    for (const message of coming.get(host) ?? []) {
      for (const [other, known] of message) clock.set(other, Math.max(known, clock.get(other) ?? 0));
    }
    coming.delete(host);
    clock.set(host, (clock.get(host) ?? 0) + 1);
    lines.push(`${host} ${JSON.stringify(Object.fromEntries(clock))}`, `${run.at[i]} ns: ${line(run, i)}`);
  }
  return `${lines.join('\n')}\n`;
}
