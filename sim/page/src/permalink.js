// The part of the address after `#`: it holds the whole log of the run, and the event.

/**
 * @typedef {object} Link
 * @property {string|null} log
 * @property {string|null} against
 * @property {number|null} at the number of the event
 */

/**
 * @param {string} hash with or without its `#`
 * @returns {Link}
 */
export function readLink(hash) {
  const found = { log: null, against: null, at: null };
  for (const part of hash.replace(/^#/, '').split('&')) {
    const sign = part.indexOf('=');
    if (sign < 0) continue;
    const [name, value] = [part.slice(0, sign), unescape(part.slice(sign + 1))];
    if (name === 'log' || name === 'against') found[name] = value || null;
    if (name === 'at' && /^\d+$/.test(value)) found.at = Number(value);
  }
  return found;
}

/** An address that somebody has cut may end within a sign. */
function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Signs that stand in logs and need no escape after `#`. */
function shorten(text) {
  return encodeURIComponent(text).replace(/%3A/g, ':').replace(/%2C/g, ',').replace(/%3D/g, '=').replace(/%3B/g, ';');
}

/**
 * @param {Link} link
 * @returns {string} from `#` on
 */
export function writeLink({ log, against, at }) {
  const parts = [];
  if (log) parts.push(`log=${shorten(log)}`);
  if (at !== null && at !== undefined) parts.push(`at=${at}`);
  if (against) parts.push(`against=${shorten(against)}`);
  return `#${parts.join('&')}`;
}

/**
 * The command that shows a log, to be typed.
 * @param {string} log
 */
export function commandFor(log) {
  return `blockjob sim view '${log.replaceAll("'", "'\\''")}' --out page.html`;
}
