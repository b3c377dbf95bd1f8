// Asks the server that the page came from, if it came from one.

/** @returns {boolean} whether a server answers */
export function isServed() {
  return document.querySelector('meta[name="blockjob-served"]') !== null;
}

/** What the server said no to. Its message is a sentence for the reader. */
export class Refused extends Error {}

/** Signs in a query are escaped one by one: to this server a plus is a plus. */
function query(values) {
  const known = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return known.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused('The server does not answer. Is `blockjob sim view --serve` still running?');
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(body.error ?? `The server answered ${response.status}.`);
}

/** What can be asked for. @returns {Promise<{scenarios:string[], bugs:string[], policies:string[]}>} */
export async function options() {
  return (await ask('/api/options')).json();
}

/** A run: `{log}`, or `{scenario, seed, policy, bug}`. */
export async function askRun(what) {
  return (await ask(`/api/run?${query(what)}`)).json();
}

/** The run of `log` up to a decision, with another choice there. */
export async function whatIf(log, decision, chosen, then = 'dull') {
  const body = JSON.stringify({ log, decision, chosen, then });
  const headers = { 'Content-Type': 'application/json' };
  return (await ask('/api/what-if', { method: 'POST', headers, body })).json();
}

/** Two runs and their first difference. */
export async function compare(a, b) {
  return (await ask(`/api/compare?${query({ a, b })}`)).json();
}

/** The shortest run with the same failure. */
export async function shrink(log) {
  return (await ask(`/api/shrink?${query({ log })}`)).json();
}

/** The events of a run as text of a form: text, json, perfetto or shiviz. */
export async function trace(log, format) {
  return (await ask(`/api/trace?${query({ log, format })}`)).text();
}
