// What stands at an event: jobs, who is ready to run, timers, bottom halves, requests, drained sections.
// A checkpoint every few thousand events, and a replay from the nearest one.

/** So many events lie between two checkpoints. */
export const SPACING = 4096;

/**
 * @typedef {object} Standing
 * @property {Map<string, {status:string, path:string[], pauses:number, step:string|null, sleepsUntil:number|null,
 *   deferred:boolean}>} jobs
 * @property {Map<number, number>} ready coroutines that were woken and have not run, with the event of the wake
 * @property {number[]} running coroutines that run, the innermost last
 * @property {Map<string, {name:string, deadline:number, event:number}>} timers
 * @property {Map<string, number>} halves bottom halves that are scheduled, with the event
 * @property {Map<string, {at:string, what:string, offset:number, bytes:number, event:number}>} requests at nodes
 * @property {Map<string, {at:string, what:string, offset:number, bytes:number, event:number}>} guests
 * @property {Map<string, {node:string, owner:string, asked:number, drained:number|null}>} sections
 */

/** @returns {Standing} */
function nothing() {
  return {
    jobs: new Map(), ready: new Map(), running: [], timers: new Map(), halves: new Map(),
    requests: new Map(), guests: new Map(), sections: new Map(),
  };
}

const NEW_JOB = { status: 'undefined', path: ['undefined'], pauses: 0, step: null, sleepsUntil: null, deferred: false };

/** Changes what is known of a job; the values of maps are never changed in place, since checkpoints share them. */
function job(state, run, i, news) {
  const name = String(run.value(i, 'job'));
  const before = state.jobs.get(name) ?? NEW_JOB;
  state.jobs.set(name, { ...before, ...news(before) });
}

function range(run, i, at) {
  return {
    at, what: String(run.value(i, 'request')), offset: run.number(i, 'offset'), bytes: run.number(i, 'bytes'), event: i,
  };
}

/** What each kind does to what stands: (state, event, run, coroutines). */
const EFFECTS = {
  'job-status': (s, i, run) => {
    const to = String(run.value(i, 'to'));
    job(s, run, i, (old) => ({ status: to, path: [...old.path, to].slice(-40) }));
  },
  'job-pause': (s, i, run) => job(s, run, i, () => ({ pauses: run.number(i, 'pause_count') })),
  'job-resume': (s, i, run) => job(s, run, i, () => ({ pauses: run.number(i, 'pause_count') })),
  'job-sleep': (s, i, run) => job(s, run, i, () => ({ sleepsUntil: run.number(i, 'deadline_ns') })),
  'job-enter': (s, i, run) => job(s, run, i, () => ({ sleepsUntil: null })),
  'job-defer': (s, i, run) => job(s, run, i, () => ({ deferred: true })),
  'job-deferred-start': (s, i, run) => job(s, run, i, () => ({ deferred: false })),
  'mirror-step': (s, i, run) => job(s, run, i, () => ({ step: String(run.value(i, 'step')) })),
  'coroutine-wake': (s, i, run, co) => {
    if (co.subject[i] >= 0 && !s.ready.has(co.subject[i])) s.ready.set(co.subject[i], i);
  },
  'coroutine-enter': (s, i, run, co) => {
    s.ready.delete(co.subject[i]);
    s.running.push(co.subject[i]);
  },
  'coroutine-yield': (s, i, run, co) => leave(s, co.subject[i]),
  'coroutine-end': (s, i, run, co) => leave(s, co.subject[i]),
  'timer-arm': (s, i, run) => s.timers.set(timerKey(run, i), {
    name: callback(run, i), deadline: run.number(i, 'deadline_ns'), event: i,
  }),
  'timer-disarm': (s, i, run) => s.timers.delete(timerKey(run, i)),
  timer: (s, i, run) => expire(s, callback(run, i)),
  'bottom-half-schedule': (s, i, run) => s.halves.set(callback(run, i), i),
  'bottom-half-cancel': (s, i, run) => s.halves.delete(callback(run, i)),
  'bottom-half': (s, i, run) => s.halves.delete(callback(run, i)),
  'request-begin': (s, i, run) =>
    s.requests.set(requestKey(run, i), range(run, i, String(run.value(i, 'node')))),
  'request-end': (s, i, run) => s.requests.delete(requestKey(run, i)),
  'guest-ask': (s, i, run) => s.guests.set(guestKey(run, i), range(run, i, `guest ${run.number(i, 'guest')}`)),
  'guest-done': (s, i, run) => s.guests.delete(guestKey(run, i)),
  'guest-failed': (s, i, run) => s.guests.delete(guestKey(run, i)),
  'guest-abandon': (s, i, run) => s.guests.delete(guestKey(run, i)),
  'drain-begin': (s, i, run) => s.sections.set(sectionKey(run, i), {
    node: String(run.value(i, 'node')), owner: String(run.value(i, 'owner')), asked: i, drained: null,
  }),
  drained: (s, i, run) => {
    const section = s.sections.get(sectionKey(run, i));
    if (section) s.sections.set(sectionKey(run, i), { ...section, drained: i });
  },
  'drain-end': (s, i, run) => s.sections.delete(sectionKey(run, i)),
};

