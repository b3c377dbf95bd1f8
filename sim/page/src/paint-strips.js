// Paints a bitmap over time: granules from top to bottom, time from left to right.

/** So many words of bitmap one picture may look at; above it columns are painted coarser. */
const BUDGET = 4_000_000;

/**
 * @param {import('#page/surface.js').Surface} surface
 * @param {import('#page/axis.js').View} view
 * @param {import('#page/bitmaps.js').JobBits} bits
 * @param {import('#page/layout.js').Place} place
 * @param {import('#page/theme.js').Theme} theme
 */
export function paintStrip(surface, view, bits, place, theme) {
  const history = bits[place.bitmap];
  if (!history) {
    surface.text(view.left + 4, place.top + 8, 'This run does not say which granules were dirty.', theme.quiet);
    return;
  }
  surface.rect(view.left, place.top, view.width, place.height, theme.well);
  const rows = Math.min(bits.granules, Math.floor(place.height));
  const wide = Math.max(1, Math.ceil((view.width * history.words) / BUDGET));
  const columns = Math.max(1, Math.floor(view.width / wide));
  const events = new Float64Array(columns);
  for (let x = 0; x < columns; x += 1) {
    // What stands at the end of a column is what its last event has made of it.
    events[x] = view.edges[Math.min(view.width, (x + 1) * wide)] - 1;
  }
  const image = history.image(events, rows);
  surface.cells(view.left, place.top, columns * wide, place.height, image, columns, rows, theme.rgb[place.role]);
}
