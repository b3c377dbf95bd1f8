// The lanes of a run: who has one, and what is drawn in it.

import { gatherJobs } from '#page/lanes-jobs.js';
import { gatherContexts, gatherDisks, gatherGuests, gatherNotes, gatherSections } from '#page/lanes-parts.js';

/**
 * @typedef {object} Lane
 * @property {string} id
 * @property {string} label
 * @property {string} role its tone
 * @property {import('#page/slices.js').Row[]} rows
 * @property {string[]} labels of the slices
 * @property {Uint32Array} marks events without a length, in order
 * @property {{event:number, text:string, tone:string}[]} landmarks the few that are always drawn
 */

/** The order from top to bottom. */
const ORDER = ['monitor', 'context', 'job', 'guest', 'source', 'target', 'disk', 'drain'];

/**
 * @param {import('#page/run.js').Run} run
 * @param {import('#page/coroutines.js').Coroutines} coroutines
 * @returns {{lanes: Lane[], laneOf: Int32Array}} and the lane of each event, -1 if it has none
 */
export function buildLanes(run, coroutines) {
  const gathered = [
    ...gatherContexts(run, coroutines),
    ...gatherJobs(run, coroutines),
    ...gatherGuests(run),
    ...gatherNotes(run),
    ...gatherDisks(run),
    ...gatherSections(run),
  ];
  gathered.sort((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role) || compareNames(a.label, b.label));
  const laneOf = new Int32Array(run.count).fill(-1);
  const lanes = gathered.map((it, number) => {
    for (const event of it.events) laneOf[event] = number;
    const { rows, labels } = it.slices.pack(run.count, it.mostRows);
    return {
      id: it.id,
      label: it.label,
      role: it.role,
      rows,
      labels,
      marks: Uint32Array.from(it.marks),
      landmarks: it.landmarks ?? [],
    };
  });
  return { lanes, laneOf };
}

/** `main` first, then names in the order of their numbers. */
function compareNames(a, b) {
  if (a === b) return 0;
  if (a.startsWith('main')) return -1;
  if (b.startsWith('main')) return 1;
  return a.localeCompare(b, 'en', { numeric: true });
}
