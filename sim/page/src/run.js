// A run: the columns of a document as typed arrays, with the events of each kind.

import { lowerBound } from '#page/search.js';

/**
 * @typedef {object} Kind
 * @property {string} name
 * @property {Record<string, ArrayLike<number>>} columns
 * @property {Record<string, 'text'|'number'|'flag'>} types
 * @property {Uint32Array} events which events are of this kind, in order
 */

/** Sums up differences. */
function running(deltas, Type) {
  const sums = new Type(deltas.length);
  let sum = 0;
  for (let i = 0; i < deltas.length; i += 1) {
    sum += deltas[i];
    sums[i] = sum;
  }
  return sums;
}

/** A column of a kind. What is missing is -1, or NaN among numbers. */
function column(values, type) {
  if (type === 'number') return Float64Array.from(values, (v) => (v === null ? NaN : v));
  if (type === 'flag') return Int8Array.from(values, (v) => (v === null ? -1 : Number(v)));
  return Int32Array.from(values, (v) => (v === null ? -1 : v));
}

/** One run, which does not change. */
export class Run {
  /** @param {any} document of the form `blockjob-view`, version 1 */
  constructor(document) {
    this.document = document;
    /** @type {string[]} */
    this.strings = document.strings;
    const { events } = document;
    /** How many events there are. */
    this.count = events.kind.length;
    /** The number of the first one: so many came before it and were not kept. */
    this.first = document.lost ?? 0;
    /** When each happened, in nanoseconds. */
    this.at = running(events.at_ns, Float64Array);
    /** How many decisions had been made when it happened. */
    this.decided = running(events.decisions, Uint32Array);
    this.context = Int32Array.from(events.context, (v) => v ?? -1);
    this.coroutine = Int32Array.from(events.coroutine, (v) => v ?? -1);
    this.kind = Uint16Array.from(events.kind);
    /** The place of each event among those of its kind. */
    this.row = new Uint32Array(this.count);
    this.endNs = Math.max(document.end_ns ?? 0, this.count ? this.at[this.count - 1] : 0);
    this.kinds = this.#readKinds(document.kinds);
    this.byName = new Map(this.kinds.map((kind, number) => [kind.name, number]));
    this.decisionCount = document.decisions?.site?.length ?? 0;
  }

  /** @returns {Kind[]} */
  #readKinds(kinds) {
    const counts = new Uint32Array(kinds.length);
    for (let i = 0; i < this.count; i += 1) {
      this.row[i] = counts[this.kind[i]];
      counts[this.kind[i]] += 1;
    }
    const lists = Array.from(counts, (count) => new Uint32Array(count));
    for (let i = 0; i < this.count; i += 1) lists[this.kind[i]][this.row[i]] = i;
    return kinds.map((kind, number) => ({
      name: kind.name,
      types: kind.types ?? {},
      events: lists[number],
      columns: Object.fromEntries(
        Object.entries(kind.columns ?? {}).map(([field, values]) => [
          field,
          column(values, kind.types?.[field] ?? 'text'),
        ]),
      ),
    }));
  }

  /** The name of the kind of event `i`. */
  kindName(i) {
    return this.kinds[this.kind[i]].name;
  }

  /**
   * The events of a kind, in order; none if the run has no such kind.
   * @param {string} name
   * @returns {Uint32Array}
   */
  ofKind(name) {
    const number = this.byName.get(name);
    return number === undefined ? new Uint32Array(0) : this.kinds[number].events;
  }

  /** The events of several kinds, in order. */
  ofKinds(names) {
    const lists = names.map((name) => this.ofKind(name)).filter((list) => list.length > 0);
    if (lists.length === 1) return lists[0];
    const all = new Uint32Array(lists.reduce((sum, list) => sum + list.length, 0));
    let at = 0;
    for (const list of lists) {
      all.set(list, at);
      at += list.length;
    }
    return all.sort();
  }

  /**
   * A field of event `i`: text, a number or a flag; null if it has no such field.
   * @param {number} i
   * @param {string} field
   * @returns {string|number|boolean|null}
   */
  value(i, field) {
    const kind = this.kinds[this.kind[i]];
    const values = kind.columns[field];
    if (!values) return null;
    const value = values[this.row[i]];
    const type = kind.types[field] ?? 'text';
    if (type === 'number') return Number.isNaN(value) ? null : value;
    if (value < 0) return null;
    return type === 'flag' ? value === 1 : this.strings[value];
  }

  /** A field as a number, 0 if there is none. For hot loops. */
  number(i, field) {
    const values = this.kinds[this.kind[i]].columns[field];
    const value = values ? values[this.row[i]] : 0;
    return Number.isNaN(value) ? 0 : value;
  }

  /** All fields of event `i`, in order, without those that are missing. */
  fields(i) {
    const names = Object.keys(this.kinds[this.kind[i]].columns);
    return names.map((name) => [name, this.value(i, name)]).filter(([, value]) => value !== null);
  }

  /** The number of event `i`, as traces, logs and commands have it: from 0, with those that were not kept. */
  numberOf(i) {
    return this.first + i;
  }

  contextName(i) {
    return this.context[i] < 0 ? '' : this.strings[this.context[i]];
  }

  coroutineName(i) {
    return this.coroutine[i] < 0 ? '' : this.strings[this.coroutine[i]];
  }

  /** The first event after decision `d` was made; the number of events if there is none. */
  eventOfDecision(d) {
    return lowerBound(this.decided, d + 1);
  }

  /** The first event at `ns` or later. */
  eventAt(ns) {
    return lowerBound(this.at, ns);
  }

  /**
   * Decision `d`, or null if the document does not hold it.
   * @returns {{number:number, site:string, what:string, n:number, chosen:number, labels:string[]|null}|null}
   */
  decision(d) {
    const all = this.document.decisions;
    if (d < 0 || d >= this.decisionCount) return null;
    const site = this.document.sites?.[all.site[d]] ?? { name: '?', what: '' };
    const labels = all.labels?.[d] ?? null;
    return {
      number: d,
      site: site.name,
      what: site.what ?? '',
      n: all.n[d],
      chosen: all.chosen[d],
      labels: labels && labels.map((label) => this.strings[label]),
    };
  }
}
