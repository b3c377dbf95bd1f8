// What the reader has chosen: where the cursor is, what is visible, what is looked for. Whoever shows a part
// of it is told once a frame what has changed.

/**
 * @typedef {object} Chosen
 * @property {number} cursor the event
 * @property {'order'|'time'} scale
 * @property {string} filter
 * @property {boolean} playing
 * @property {number} speed events a second
 * @property {'light'|'dark'} theme
 * @property {number} range grows each time the visible range changes
 * @property {number} run grows each time another run is shown, or the other one of two is followed
 * @property {string} found what came of looking for something
 * @property {string} gone why a number that was typed leads nowhere
 * @property {string|null} job the job that the reader has chosen
 */

export class Store {
  /** @param {Chosen} chosen */
  constructor(chosen, schedule = (work) => requestAnimationFrame(work)) {
    this.chosen = chosen;
    this.listeners = [];
    this.changed = new Set();
    this.schedule = schedule;
    this.waiting = false;
  }

  /** Calls `tell` after changes of any of `names`, and once now. */
  on(names, tell) {
    this.listeners.push({ names, tell });
    tell(this.chosen);
  }

  /** @param {Partial<Chosen>} news */
  set(news) {
    for (const [name, value] of Object.entries(news)) {
      if (this.chosen[name] === value) continue;
      this.chosen[name] = value;
      this.changed.add(name);
    }
    if (this.changed.size === 0 || this.waiting) return;
    this.waiting = true;
    this.schedule(() => this.flush());
  }

  /** Tells all who wait for what has changed. */
  flush() {
    this.waiting = false;
    const { changed } = this;
    this.changed = new Set();
    for (const { names, tell } of this.listeners) {
      if (names.some((name) => changed.has(name))) tell(this.chosen);
    }
  }
}
