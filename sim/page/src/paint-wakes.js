// Paints who woke whom, as arrows from lane to lane, if so few are visible that they can be told apart.

import { lowerBound } from '#page/search.js';

/** Above this many arrows one sees nothing but arrows. */
export const MOST_ARROWS = 160;

/**
 * The wakes that are visible, or null if they are too many.
 * @param {import('#page/axis.js').View} view
 * @param {import('#page/wakes.js').Wakes} wakes
 * @returns {{from:number, to:number}[]|null}
 */
export function visibleWakes(view, wakes) {
  const first = lowerBound(wakes.from, view.first);
  const end = lowerBound(wakes.from, view.end);
  if (end - first > MOST_ARROWS) return null;
  const visible = [];
  for (let at = first; at < end; at += 1) visible.push({ from: wakes.from[at], to: wakes.to[at] });
  return visible;
}

/**
 * @param {import('#page/surface.js').Surface} surface
 * @param {import('#page/axis.js').View} view
 * @param {import('#page/model.js').Model} model
 * @param {import('#page/theme.js').Theme} theme
 */
export function paintWakes(surface, view, model, theme) {
  for (const { from, to } of visibleWakes(view, model.wakes) ?? []) {
    if (to >= model.run.count) {
      // Woken, and never seen to run: the arrow ends in the air.
      const y = heightOf(model, model.wakerOf(from));
      surface.line(view.middle(from), y, view.middle(from) + 10, y + 8, theme.tones.failed, 1.2, [2, 2]);
      continue;
    }
    const [x1, x2] = [view.middle(from), view.x(to)];
    const y1 = heightOf(model, model.wakerOf(from));
    const y2 = heightOf(model, model.wokenBy(to));
    surface.arrow(x1, y1, x2, y2, theme.tones.wake);
  }
}

/** Where arrows of a lane begin and end. */
function heightOf(model, lane) {
  const place = model.placeOfLane[lane] ?? model.places[0];
  if (!place) return 0;
  return place.top + place.height - Math.min(6, place.height / 2);
}
