// What is drawn in the lanes of contexts, guests, disks and drained sections.

import { Slices } from '#page/slices.js';

/**
 * What a lane is made of.
 * @typedef {object} Gathered
 * @property {string} id
 * @property {string} label
 * @property {string} role
 * @property {Slices} slices
 * @property {number} mostRows
 * @property {number[]} marks
 * @property {number[]} events all that belong to it
 * @property {{event:number, text:string, tone:string}[]} [landmarks]
 */

/** @returns {Gathered} */
export function newLane(id, label, role, mostRows) {
  return { id, label, role, slices: new Slices(), mostRows, marks: [], events: [], landmarks: [] };
}

/** The lane under `key`, made if it is not there yet. */
function laneIn(lanes, key, make) {
  let lane = lanes.get(key);
  if (!lane) {
    lane = make();
    lanes.set(key, lane);
  }
  return lane;
}

/** Makes a function that says for which event numbers of kinds something is done. */
function handlers(run, table) {
  return run.kinds.map((kind) => table[kind.name]);
}

/**
 * Each context, with the turns of coroutines in it, and the monitor. Guests' contexts have no lane: what
 * happens there is in the lanes of the guests.
 * @returns {Gathered[]}
 */
export function gatherContexts(run, coroutines) {
  const lanes = new Map();
  const context = (i) => {
    const name = run.contextName(i);
    if (/^guest\d+$/.test(name)) return null;
    const label = name === 'main' ? 'main loop' : name;
    return laneIn(lanes, name, () => newLane(`context ${name}`, label, 'context', 3));
  };
  const monitor = () => laneIn(lanes, ' monitor', () => newLane('monitor', 'monitor', 'monitor', 1));
  const mark = (i) => {
    const lane = context(i);
    lane?.marks.push(i);
    lane?.events.push(i);
  };
  const leave = (i) => {
    const lane = context(i);
    lane?.slices.finish(coroutines.subject[i], i);
    lane?.events.push(i);
  };
  const own = (i) => context(i)?.events.push(i);
  const by = handlers(run, {
    'coroutine-enter': (i) => {
      const who = coroutines.subject[i];
      const lane = context(i);
      if (!lane || who < 0) return;
      const role = coroutines.actors[coroutines.actor[who]].kind;
      lane.slices.begin(who, i, role, shortName(coroutines.names[who]));
      lane.events.push(i);
    },
    'coroutine-yield': leave,
    'coroutine-end': leave,
    'coroutine-create': own,
    'coroutine-wake': own,
    'bottom-half': mark,
    timer: mark,
    'event-source': mark,
    'timer-arm': own,
    'timer-disarm': own,
    'bottom-half-schedule': own,
    'bottom-half-cancel': own,
    monitor: (i) => {
      monitor().marks.push(i);
      monitor().events.push(i);
      const refused = run.value(i, 'refused');
      const text = `${run.value(i, 'verb')}${refused ? ' (refused)' : ''}`;
      monitor().landmarks.push({ event: i, text, tone: refused ? 'failed' : 'monitor' });
    },
  });
  for (let i = 0; i < run.count; i += 1) by[run.kind[i]]?.(i);
  return [...lanes.values()];
}

/** `main/guest#1` without its context. */
export function shortName(name) {
  return name.slice(name.indexOf('/') + 1);
}

/** Each guest, with its requests from asked to heard. @returns {Gathered[]} */
export function gatherGuests(run) {
  const lanes = new Map();
  const lane = (i) => {
    const guest = run.number(i, 'guest');
    return laneIn(lanes, guest, () => newLane(`guest ${guest}`, `guest ${guest}`, 'guest', 4));
  };
  const finish = (tone) => (i) => {
    lane(i).slices.finish(run.number(i, 'id'), i, tone);
    lane(i).events.push(i);
  };
  const by = handlers(run, {
    'guest-ask': (i) => {
      const what = String(run.value(i, 'request'));
      lane(i).slices.begin(run.number(i, 'id'), i, what, what);
      lane(i).events.push(i);
    },
    'guest-done': finish(null),
    'guest-failed': finish('failed'),
    'guest-abandon': finish('failed'),
  });
  for (let i = 0; i < run.count; i += 1) by[run.kind[i]]?.(i);
  return [...lanes.values()];
}

/** Each of those whom a program has added to the run, with what it says of them. @returns {Gathered[]} */
export function gatherNotes(run) {
  const lanes = new Map();
  for (const i of run.ofKind('note')) {
    const who = String(run.value(i, 'who'));
    const lane = laneIn(lanes, who, () => newLane(`note ${who}`, who, 'guest', 1));
    lane.marks.push(i);
    lane.events.push(i);
  }
  return [...lanes.values()];
}

/**
 * Each disk, with its requests until they have landed. A recording of real disks knows no disk-begin: there
 * the requests at the nodes that jobs read from and write to stand for them.
 * @returns {Gathered[]}
 */
export function gatherDisks(run) {
  const lanes = new Map();
  const simulated = run.ofKind('disk-begin').length > 0;
  const [begin, end, place] = simulated
    ? ['disk-begin', 'disk-land', 'disk']
    : ['request-begin', 'request-end', 'node'];
  const lane = (name) => {
    const role = name === 'source' || name === 'target' ? name : 'disk';
    return laneIn(lanes, name, () => newLane(`disk ${name}`, name, role, 5));
  };
  const under = new Map();
  const key = (i) => (simulated
    ? `${run.value(i, place)} ${run.value(i, 'request')} ${run.number(i, 'offset')} ${run.number(i, 'bytes')}`
    : `${run.value(i, place)} ${run.number(i, 'id')}`);
  let serial = 0;
  const by = handlers(run, {
    [begin]: (i) => {
      const what = String(run.value(i, 'request'));
      const it = lane(String(run.value(i, place)));
      const alike = laneIn(under, key(i), () => []);
      serial += 1;
      alike.push(serial);
      it.slices.begin(serial, i, what, what);
      it.events.push(i);
    },
    [end]: (i) => {
      const it = lane(String(run.value(i, place)));
      const first = under.get(key(i))?.shift();
      if (first !== undefined) it.slices.finish(first, i, run.value(i, 'failed') ? 'failed' : null);
      it.events.push(i);
    },
  });
  for (let i = 0; i < run.count; i += 1) by[run.kind[i]]?.(i);
  return [...lanes.values()];
}

/** The drained sections: from asked for to established, and from there to ended. @returns {Gathered[]} */
export function gatherSections(run) {
  const lane = newLane('sections', 'drained', 'drain', 5);
  const name = (i) => `${run.value(i, 'node')} by ${run.value(i, 'owner')}`;
  const key = (i) => `${run.value(i, 'node')} ${run.number(i, 'section')}`;
  const by = handlers(run, {
    'drain-begin': (i) => {
      lane.slices.begin(key(i), i, 'drain', name(i));
      lane.events.push(i);
    },
    drained: (i) => {
      lane.slices.begin(key(i), i, 'drained', name(i));
      lane.events.push(i);
    },
    'drain-end': (i) => {
      lane.slices.finish(key(i), i);
      lane.events.push(i);
    },
    'replace-node': (i) => {
      lane.marks.push(i);
      lane.events.push(i);
      lane.landmarks.push({ event: i, text: `${run.value(i, 'from')} → ${run.value(i, 'to')}`, tone: 'landmark' });
    },
  });
  for (let i = 0; i < run.count; i += 1) by[run.kind[i]]?.(i);
  return lane.events.length ? [lane] : [];
}
