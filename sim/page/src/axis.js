// What is visible, and where on the screen it is: by the order of events, or by time.

import { clamp, lowerBound } from '#page/search.js';

/** The range that is visible, in events (`order`) or nanoseconds (`time`). */
export class Axis {
  /**
   * @param {import('#page/run.js').Run} run
   * @param {'order'|'time'} [scale]
   * @param {{count:number, endNs:number}} [extent] of the longer one, if two runs are shown on one scale
   */
  constructor(run, scale = 'order', extent = run) {
    this.run = run;
    this.scale = scale;
    this.extent = extent;
    [this.from, this.to] = this.limits();
  }

  /** The whole run. @returns {[number, number]} */
  limits() {
    const end = this.scale === 'order' ? this.extent.count : this.extent.endNs * 1.01;
    return [0, Math.max(end, 1)];
  }

  /** Where event `i` is on the scale. An event has a width of one when events are what is counted. */
  position(i) {
    if (this.scale === 'order') return i;
    return i >= this.run.count ? this.run.endNs : this.run.at[i];
  }

  /** The first event at a position or after it. */
  eventAt(position) {
    const event = this.scale === 'order' ? Math.ceil(position) : lowerBound(this.run.at, position);
    return clamp(event, 0, this.run.count);
  }

  /** Shows `from..to`, moved and cut so that it lies within the run. */
  show(from, to) {
    const [low, high] = this.limits();
    const least = this.scale === 'order' ? 8 : Math.max(1, high / 1e7);
    const width = clamp(to - from, Math.min(least, high - low), high - low);
    const start = clamp(from, low, high - width);
    this.from = start;
    this.to = start + width;
  }

  /** Zooms by `factor` (below 1: in); what is at `position` stays where it is. */
  zoom(factor, position) {
    const share = (position - this.from) / (this.to - this.from);
    const [low, high] = this.limits();
    const width = clamp((this.to - this.from) * factor, 0, high - low);
    this.show(position - share * width, position - share * width + width);
  }

  /** Moves by a share of what is visible. */
  pan(share) {
    const by = share * (this.to - this.from);
    this.show(this.from + by, this.to + by);
  }

  /** Moves so that event `i` is visible, and not at the very edge. Returns whether it moved. */
  reveal(i) {
    const position = this.position(i);
    const width = this.to - this.from;
    const margin = width * 0.08;
    if (position >= this.from + margin && position <= this.to - margin) return false;
    const [low, high] = this.limits();
    const before = this.from;
    if (position < low + margin && this.from <= low) return false;
    if (position > high - margin && this.to >= high) return false;
    this.show(position - width / 2, position + width / 2);
    return this.from !== before;
  }

  /** Changes the scale and goes on showing the same events. */
  rescale(scale) {
    if (scale === this.scale) return;
    const first = this.eventAt(this.from);
    const last = Math.max(first, this.eventAt(this.to) - 1);
    this.scale = scale;
    // Many events may share the instant of the last one: all of them lie before its end.
    const [from, end] = [this.position(first), this.position(last) + 1];
    this.show(from, Math.max(this.position(last + 1), end));
  }

  /**
   * Lays the visible range onto `width` pixels that begin at `left`.
   * @param {number} left
   * @param {number} width
   * @returns {View}
   */
  view(left, width) {
    return new View(this, left, Math.max(1, Math.floor(width)));
  }
}

/** The visible range on pixels. */
export class View {
  constructor(axis, left, width) {
    this.axis = axis;
    this.left = left;
    this.width = width;
    this.perUnit = width / (axis.to - axis.from);
    /** The first event of each column of pixels, and one after the last. */
    this.edges = new Uint32Array(width + 1);
    for (let x = 0; x <= width; x += 1) this.edges[x] = axis.eventAt(axis.from + x / this.perUnit);
    /** What is visible: `first..end`. */
    this.first = this.edges[0];
    this.end = this.edges[width];
  }

  /** Where event `i` is, in pixels. */
  x(i) {
    return this.left + (this.axis.position(i) - this.axis.from) * this.perUnit;
  }

  /** The middle of event `i`: events that are counted have a width. */
  middle(i) {
    return this.x(i) + (this.axis.scale === 'order' ? this.perUnit / 2 : 0);
  }

  /** The column of pixels of an event, within the view. */
  column(i) {
    return clamp(Math.floor((this.axis.position(i) - this.axis.from) * this.perUnit), 0, this.width - 1);
  }

  /** The position on the scale of a place in pixels. */
  at(x) {
    return this.axis.from + (x - this.left) / this.perUnit;
  }

  /** The event nearest to a place in pixels. */
  nearest(x) {
    const { axis } = this;
    if (axis.run.count === 0) return 0;
    const position = this.at(x);
    if (axis.scale === 'order') return clamp(Math.floor(position), 0, axis.run.count - 1);
    const after = clamp(axis.eventAt(position), 0, axis.run.count - 1);
    const before = Math.max(0, after - 1);
    return position - axis.position(before) < axis.position(after) - position ? before : after;
  }
}

/**
 * Round positions for the marks of an axis: so many that they are `apart` pixels from each other.
 * @param {number} from
 * @param {number} to
 * @param {number} most how many at most
 * @returns {number[]}
 */
export function ticks(from, to, most) {
  const rough = (to - from) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-9)));
  const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= rough) ?? rough;
  const marks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) marks.push(at);
  return marks;
}
