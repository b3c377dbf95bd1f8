// Paints slices and marks. Where many fall on one pixel a density is painted in their place, so that the
// number of things that are painted depends on the width of the window and not on the length of the run.

import { firstAtOrAfter, lowerBound } from '#page/search.js';
import { TONES } from '#page/slices.js';
import { textWidth } from '#page/surface.js';

/** The end of the slices of a row is in order, like the beginning: they stand side by side. */
function firstEndingAfter(row, event) {
  return lowerBound(row.end, event + 1);
}

/**
 * @param {import('#page/surface.js').Surface} surface
 * @param {import('#page/axis.js').View} view
 * @param {import('#page/slices.js').Row} row
 * @param {string[]|null} labels null for shadows without names
 * @param {number} top
 * @param {number} height
 * @param {import('#page/theme.js').Theme} theme
 * @param {number} [alpha]
 */
export function paintRow(surface, view, row, labels, top, height, theme, alpha = 1) {
  const right = view.left + view.width;
  let at = firstEndingAfter(row, Math.max(0, view.first - 1));
  // In time, slices of no length may end at the first visible event.
  if (view.axis.scale === 'time' && at > 0) at -= 1;
  while (at < row.start.length && row.start[at] <= view.end) {
    const x = view.x(row.start[at]);
    if (x > right) break;
    const wide = view.x(row.end[at]) - x;
    if (wide >= 1.5) {
      paintSlice(surface, view, row, at, labels, x, wide, top, height, theme, alpha);
      at += 1;
      continue;
    }
    const column = view.column(row.start[at]);
    const after = lowerBound(row.start, view.edges[column + 1], at + 1);
    const next = Math.max(at + 1, after);
    const tone = theme.tones[TONES[row.tone[at]]];
    const weight = Math.min(1, 0.45 + 0.12 * Math.log2(next - at));
    if (x >= view.left - 1) surface.rect(view.left + column, top, 1.2, height, tone, alpha * weight);
    at = next;
  }
}

function paintSlice(surface, view, row, at, labels, x, wide, top, height, theme, alpha) {
  const left = Math.max(x, view.left - 2);
  const end = Math.min(x + wide, view.left + view.width + 2);
  const tone = TONES[row.tone[at]];
  const gap = wide > 4 ? 1 : 0;
  surface.rect(left, top, Math.max(1, end - left - gap), height, theme.tones[tone], alpha * (tone === 'drain' ? 0.45 : 1));
  if (!labels || end - left < 24) return;
  const text = labels[row.label[at]];
  const room = end - left - 8;
  const shown = textWidth(text, 10) <= room ? text : text.slice(0, Math.floor(room / 5.8) - 1);
  if (shown.length < Math.min(3, text.length)) return;
  const dots = shown === text ? text : `${shown}…`;
  surface.text(left + 4, top + height / 2 + 0.5, dots, tone === 'drain' ? theme.text : theme.on[tone], { size: 10 });
}

/** How a mark of a kind looks: its tone, and whether it says its name where there is room. */
const LOOKS = {
  'mirror-step': ['step', 'step'],
  'job-pause-point': ['paused', null],
  'job-sleep': ['standby', null],
  'job-yield': ['standby', null],
  'mirror-yield': ['standby', null],
  'mirror-before-sleep': ['standby', null],
  'mirror-before-flush': ['flush', null],
  timer: ['wake', 'name'],
  'bottom-half': ['mark', 'name'],
  'event-source': ['guest', 'name'],
  note: ['guest', 'text'],
};

/** What kind of mark an event is, for the legend and the painter. */
export function lookOf(kind) {
  return LOOKS[kind] ?? ['mark', null];
}

/**
 * Paints the marks of a lane in the room above its rows.
 * @param {import('#page/surface.js').Surface} surface
 * @param {import('#page/axis.js').View} view
 * @param {import('#page/lanes.js').Lane} lane
 */
export function paintMarks(surface, view, lane, top, height, theme) {
  const { run } = view.axis;
  const { marks } = lane;
  let at = lowerBound(marks, view.first);
  const end = lowerBound(marks, view.end + (view.axis.scale === 'order' ? 0 : 1));
  let free = -Infinity;
  while (at < end) {
    const column = view.column(marks[at]);
    const next = Math.max(at + 1, lowerBound(marks, view.edges[column + 1], at + 1));
    const [tone, field] = lookOf(run.kindName(marks[at]));
    const colour = theme.tones[tone];
    const many = next - at;
    const x = many > 1 && view.axis.scale === 'order' ? view.left + column : view.middle(marks[at]);
    surface.rect(x - 0.75, top + (many > 2 ? 0 : 2), 1.5, height - (many > 2 ? 0 : 2), colour, Math.min(1, 0.6 + many * 0.1));
    if (field && many === 1 && x > free) free = nameMark(surface, view, lane, at, x, top, height, field, theme, free);
    at = next;
  }
}

/** Writes the name of a mark beside it, if the next one is far enough away. Returns where there is room again. */
function nameMark(surface, view, lane, at, x, top, height, field, theme, free) {
  const text = String(view.axis.run.value(lane.marks[at], field) ?? '');
  const wide = textWidth(text, 10) + 5;
  const next = at + 1 < lane.marks.length ? view.middle(lane.marks[at + 1]) : Infinity;
  // The nearest landmarks are the last one before it and the first one after it.
  const after = firstAtOrAfter(lane.landmarks, lane.marks[at]);
  const landmark = [after - 1, after].some((nth) => lane.landmarks[nth] && Math.abs(view.x(lane.landmarks[nth].event) - x) < wide + 10);
  if (next - x < wide || landmark) return free;
  surface.text(x + 3, top + height / 2, text, theme.quiet, { size: 10 });
  return x + wide;
}
