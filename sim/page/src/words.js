// Events, times and sizes in words.

/** A time: `3.2 ms`. */
export function time(ns) {
  if (!Number.isFinite(ns)) return '?';
  const scales = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs']];
  const [unit, name] = scales.find(([size]) => Math.abs(ns) >= size) ?? [1, 'ns'];
  return `${trim(ns / unit)} ${name}`;
}

/** A number with at most four digits after the point that say something. */
function trim(number) {
  return String(Number(number.toFixed(Math.abs(number) >= 100 ? 2 : 3)));
}

/** A number of bytes: `64 KiB`. */
export function size(bytes) {
  if (!Number.isFinite(bytes)) return '?';
  const scales = [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']];
  const [unit, name] = scales.find(([scale]) => bytes >= scale) ?? [1, 'B'];
  return `${trim(bytes / unit)} ${name}`;
}

/** A number with thousands apart: `1,000,000`. */
export function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `bytes` from `offset` on: `512 B at 3 KiB`. */
export function span(offset, bytes) {
  return `${size(bytes)} at ${size(offset)}`;
}

/** How the fields of an event read, by kind; the others are listed. */
const SENTENCES = {
  'mirror-step': (v) => v('step'),
  'job-status': (v) => `${v('from')} → ${v('to')}`,
  'drain-begin': (v) => `${v('owner')} asks for ${v('node')}`,
  drained: (v) => `${v('node')} for ${v('owner')}`,
  'drain-end': (v) => `${v('node')} by ${v('owner')}`,
  'replace-node': (v) => `${v('from')} → ${v('to')}`,
  'coroutine-enter': (v) => v('entered') + (v('by') ? ` by ${v('by')}` : ''),
  'coroutine-yield': (v) => v('yielded'),
  'coroutine-end': (v) => v('ended'),
  'coroutine-create': (v) => v('created'),
  'coroutine-wake': (v) => `#${v('serial')}${v('by') ? ` by ${v('by')}` : ''}`,
  note: (v) => v('text'),
  monitor: (v) => v('verb') + (v('refused') ? `, refused: ${v('refused')}` : ''),
  event: (v) => [v('name'), v('status'), v('operation'), v('action'), v('error')].filter(Boolean).join(' '),
};

/**
 * What event `i` says besides its kind.
 * @param {import('#page/run.js').Run} run
 * @param {number} i
 * @returns {string}
 */
export function details(run, i) {
  const sentence = SENTENCES[run.kindName(i)];
  const value = (field) => run.value(i, field);
  if (sentence) return String(sentence(value) ?? '');
  const fields = run.fields(i);
  const words = [];
  for (const [name, it] of fields) {
    if (name === 'offset' || name === 'job') continue;
    if (name === 'bytes') words.push(span(run.number(i, 'offset'), it));
    else if (name.endsWith('_bytes')) words.push(`${name.slice(0, -6).replaceAll('_', ' ')} ${size(it)}`);
    else if (name.endsWith('_ns')) words.push(`${name.slice(0, -3).replaceAll('_', ' ')} ${time(it)}`);
    else if (it === true) words.push(name);
    else if (it === false) continue;
    else if (typeof it === 'number') words.push(`${name.replaceAll('_', ' ')} ${grouped(it)}`);
    else words.push(String(it));
  }
  return words.join(', ');
}

/** Who it happened to or where: a job, a disk, a guest, else the context. */
export function place(run, i) {
  const guest = run.value(i, 'guest');
  if (guest !== null) return `guest ${guest}`;
  return String(run.value(i, 'who') ?? run.value(i, 'job') ?? run.value(i, 'disk') ?? run.value(i, 'node') ?? run.contextName(i));
}

/** The number of event `i` in words: `211`. Events and decisions are counted from 0, as in traces and logs. */
export function eventName(run, i) {
  return grouped(run.numberOf(i));
}

/** Event `i` in a line. */
export function line(run, i) {
  const rest = details(run, i);
  return `${run.kindName(i)}${rest ? ` ${rest}` : ''}`;
}

/** The numbers that events of a run have: `(0 to 979)`. */
export function range(run) {
  return `(${eventName(run, 0)} to ${eventName(run, run.count - 1)})`;
}

/** Where the cursor is, for who hears the page: `event 211 (0 to 979), 3.2 ms, main: mirror-step M14`. */
export function whereabouts(run, i) {
  const where = run.value(i, 'who') ?? (run.contextName(i) || place(run, i));
  return `event ${eventName(run, i)} ${range(run)}, ${time(run.at[i])}, ${where}: ${line(run, i)}`;
}
