// All that is known of a run, worked out once.

import { readBitmaps } from '#page/bitmaps.js';
import { readCoroutines } from '#page/coroutines.js';
import { buildLanes } from '#page/lanes.js';
import { layOut, stripsOf } from '#page/layout.js';
import { Run } from '#page/run.js';
import { readSeries } from '#page/series.js';
import { Standings } from '#page/standing.js';
import { pairWakes } from '#page/wakes.js';

/**
 * The jobs that something happens to, those first that the document knows. A document may know of others: what was
 * told of a mirror stands in it though the run made none.
 * @param {Run} run
 * @returns {string[]}
 */
function jobsOf(run) {
  const named = new Set();
  for (const kind of run.kinds) {
    if (kind.types.job !== 'text') continue;
    for (const text of new Set(kind.columns.job ?? [])) if (text >= 0) named.add(run.strings[text]);
  }
  const known = (run.document.jobs ?? []).map((job) => job.name);
  // Of a run that was cut off what came before may be all that there was of a job.
  if (run.first > 0) return [...new Set([...known, ...named])];
  return [...known.filter((name) => named.has(name)), ...[...named].filter((name) => !known.includes(name))];
}

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
    this.jobs = jobsOf(this.run);
    this.standings = new Standings(this.run, this.coroutines);
    this.arrange(null);
    this.laneOfActor = this.coroutines.actors.map((actor) => this.#laneOfActor(actor));
    this.main = Math.max(0, lanes.findIndex((lane) => lane.id === 'context main'));
  }

  /**
   * Lays the lanes and strips out, with those of a job among them.
   * @param {string|null} job
   */
  arrange(job) {
    this.strips = stripsOf(this.bits, job);
    const { places, height } = layOut(this.lanes, this.bits, this.strips);
    this.places = places;
    this.height = height;
    this.placeOfLane = this.lanes.map((_, index) =>
      places.find((place) => place.kind === 'lane' && place.index === index));
    this.series = readSeries(this.run, this.bits, this.charted(job));
  }

  /** The job that the chart is about if the reader has chosen this one. @param {string|null} job */
  charted(job) {
    return (this.bits.find((it) => it.job === job) ?? this.bits[0])?.job;
  }

  /**
   * The events of steps of the job that the reader has chosen; of all jobs if none is.
   * @param {string|null} job
   * @returns {ArrayLike<number>}
   */
  stepsOf(job) {
    const all = this.run.ofKind('mirror-step');
    if (job === null) return all;
    if (this.chosenSteps?.job !== job) this.chosenSteps = { job, steps: all.filter((i) => this.run.value(i, 'job') === job) };
    return this.chosenSteps.steps;
  }

  /** Whether the run is one of a mirror, which takes steps. */
  get hasSteps() {
    return this.run.ofKind('mirror-step').length > 0;
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
