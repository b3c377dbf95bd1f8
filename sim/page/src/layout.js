// Where the lanes and the strips stand, from top to bottom.

/** How high things are, in pixels. */
export const SIZES = { axis: 36, row: 13, gap: 7, marks: 12, strip: 46, label: 132, right: 10 };

/** So many jobs have strips at most. */
export const MOST_STRIPS = 4;

/**
 * @typedef {object} Place
 * @property {'lane'|'strip'} kind
 * @property {string} label
 * @property {string} role
 * @property {number} top
 * @property {number} height
 * @property {number} index of the lane, or of the bitmaps of a job
 * @property {'dirty'|'flight'} [bitmap]
 */

/**
 * @param {import('#page/lanes.js').Lane[]} lanes
 * @param {import('#page/bitmaps.js').JobBits[]} bits of all jobs
 * @param {import('#page/bitmaps.js').JobBits[]} shown of those that have strips
 * @returns {{places: Place[], height: number}}
 */
export function layOut(lanes, bits, shown = stripsOf(bits, null)) {
  const places = [];
  let top = SIZES.axis + 4;
  const add = (place, height) => {
    places.push({ ...place, top, height });
    top += height + SIZES.gap;
  };
  lanes.forEach((lane, index) => {
    const marks = hasMarks(lane) ? SIZES.marks : 0;
    const height = Math.max(marks + lane.rows.length * SIZES.row, SIZES.row);
    add({ kind: 'lane', label: lane.label, role: lane.role, index }, height);
  });
  shown.forEach((it) => {
    const index = bits.indexOf(it);
    const of = bits.length > 1 ? `${it.job}: ` : '';
    add({ kind: 'strip', label: `${of}dirty`, role: 'write', index, bitmap: 'dirty' }, it.dirty ? SIZES.strip : 16);
    add({ kind: 'strip', label: `${of}in flight`, role: 'copy', index, bitmap: 'flight' }, SIZES.strip);
  });
  return { places, height: top + 2 };
}

/**
 * Whose strips are shown: the first ones, and those of the job that the reader has chosen.
 * @param {import('#page/bitmaps.js').JobBits[]} bits
 * @param {string|null} job
 */
export function stripsOf(bits, job) {
  const shown = bits.slice(0, MOST_STRIPS);
  const chosen = bits.find((it) => it.job === job);
  if (chosen && !shown.includes(chosen)) shown[MOST_STRIPS - 1] = chosen;
  return shown;
}

/** Whether a lane needs room for marks above its rows. */
export function hasMarks(lane) {
  return lane.marks.length > 0 || lane.landmarks.length > 0;
}

/** The top of a row of slices in a lane. */
export function rowTop(place, lane, row) {
  return place.top + (hasMarks(lane) ? SIZES.marks : 0) + row * SIZES.row;
}

/** The place at a height, or null. */
export function placeAt(places, y) {
  return places.find((place) => y >= place.top - 3 && y <= place.top + place.height + 3) ?? null;
}
