// Dirty bytes, bytes in flight and bytes copied, as lines over time.

import { lowerBound, upperBound } from '#page/search.js';

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {string} tone
 * @property {Uint32Array} events at which it changes
 * @property {Float64Array} values after each of them, in bytes
 */

/**
 * @param {import('#page/run.js').Run} run
 * @param {import('#page/bitmaps.js').JobBits[]} bits
 * @param {string} [job] only of this job
 * @returns {Series[]}
 */
export function readSeries(run, bits, job = bits[0]?.job) {
  const it = bits.find((known) => known.job === job);
  if (!it) return [];
  const ofHistory = (name, tone, history) => ({
    name,
    tone,
    events: history.events,
    values: Float64Array.from(history.ones, (set) => set * it.granularity),
  });
  return [
    it.dirty ? ofHistory('dirty', 'write', it.dirty) : reported(run, job),
    ofHistory('in flight', 'copy', it.flight),
    copied(run, job),
  ];
}

/** Without the bits there is what the job itself said, now and then. */
function reported(run, job) {
  const kinds = ['mirror-yield', 'mirror-before-sleep', 'mirror-before-drain'];
  const events = run.ofKinds(kinds).filter((i) => run.value(i, 'job') === job);
  return { name: 'dirty', tone: 'write', events, values: Float64Array.from(events, (i) => run.number(i, 'dirty_bytes')) };
}

function copied(run, job) {
  const events = run.ofKind('mirror-iteration-done').filter((i) => run.value(i, 'job') === job);
  let sum = 0;
  const values = Float64Array.from(events, (i) => (sum += run.number(i, 'bytes')));
  return { name: 'copied', tone: 'ready', events, values };
}

/** The value of a series after `event`. */
export function valueAt(series, event) {
  const at = upperBound(series.events, event);
  return at ? series.values[at - 1] : 0;
}

/**
 * A series at given events, with the highest value between each and the next one: so a peak is seen
 * however far one is from it.
 * @param {Series} series
 * @param {ArrayLike<number>} edges events, in order; one more than there are values
 * @returns {number[]}
 */
export function sample(series, edges) {
  const out = new Array(Math.max(0, edges.length - 1));
  for (let x = 0; x < out.length; x += 1) {
    let high = valueAt(series, edges[x]);
    const from = lowerBound(series.events, edges[x]);
    const to = lowerBound(series.events, edges[x + 1]);
    // Where very many fall between two points a sample of them is enough for the eye.
    const step = Math.max(1, Math.floor((to - from) / 64));
    for (let at = from; at < to; at += step) high = Math.max(high, series.values[at]);
    out[x] = high;
  }
  return out;
}
