// The page as a whole: the run that is shown, the one beside it, the cursor and the visible range.

import { Axis } from '#page/axis.js';
import { Model } from '#page/model.js';
import { Store } from '#page/store.js';
import { counterpart, firstDifference } from '#page/difference.js';
import { destination } from '#page/goto.js';
import { clamp } from '#page/search.js';
import { byDecision, byEvent, byStep, seek } from '#page/step.js';

/** One looks for something so long at once, in milliseconds; then what has happened meanwhile is done. */
const SEARCH_MS = 12;

/** What one can ask the page to do; buttons and keys name these. */
export class App {
  /**
   * @param {any} document
   * @param {{theme:'light'|'dark', schedule?:(work:() => void) => void}} options
   */
  constructor(document, { theme, schedule }) {
    this.model = new Model(document);
    /** @type {Model|null} */
    this.against = null;
    /** @type {{event_a:number, event_b:number, decision:number|null}|null} */
    this.difference = null;
    /** Whether the run that the panels are about, which is `model`, stands below the other one. */
    this.flipped = false;
    /** What looks for something, as long as it does. */
    this.search = null;
    this.axis = new Axis(this.model.run, 'order');
    this.store = new Store({
      cursor: this.model.opening, scale: 'order', filter: '', playing: false, speed: 8, theme, range: 0, run: 0, found: '', gone: '', job: null,
    }, schedule);
    this.#begin();
  }