/** A callback runs: of the timers of its name it is the one that was due first. */
function expire(state, name) {
  let first = null;
  for (const [key, timer] of state.timers) {
    if (timer.name === name && (first === null || timer.deadline < state.timers.get(first).deadline)) first = key;
  }
  if (first !== null) state.timers.delete(first);
}

/** The timer of a sleeping coroutine has no event when it expires: it is over at its deadline. */
function forgetSleepers(state, now) {
  for (const [key, timer] of state.timers) {
    if (timer.deadline <= now && timer.name.endsWith(': sleep')) state.timers.delete(key);
  }
}

function leave(state, who) {
  const at = state.running.lastIndexOf(who);
  if (at >= 0) state.running.splice(at, 1);
}

const callback = (run, i) => `${run.contextName(i)}: ${run.value(i, 'name')}`;
const timerKey = (run, i) => `${callback(run, i)} ${run.number(i, 'id')}`;
const requestKey = (run, i) => `${run.value(i, 'node')} ${run.number(i, 'id')}`;
const guestKey = (run, i) => `${run.number(i, 'guest')} ${run.number(i, 'id')}`;
const sectionKey = (run, i) => `${run.value(i, 'node')} ${run.number(i, 'section')}`;

function copy(state) {
  return Object.fromEntries(
    Object.entries(state).map(([name, it]) => [name, Array.isArray(it) ? it.slice() : new Map(it)]),
  );
}

/** Answers what stood at an event. */
export class Standings {
  /**
   * @param {import('#page/run.js').Run} run
   * @param {import('#page/coroutines.js').Coroutines} coroutines
   */
  constructor(run, coroutines) {
    this.run = run;
    this.coroutines = coroutines;
    this.effects = run.kinds.map((kind) => EFFECTS[kind.name]);
    this.checkpoints = [];
    const state = nothing();
    for (let i = 0; i < run.count; i += 1) {
      if (i % SPACING === 0) {
        forgetSleepers(state, run.at[i]);
        this.checkpoints.push(copy(state));
      }
      this.effects[run.kind[i]]?.(state, i, run, coroutines);
    }
  }

  /** What stands after `event`. @returns {Standing} */
  at(event) {
    const checkpoint = Math.floor(event / SPACING);
    const state = this.checkpoints.length ? copy(this.checkpoints[checkpoint]) : nothing();
    for (let i = checkpoint * SPACING; i <= event && i < this.run.count; i += 1) {
      this.effects[this.run.kind[i]]?.(state, i, this.run, this.coroutines);
    }
    forgetSleepers(state, this.run.at[event] ?? 0);
    return state;
  }
}

/**
 * What a section that is not established waits for: requests in flight at its node, or else all that are.
 * @param {Standing} state
 * @param {{node:string}} section
 */
export function waitsFor(state, section) {
  const all = [...state.requests.values()];
  const own = all.filter((request) => request.at === section.node);
  return own.length ? own : all;
}
