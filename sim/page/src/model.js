// All that is known of a run, worked out once.

import { readBitmaps } from '#page/bitmaps.js';
import { readCoroutines } from '#page/coroutines.js';
import { buildLanes } from '#page/lanes.js';
import { layOut } from '#page/layout.js';
import { Run } from '#page/run.js';
import { readSeries } from '#page/series.js';
import { Standings } from '#page/standing.js';
import { pairWakes } from '#page/wakes.js';

/** A run with its indexes. */
export class Model {
  /** @param {any} document */
  constructor(document) {
    this.document = document;
    this.run = new Run(document);
    this.coroutines = readCoroutines(this.run);
    const { lanes, laneOf } = buildLanes(this.run, this.coroutines);
    this.lanes = lanes;
    this.laneOf = laneOf;
    this.wakes = pairWakes(this.run, this.coroutines);
    this.bits = readBitmaps(this.run);
    this.series = readSeries(this.run, this.bits);
    this.standings = new Standings(this.run, this.coroutines);
    const { places, height } = layOut(lanes, this.bits);
    this.places = places;
    this.height = height;
    this.placeOfLane = lanes.map((_, index) =>
      places.find((place) => place.kind === 'lane' && place.index === index));
    this.laneOfActor = this.coroutines.actors.map((actor) => this.#laneOfActor(actor));
    this.main = Math.max(0, lanes.findIndex((lane) => lane.id === 'context main'));
  }

  #laneOfActor({ kind, name }) {
    const turns = this.lanes.findIndex((lane) => lane.id === `turns ${name}`);
    if (kind === 'job' && turns >= 0) return turns;
    return this.lanes.findIndex((lane) => lane.id === `${kind} ${name}`);
  }

  #laneOfCoroutine(who) {
    return who < 0 ? -1 : this.laneOfActor[this.coroutines.actor[who]];
  }

  /** The lane that a wake comes from: of who ran, or of the disk that has just answered, or the context. */
  wakerOf(event) {
    const running = this.coroutines.running[event];
    if (running >= 0) return this.#laneOfCoroutine(running);
    if (event > 0 && this.run.kindName(event - 1) === 'disk-land') return this.laneOf[event - 1];
    return this.laneOf[event];
  }

  /** The lane that a turn belongs to. */
  wokenBy(event) {
    return this.#laneOfCoroutine(this.coroutines.subject[event]);
  }

  /** Where the run went wrong, and where that was seen; null if it did not fail. */
  get failure() {
    return this.document.failure ?? null;
  }

  /** The event to begin at: where it went wrong, or the first. */
  get opening() {
    const { failure } = this;
    const event = failure?.wrong_event ?? failure?.event ?? 0;
    return event >= 0 && event < this.run.count ? event : 0;
  }
}
