// What is under the pointer, in words.

import { firstAtOrAfter, lowerBound } from '#page/search.js';
import { placeAt, rowTop, SIZES } from '#page/layout.js';
import { eventName, grouped, line, size, time } from '#page/words.js';

/**
 * @param {import('#page/model.js').Model} model
 * @param {import('#page/axis.js').View} view
 * @param {number} x
 * @param {number} y
 * @returns {{text:string, event:number}|null}
 */
export function pick(model, view, x, y) {
  const place = placeAt(model.places, y);
  if (!place || x < view.left || model.run.count === 0) return null;
  const event = view.nearest(x);
  if (place.kind === 'strip') return pickGranule(model, place, event, y);
  const lane = model.lanes[place.index];
  const mark = nearestMark(view, lane, x);
  if (mark >= 0 && y < place.top + SIZES.marks) return { text: describe(model.run, mark), event: mark };
  const slice = pickSlice(model, view, place, lane, x, y);
  return slice ?? (mark >= 0 ? { text: describe(model.run, mark), event: mark } : { text: describe(model.run, event), event });
}

function describe(run, event) {
  return `event ${eventName(run, event)} at ${time(run.at[event])}: ${line(run, event)}`;
}

/** The mark or landmark within a few pixels, -1 if there is none. */
function nearestMark(view, lane, x) {
  let best = -1;
  let distance = 6;
  const consider = (event) => {
    const away = Math.abs(view.middle(event) - x);
    if (away < distance) [best, distance] = [event, away];
  };
  const from = lowerBound(lane.marks, view.edges[Math.max(0, Math.floor(x - view.left - 6))] ?? 0);
  for (let at = from; at < Math.min(lane.marks.length, from + 40); at += 1) consider(lane.marks[at]);
  const after = firstAtOrAfter(lane.landmarks, view.nearest(x));
  for (const landmark of lane.landmarks.slice(Math.max(0, after - 2), after + 2)) consider(landmark.event);
  return best;
}

function pickSlice(model, view, place, lane, x, y) {
  const number = lane.rows.findIndex((_, row) => {
    const top = rowTop(place, lane, row);
    return y >= top && y < top + SIZES.row;
  });
  if (number < 0) return null;
  const row = lane.rows[number];
  const { run } = model;
  const at = lowerBound(row.end, view.axis.eventAt(view.at(x - 1)));
  if (at >= row.start.length || view.x(row.start[at]) > x + 2) return null;
  const [start, end] = [row.start[at], Math.min(row.end[at], run.count - 1)];
  const took = row.end[at] >= run.count ? 'until the end' : `for ${time(run.at[end] - run.at[start])}`;
  const text = `${lane.label}: ${lane.labels[row.label[at]]}, ${took}, events ${eventName(run, start)} to ${eventName(run, end)}. ${line(run, start)}`;
  return { text, event: start };
}

function pickGranule(model, place, event, y) {
  const bits = model.bits[place.index];
  const history = bits[place.bitmap];
  if (!history) return null;
  const share = Math.min(0.9999, Math.max(0, (y - place.top) / place.height));
  const granule = Math.floor(share * bits.granules);
  const words = history.at(event);
  const on = (words[granule >>> 5] >>> (granule & 31)) & 1;
  const name = place.bitmap === 'dirty' ? ['clean', 'dirty'] : ['not in flight', 'in flight'];
  const set = history.onesAt(event);
  return {
    event,
    text: `granule ${grouped(granule)} at ${size(granule * bits.granularity)} is ${name[on]}; ${grouped(set)} of ${grouped(bits.granules)} are ${name[1]}`,
  };
}
