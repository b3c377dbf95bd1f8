// Paints the timeline: axis, lanes, drained sections, wakes, strips, cursor. Only what is visible.

import { SIZES, hasMarks, rowTop } from '#page/layout.js';
import { paintMarks, paintRow } from '#page/paint-rows.js';
import { paintWakes } from '#page/paint-wakes.js';
import { paintStrip } from '#page/paint-strips.js';
import { firstAtOrAfter } from '#page/search.js';
import { ticks } from '#page/axis.js';
import { grouped, time } from '#page/words.js';

/**
 * @typedef {object} Scene
 * @property {import('#page/model.js').Model} model
 * @property {import('#page/axis.js').Axis} axis
 * @property {number} width
 * @property {number} height
 * @property {number} cursor
 * @property {number|null} wrong the event where it went wrong
 * @property {number|null} difference the first that differs from the run beside this one
 * @property {import('#page/theme.js').Theme} theme
 */

/**
 * @param {import('#page/surface.js').Surface} surface
 * @param {Scene} scene
 * @returns {import('#page/axis.js').View} what is where
 */
export function paint(surface, scene) {
  const view = paintGround(surface, scene);
  paintCursor(surface, view, scene);
  return view;
}

/** All but the cursor and what is marked beside it: that stays while one steps. Returns what is where. */
export function paintGround(surface, scene) {
  const { model, axis, width, height, theme } = scene;
  const view = axis.view(SIZES.label, width - SIZES.label - SIZES.right);
  surface.rect(0, 0, width, height, theme.panel);
  paintAxis(surface, view, scene);
  paintLabels(surface, scene);
  surface.clip(view.left, 0, view.width, height, () => {
    paintHolds(surface, view, scene);
    for (const place of model.places) {
      if (place.kind === 'lane') paintLane(surface, view, model.lanes[place.index], place, theme);
      else paintStrip(surface, view, model.bits[place.index], place, theme);
    }
    paintWakes(surface, view, model, theme);
    for (const place of model.places) {
      if (place.kind === 'lane') paintLandmarks(surface, view, model.lanes[place.index], place, theme);
    }
  });
  return view;
}

function paintLane(surface, view, lane, place, theme) {
  lane.rows.forEach((row, number) => {
    paintRow(surface, view, row, lane.labels, rowTop(place, lane, number), SIZES.row - 2, theme);
  });
  if (hasMarks(lane)) paintMarks(surface, view, lane, place.top, SIZES.marks - 2, theme);
}

function paintAxis(surface, view, { model, axis, width, height, theme }) {
  const name = axis.scale === 'order' ? 'event' : 'time';
  surface.text(SIZES.label - 10, 11, name, theme.quiet, { anchor: 'end' });
  for (const at of ticks(axis.from, axis.to, Math.floor(view.width / 110))) {
    const x = view.left + (at - axis.from) * view.perUnit;
    const text = axis.scale === 'order' ? grouped(model.run.first + Math.round(at)) : time(at);
    surface.line(x, SIZES.axis - 14, x, height, theme.grid);
    if (x + 3 + text.length * 6.5 < width) surface.text(x + 3, 11, text, theme.quiet);
  }
}

function paintLabels(surface, { model, theme, width }) {
  surface.clip(0, 0, SIZES.label - 6, model.height, () => {
    for (const place of model.places) {
      const y = place.top + Math.min(place.height, 14) / 2;
      surface.rect(6, place.top, 3, place.height, theme.tones[place.role]);
      surface.text(15, y, place.label, theme.text);
      if (place.kind === 'strip') {
        const bits = model.bits[place.index];
        if (place.height > 30) surface.text(15, y + 14, bits.granules === 1 ? '1 granule' : `${grouped(bits.granules)} granules`, theme.quiet, { size: 10 });
      }
    }
  });
  for (const place of model.places) {
    const y = place.top + place.height + SIZES.gap / 2;
    surface.line(0, y, width, y, theme.grid);
  }
}

/** Drained sections, as shadows over the lanes of those who must be silent: guests and the disks. */
function paintHolds(surface, view, { model, theme }) {
  const covered = model.places.filter((place) => ['guest', 'source'].includes(place.role));
  const sections = model.lanes.find((lane) => lane.id === 'sections');
  if (!sections || covered.length === 0) return;
  const [top] = covered.map((place) => place.top);
  const last = covered[covered.length - 1];
  for (const row of sections.rows) {
    paintRow(surface, view, row, null, top - 2, last.top + last.height - top + 4, theme, 0.1);
  }
}

/** The few marks that are drawn however far away one is, with their names where there is room. */
function paintLandmarks(surface, view, lane, place, theme) {
  let free = -Infinity;
  const { landmarks } = lane;
  for (let at = firstAtOrAfter(landmarks, view.first); at < landmarks.length && landmarks[at].event <= view.end; at += 1) {
    const { event, text, tone } = landmarks[at];
    const x = view.middle(event);
    const colour = theme.tones[tone];
    const y = place.top + 5;
    if (x < free - 1) continue;
    surface.shape([[x, y - 5], [x + 4, y], [x, y + 5], [x - 4, y]], colour, theme.panel);
    const wide = text.length * 6.2 + 12;
    if (x > free && hasRoom(view, landmarks[firstAtOrAfter(landmarks, event + 1)], event, wide)) {
      // At the right edge the name stands before its mark.
      const left = x + wide > view.left + view.width ? x - wide - 2 : x;
      if (left + 6 < free) continue;
      surface.rect(left + 6, y - 6, wide - 6, 12, theme.panel, 0.85);
      surface.text(left + 8, y, text, theme.text, { size: 10 });
      free = x + wide;
    } else {
      free = Math.max(free, x + 3);
    }
  }
}

/** Whether the next landmark is far enough away for the name of this one. */
function hasRoom(view, next, event, wide) {
  return !next || view.x(next.event) - view.x(event) > wide;
}

/** The cursor, and where it went wrong and the runs part. */
export function paintCursor(surface, view, { cursor, wrong, difference, height, theme, model }) {
  const upright = (event, colour, text, width, dash) => {
    if (event === null || event < 0 || event < view.first - 1 || event > view.end) return;
    const x = Math.round(view.middle(event)) + 0.5;
    surface.line(x, SIZES.axis - 15, x, height, colour, width, dash);
    if (!text) return;
    const wide = text.length * 6 + 10;
    // Room for the head of the cursor, which may be at the same event; at the right edge the name stands before its line.
    const beside = x + 8 + wide <= view.left + view.width ? x + 8 : x - 8 - wide;
    const left = Math.max(view.left, beside);
    surface.rect(left, SIZES.axis - 16, wide, 14, colour);
    surface.text(left + 5, SIZES.axis - 9, text, theme.panel, { size: 10, bold: true });
  };
  upright(model.run.count ? cursor : null, theme.accent, null, 2, []);
  // Above the cursor, which begins at one of them.
  upright(difference, theme.tones.landmark, 'first difference', 1.5, [5, 3]);
  upright(wrong, theme.tones.failed, 'here it went wrong', 1.5, [3, 3]);
  const x = view.middle(cursor);
  if (x >= view.left && x <= view.left + view.width) {
    surface.shape([[x - 6, SIZES.axis - 17], [x + 6, SIZES.axis - 17], [x, SIZES.axis - 8]], theme.accent);
  }
}
