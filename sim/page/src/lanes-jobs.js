// What is drawn in the lane of a job: its states, the turns of its coroutine, its steps and its copies.

import { newLane } from '#page/lanes-parts.js';

/** Marks of a job, and how the loudest of them are called in its lane. */
const MARKS = {
  'job-pause-point': null,
  'job-sleep': null,
  'job-yield': null,
  'job-pause': null,
  'job-resume': null,
  'job-cancel': 'cancel',
  'job-defer': 'defer to main',
  'job-deferred-start': 'mirror_exit',
  'job-run-end': 'run ends',
  'mirror-step': null,
  'mirror-yield': null,
  'mirror-before-flush': null,
  'mirror-before-drain': 'before drain',
  'mirror-before-sleep': null,
};

/** Kinds of a job that have no mark, and still belong to its lane. */
const QUIET = ['job-enter', 'job-other', 'mirror-start', 'mirror-other', 'event'];

/**
 * @param {import('#page/run.js').Run} run
 * @param {import('#page/coroutines.js').Coroutines} coroutines
 * @returns {import('#page/lanes-parts.js').Gathered[]} for each job a lane with what it does, and one with
 * the turns of its coroutines
 */
export function gatherJobs(run, coroutines) {
  const lanes = new Map();
  const named = (job) => {
    if (!lanes.has(job)) {
      lanes.set(job, {
        doing: newLane(`job ${job}`, job, 'job', 6),
        turns: newLane(`turns ${job}`, `${job}: coroutine`, 'job', 2),
      });
    }
    return lanes.get(job);
  };
  const laneOf = (i) => named(String(run.value(i, 'job'))).doing;
  const by = run.kinds.map((kind) => handler(kind.name, run, laneOf));
  const turns = turnHandlers(run, coroutines, named);
  for (let i = 0; i < run.count; i += 1) {
    by[run.kind[i]]?.(i);
    turns[run.kind[i]]?.(i);
  }
  return [...lanes.values()].flatMap(({ doing, turns: own }) =>
    (own.slices.start.length ? [doing, own] : [doing]));
}

/** What an event of a kind adds to the lane of its job. */
function handler(kind, run, laneOf) {
  if (kind === 'job-status') return (i) => status(run, laneOf(i), i);
  if (kind in MARKS) {
    return (i) => {
      const lane = laneOf(i);
      lane.marks.push(i);
      lane.events.push(i);
      if (MARKS[kind]) lane.landmarks.push({ event: i, text: MARKS[kind], tone: 'landmark' });
    };
  }
  if (QUIET.includes(kind)) return (i) => laneOf(i).events.push(i);
  const copy = /^mirror-(iteration|active)(-done|-end|-begin)?$/.exec(kind);
  if (!copy) return undefined;
  const [, what, ending] = copy;
  const key = (i) => `${what} ${run.number(i, 'offset')} ${run.number(i, 'bytes')}`;
  if (ending === '-done' || ending === '-end') {
    return (i) => {
      laneOf(i).slices.finish(key(i), i);
      laneOf(i).events.push(i);
    };
  }
  return (i) => {
    const label = what === 'active' ? 'to both' : 'copy';
    laneOf(i).slices.begin(key(i), i, what === 'active' ? 'active' : 'copy', label);
    laneOf(i).events.push(i);
  };
}

function status(run, lane, i) {
  const to = String(run.value(i, 'to'));
  lane.events.push(i);
  lane.slices.begin('status', i, to, to);
  if (to === 'null') lane.slices.finish('status', i);
  if (to === 'ready' && run.value(i, 'from') === 'running') {
    lane.landmarks.push({ event: i, text: 'READY', tone: 'ready' });
  }
}

/** The turns of those who work for a job. */
function turnHandlers(run, coroutines, named) {
  const laneOf = (i) => {
    const who = coroutines.subject[i];
    const actor = who < 0 ? null : coroutines.actors[coroutines.actor[who]];
    return actor?.kind === 'job' ? named(actor.name).turns : null;
  };
  const leave = (i) => laneOf(i)?.slices.finish(coroutines.subject[i], i);
  const table = {
    'coroutine-enter': (i) => {
      const name = coroutines.names[coroutines.subject[i]] ?? '';
      laneOf(i)?.slices.begin(coroutines.subject[i], i, 'job', name.slice(name.indexOf('/') + 1));
    },
    'coroutine-yield': leave,
    'coroutine-end': leave,
  };
  return run.kinds.map((kind) => table[kind.name]);
}
