// Things with a beginning and an end, packed into rows so that none covers another.

/** Ends that never came are at this event. */
export const OPEN = 0xffffffff;

/**
 * Slices of one row, in order and side by side.
 * @typedef {object} Row
 * @property {Uint32Array} start the event it begins at
 * @property {Uint32Array} end the event it ends at, or the number of events
 * @property {Uint8Array} tone a place in TONES
 * @property {Int32Array} label a place in the labels of the lane
 */

/** What colours mean. The names are those of the theme. */
export const TONES = [
  'context', 'guest', 'job', 'source', 'target', 'disk', 'drain', 'drained', 'monitor', 'read', 'write',
  'zero', 'discard', 'flush', 'failed', 'copy', 'created', 'running', 'paused', 'ready', 'standby', 'waiting',
  'pending', 'aborting', 'concluded', 'null', 'undefined', 'active', 'landmark', 'wake', 'mark', 'step',
];

const TONE_NUMBERS = new Map(TONES.map((tone, number) => [tone, number]));

/** The number of a tone, that of `disk` for one that nobody knows. */
export function toneNumber(name) {
  return TONE_NUMBERS.get(name) ?? TONE_NUMBERS.get('disk');
}

/** Collects slices in the order in which they begin. */
export class Slices {
  constructor() {
    this.start = [];
    this.end = [];
    this.tone = [];
    this.label = [];
    this.labels = [];
    this.labelNumbers = new Map();
    /** Slices under way, by a key of the caller. */
    this.open = new Map();
  }

  #labelNumber(text) {
    let number = this.labelNumbers.get(text);
    if (number === undefined) {
      number = this.labels.push(text) - 1;
      this.labelNumbers.set(text, number);
    }
    return number;
  }

  /** Something begins at `event`. If one with this key is under way, that one ends. */
  begin(key, event, tone, label) {
    if (this.open.has(key)) this.finish(key, event);
    const slice = this.start.push(event) - 1;
    this.end.push(OPEN);
    this.tone.push(toneNumber(tone));
    this.label.push(this.#labelNumber(label));
    this.open.set(key, slice);
    return slice;
  }

  /** It ends. Returns whether it was under way: in a cut record it may not have begun. */
  finish(key, event, tone = null) {
    const slice = this.open.get(key);
    if (slice === undefined) return false;
    this.end[slice] = event;
    if (tone !== null) this.tone[slice] = toneNumber(tone);
    this.open.delete(key);
    return true;
  }

  /**
   * Packs them into rows. What does not fit into `most` rows goes into the last one, cut to what is free.
   * @param {number} count the number of events
   * @param {number} most
   * @returns {{rows: Row[], labels: string[]}}
   */
  pack(count, most) {
    const free = [];
    const members = [];
    for (let slice = 0; slice < this.start.length; slice += 1) {
      const start = this.start[slice];
      const end = this.end[slice] === OPEN ? count : Math.max(this.end[slice], start);
      let row = free.findIndex((from) => from <= start);
      if (row < 0 && free.length < most) {
        row = free.push(0) - 1;
        members.push([]);
      }
      if (row < 0) row = most - 1;
      members[row].push(slice);
      free[row] = Math.max(free[row], end);
    }
    const rows = members.map((slices) => this.#row(slices, count));
    return { rows, labels: this.labels };
  }

  #row(slices, count) {
    const row = {
      start: Uint32Array.from(slices, (slice) => this.start[slice]),
      end: new Uint32Array(slices.length),
      tone: Uint8Array.from(slices, (slice) => this.tone[slice]),
      label: Int32Array.from(slices, (slice) => this.label[slice]),
    };
    for (let at = 0; at < slices.length; at += 1) {
      const own = this.end[slices[at]];
      const next = at + 1 < slices.length ? row.start[at + 1] : count;
      row.end[at] = Math.max(row.start[at], Math.min(own === OPEN ? count : own, next));
    }
    return row;
  }
}
