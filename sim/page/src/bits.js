// The history of one bitmap: its changes, with checkpoints, so that it is known at any event.

import { upperBound } from '#page/search.js';

/** So many bytes all checkpoints of a bitmap may take. */
const CHECKPOINT_BYTES = 32 << 20;

/** The number of ones in a word. */
function ones(word) {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return (((v + (v >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

/** Sets or clears bits `first..end`; returns by how many that changes the number of ones. */
export function change(words, first, end, on) {
  let difference = 0;
  for (let word = first >>> 5; word << 5 < end; word += 1) {
    const low = Math.max(first - (word << 5), 0);
    const high = Math.min(end - (word << 5), 32);
    const mask = (high === 32 ? -1 : (1 << high) - 1) & ~((1 << low) - 1);
    const before = words[word];
    words[word] = on ? before | mask : before & ~mask;
    difference += ones(words[word]) - ones(before);
  }
  return difference;
}

/** A bitmap as it changes in the course of a run. */
export class BitHistory {
  /** @param {number} granules how many bits it has */
  constructor(granules) {
    this.granules = Math.max(1, Math.ceil(granules));
    this.words = (this.granules + 31) >>> 5;
    this.list = { events: [], first: [], end: [], on: [] };
  }

  /** At `event` the bits `first..end` are set or cleared. */
  add(event, first, end, on) {
    const [low, high] = [Math.max(0, first), Math.min(end, this.granules)];
    if (low >= high) return;
    this.list.events.push(event);
    this.list.first.push(low);
    this.list.end.push(high);
    this.list.on.push(on ? 1 : 0);
  }

  /** All changes are known now: makes the checkpoints. Returns itself. */
  seal() {
    this.events = Uint32Array.from(this.list.events);
    this.first = Uint32Array.from(this.list.first);
    this.end = Uint32Array.from(this.list.end);
    this.on = Uint8Array.from(this.list.on);
    this.list = null;
    const changes = this.events.length;
    this.spacing = Math.max(128, Math.ceil((changes * this.words * 4) / CHECKPOINT_BYTES));
    /** How many bits are set after each change. */
    this.ones = new Uint32Array(changes);
    this.checkpoints = [];
    const words = new Uint32Array(this.words);
    let set = 0;
    for (let at = 0; at < changes; at += 1) {
      if (at % this.spacing === 0) this.checkpoints.push(words.slice());
      set += change(words, this.first[at], this.end[at], this.on[at]);
      this.ones[at] = set;
    }
    return this;
  }

  /** How many changes had been made after `event`. */
  changesAt(event) {
    return upperBound(this.events, event);
  }

  /** How many bits are set after `event`. */
  onesAt(event) {
    const changes = this.changesAt(event);
    return changes ? this.ones[changes - 1] : 0;
  }

  /** The words of the bitmap after `event`. */
  at(event) {
    const words = new Uint32Array(this.words);
    this.replay(words, -1, this.changesAt(event));
    return words;
  }

  /**
   * Brings `words`, which stand after `from` changes (-1: at nothing that is known), to `to` changes.
   * Uses a checkpoint if one is nearer.
   */
  replay(words, from, to) {
    const checkpoint = Math.min(Math.floor(to / this.spacing), this.checkpoints.length - 1);
    let at = from;
    if (from < 0 || from > to || checkpoint * this.spacing > from) {
      if (checkpoint < 0) words.fill(0);
      else words.set(this.checkpoints[checkpoint]);
      at = Math.max(0, checkpoint * this.spacing);
    }
    for (; at < to; at += 1) change(words, this.first[at], this.end[at], this.on[at]);
    return to;
  }

  /**
   * The bitmap over a range, as an image: for each column the bitmap as it stood there, its granules laid
   * onto `rows` rows. Values are 0 for no bit, 255 for all.
   * @param {ArrayLike<number>} columns the last event of each column
   * @param {number} rows
   * @returns {Uint8Array} column by column
   */
  image(columns, rows) {
    const image = new Uint8Array(columns.length * rows);
    const words = new Uint32Array(this.words);
    let at = -1;
    let before = -1;
    for (let x = 0; x < columns.length; x += 1) {
      const to = this.changesAt(columns[x]);
      if (to === at) {
        image.copyWithin(x * rows, before * rows, before * rows + rows);
        continue;
      }
      at = this.replay(words, at, to);
      shrink(words, this.granules, image.subarray(x * rows, x * rows + rows));
      before = x;
    }
    return image;
  }
}

/** Lays the bits of `words` onto the bytes of `rows`: 0 for none set, 255 for all. */
export function shrink(words, granules, rows) {
  for (let row = 0; row < rows.length; row += 1) {
    const first = Math.floor((row * granules) / rows.length);
    const end = Math.max(first + 1, Math.floor(((row + 1) * granules) / rows.length));
    let set = 0;
    for (let word = first >>> 5; word << 5 < end; word += 1) {
      const low = Math.max(first - (word << 5), 0);
      const high = Math.min(end - (word << 5), 32);
      const mask = (high === 32 ? -1 : (1 << high) - 1) & ~((1 << low) - 1);
      set += ones(words[word] & mask);
    }
    // One bit among many must still be seen.
    rows[row] = set === 0 ? 0 : Math.max(96, Math.round((255 * set) / (end - first)));
  }
}
