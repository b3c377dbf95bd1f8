// The dirty bitmap and the in-flight bitmap of each job, and what they add up to in bytes.

import { BitHistory } from '#page/bits.js';

/**
 * @typedef {object} JobBits
 * @property {string} job
 * @property {number} granularity in bytes
 * @property {number} granules
 * @property {BitHistory|null} dirty null if the run does not hold it
 * @property {BitHistory} flight
 */

const DONE = ['mirror-iteration-done', 'mirror-active-done', 'mirror-active-end'];
const BEGUN = ['mirror-iteration', 'mirror-active', 'mirror-active-begin'];

/**
 * @param {import('#page/run.js').Run} run
 * @returns {JobBits[]}
 */
export function readBitmaps(run) {
  const jobs = run.document.jobs?.length ? run.document.jobs : guessJobs(run);
  const homes = dirtyHomes(run);
  const bits = jobs.map((job) => {
    const granularity = job.granularity_bytes || 65536;
    const granules = Math.max(1, Math.ceil((job.length_bytes || granularity) / granularity));
    const home = homes.find((it) => it.node === job.source) ?? (jobs.length === 1 ? homes[0] : undefined);
    return {
      job: job.name,
      granularity,
      granules,
      home,
      dirty: home ? new BitHistory(granules) : null,
      flight: new BitHistory(granules),
    };
  });
  for (const it of bits) if (it.dirty) readDirty(run, it);
  readFlight(run, bits);
  for (const it of bits) {
    it.dirty?.seal();
    it.flight.seal();
  }
  // A job of which nothing is told has no bitmaps to be shown: it may be no mirror, or not be there at all.
  return bits.filter((it) => it.dirty?.events.length || it.flight.events.length);
}

/** A recording that lists no jobs may still tell of them. */
function guessJobs(run) {
  const names = new Set();
  for (const i of run.ofKind('mirror-start')) names.add(String(run.value(i, 'job')));
  let length = 0;
  for (const i of run.ofKind('mirror-iteration')) {
    length = Math.max(length, run.number(i, 'offset') + run.number(i, 'bytes'));
  }
  return [...names].map((name) => ({ name, source: 'source', granularity_bytes: 65536, length_bytes: length }));
}

/** The bitmaps of which changes are told, the busiest first. */
function dirtyHomes(run) {
  const homes = new Map();
  for (const i of run.ofKinds(['dirty-set', 'dirty-clear'])) {
    const [node, bitmap] = [run.value(i, 'node'), run.value(i, 'bitmap')];
    const key = `${node} ${bitmap}`;
    if (!homes.has(key)) homes.set(key, { node, bitmap, changes: 0 });
    homes.get(key).changes += 1;
  }
  return [...homes.values()].sort((a, b) => b.changes - a.changes);
}

/** Bits are set outward and cleared inward: a granule that is clean in part is dirty. */
function readDirty(run, it) {
  const set = run.byName.get('dirty-set');
  for (const i of run.ofKinds(['dirty-set', 'dirty-clear'])) {
    if (run.value(i, 'node') !== it.home.node || run.value(i, 'bitmap') !== it.home.bitmap) continue;
    const offset = run.number(i, 'offset');
    const end = offset + run.number(i, 'bytes');
    if (run.kind[i] === set) {
      it.dirty.add(i, Math.floor(offset / it.granularity), Math.ceil(end / it.granularity), true);
    } else {
      const last = Math.floor(end / it.granularity);
      // The end of the disk need not be the end of a granule.
      const whole = end / it.granularity > it.granules - 1 ? Math.ceil(end / it.granularity) : last;
      it.dirty.add(i, Math.ceil(offset / it.granularity), whole, false);
    }
  }
}

function readFlight(run, bits) {
  const byName = new Map(bits.map((it) => [it.job, it]));
  const begun = new Set(BEGUN.map((name) => run.byName.get(name)));
  for (const i of run.ofKinds([...BEGUN, ...DONE])) {
    const it = byName.get(String(run.value(i, 'job'))) ?? bits[0];
    if (!it) continue;
    const offset = run.number(i, 'offset');
    const end = offset + run.number(i, 'bytes');
    it.flight.add(i, Math.floor(offset / it.granularity), Math.ceil(end / it.granularity), begun.has(run.kind[i]));
  }
}