  /** A long run begins with a part of it that can be read, around where the cursor is. */
  #begin() {
    const { run } = this.model;
    if (this.model.failure && run.count > 400) {
      const { cursor } = this.store.chosen;
      this.axis.show(cursor - 140, cursor + 140);
    }
  }

  /** Shows another run. What was shown stays beside it if `keep`. */
  show(document, { keep = false, against = null, difference = null, at = null } = {}) {
    const before = this.model;
    this.flipped = false;
    this.model = new Model(document);
    this.#beside(keep ? before : against && new Model(against), difference);
    const opening = this.difference && keep ? this.difference.event_a : this.model.opening;
    this.store.set({ cursor: this.#within(at ?? opening), playing: false, job: null, gone: '', run: this.store.chosen.run + 1 });
    this.axis.reveal(this.store.chosen.cursor);
    this.#ranged();
  }

  /** Puts another run beside the one that is shown, or none. */
  setAgainst(document, difference = null) {
    this.flipped = false;
    this.#beside(document && new Model(document), difference);
    this.store.set({ run: this.store.chosen.run + 1 });
    this.#ranged();
  }

  /** @param {Model|null} other */
  #beside(other, difference) {
    this.against = other;
    // A difference without an event says that one of the runs is over: then the events are compared here.
    const known = typeof difference?.event_a === 'number' && typeof difference?.event_b === 'number';
    this.difference = other ? (known ? difference : firstDifference(this.model.run, other.run)) : null;
    const runs = [this.model.run, ...(other ? [other.run] : [])];
    this.extent = {
      count: Math.max(...runs.map((run) => run.count)),
      endNs: Math.max(...runs.map((run) => run.endNs)),
    };
    const { from, to, scale } = this.axis;
    this.axis = new Axis(this.model.run, scale, this.extent);
    this.axis.show(from, to);
  }

  /** The two runs change places; the panels are about the one that comes to the place that they are about. */
  swap() {
    if (this.against) this.#exchange(this.besideCursor());
  }

  /**
   * The panels, stepping and going are about the other run from now on, which stays where it is.
   * @param {number} [event] of the other run; if there is none the one beside the cursor
   */
  other(event = this.against ? this.besideCursor() : 0) {
    if (!this.against) return;
    this.flipped = !this.flipped;
    this.#exchange(event);
  }

  /** The panels are about the run at this place. @param {'above'|'below'} place */
  follow(place) {
    if (place !== this.followed) this.other();
  }

  /** Where the run stands that the panels are about. @returns {'above'|'below'} */
  get followed() {
    return this.flipped ? 'below' : 'above';
  }

  /** Leaves only the run above. */
  alone() {
    this.follow('above');
    this.setAgainst(null);
  }

  /** The event of the run beside this one that stands beside the cursor. */
  besideCursor() {
    return counterpart(this.model.run, this.against.run, this.difference, this.store.chosen.cursor);
  }

  #exchange(cursor) {
    const { difference, model } = this;
    model.arrange(null);
    const back = difference && { ...difference, event_a: difference.event_b, event_b: difference.event_a };
    this.model = this.against;
    this.#beside(model, back);
    this.store.set({ cursor: this.#within(cursor), job: null, gone: '', run: this.store.chosen.run + 1 });
    const position = this.axis.position(this.store.chosen.cursor);
    if (position < this.axis.from || position > this.axis.to) this.axis.reveal(this.store.chosen.cursor);
    this.#ranged();
  }

  /** The scale of the run beside, which shows the same range. */
  besideAxis() {
    const axis = new Axis(this.against.run, this.axis.scale, this.extent);
    [axis.from, axis.to] = [this.axis.from, this.axis.to];
    return axis;
  }

  #within(event) {
    return clamp(event, 0, Math.max(0, this.model.run.count - 1));
  }

  #ranged() {
    this.store.set({ range: this.store.chosen.range + 1 });
  }

  /** Moves the cursor to an event, and the view after it. */
  go(event, { reveal = true } = {}) {
    if (this.search) this.#stopSearch();
    this.store.set({ cursor: this.#within(event) });
    if (reveal && this.axis.reveal(this.store.chosen.cursor)) this.#ranged();
  }

  #stopSearch() {
    this.search = null;
    if (this.store.chosen.found === 'looking…') this.store.set({ found: '' });
  }

  /** Changes what is visible. @param {(axis: Axis) => void} change */
  move(change) {
    change(this.axis);
    this.#ranged();
  }

  /** Changes the scale. */
  rescale(scale) {
    this.axis.rescale(scale);
    this.store.set({ scale });
    this.#ranged();
  }

  /** Does what a button or a key is called after. Returns whether there is such a thing. */
  act(name) {
    const action = this.#actions()[name];
    action?.();
    return action !== undefined;
  }

  #actions() {
    const { cursor, scale, filter, playing } = this.store.chosen;
    const { run } = this.model;
    const zoom = (factor) => () => this.move((axis) => axis.zoom(factor, this.#centre()));
    return {
      'event-on': () => this.go(byEvent(run, cursor, 1)),
      'event-back': () => this.go(byEvent(run, cursor, -1)),
      'decision-on': () => this.go(byDecision(run, cursor, 1)),
      'decision-back': () => this.go(byDecision(run, cursor, -1)),
      'step-on': () => this.go(byStep(run, cursor, 1)),
      'step-back': () => this.go(byStep(run, cursor, -1)),
      'find-on': () => this.find(filter, 1),
      'find-back': () => this.find(filter, -1),
      first: () => this.go(0),
      last: () => this.go(run.count - 1),
      wrong: () => this.model.failure && this.go(this.model.opening),
      difference: () => this.difference && this.go(this.difference.event_a),
      other: () => this.other(),
      play: () => this.store.set({ playing: !playing }),
      'zoom-in': zoom(0.5),
      'zoom-out': zoom(2),
      fit: () => this.move((axis) => axis.show(...axis.limits())),
      'pan-back': () => this.move((axis) => axis.pan(-0.5)),
      'pan-on': () => this.move((axis) => axis.pan(0.5)),
      scale: () => this.rescale(scale === 'order' ? 'time' : 'order'),
      theme: () => this.store.set({ theme: this.store.chosen.theme === 'dark' ? 'light' : 'dark' }),
    };
  }

  /** What keeps its place when one zooms: the cursor if it is visible, else the middle. */
  #centre() {
    const { axis } = this;
    const position = axis.position(this.store.chosen.cursor);
    return position >= axis.from && position <= axis.to ? position : (axis.from + axis.to) / 2;
  }

  /** Goes where a number leads that the reader has typed; says why if it leads nowhere. */
  goTo(text) {
    const { event, wrong } = text.trim() ? destination(this.model.run, text) : { event: null, wrong: null };
    this.store.set({ gone: wrong ?? '' });
    if (event !== null) this.go(event);
  }

  /** The panels and strips are about a job; about that of the cursor, if it is null. @param {string|null} job */
  choose(job) {
    this.model.arrange(job);
    this.store.set({ job });
  }

  /** Goes to the next event that fits; says so if there is none. */
  find(text, direction) {
    const search = seek(this.model.run, this.store.chosen.cursor, direction, text);
    this.search = search;
    const look = () => {
      // Whoever has gone elsewhere meanwhile does not wait for it any more.
      if (this.search !== search) return;
      const found = search(SEARCH_MS);
      if (found === null) {
        this.store.set({ found: 'looking…' });
        setTimeout(look);
        return;
      }
      this.store.set({ found: text.trim() && found < 0 ? (direction > 0 ? 'none after this' : 'none before this') : '' });
      if (found >= 0) this.go(found);
    };
    look();
  }
}
