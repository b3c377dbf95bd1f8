// Dirty bytes, bytes in flight and bytes copied: a chart of uPlot that shows the same range as the timeline.

import uPlot from '#page/uplot.js';
import { byId, make } from '#page/dom.js';
import { SIZES } from '#page/layout.js';
import { sample, valueAt } from '#page/series.js';
import { themeOf } from '#page/theme.js';
import { size } from '#page/words.js';

const HEIGHT = 120;

/** Round marks of a scale of bytes, which is counted in powers of two. */
export function byteTicks(low, high) {
  const step = 2 ** Math.ceil(Math.log2(Math.max(1, (high - low) / 4)));
  const marks = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) marks.push(at);
  return marks;
}

export class Chart {
  /** @param {import('#page/app.js').App} app @param {HTMLElement} element */
  constructor(app, element) {
    this.app = app;
    this.element = element;
    this.plot = null;
    this.panel = element.closest('section');
    new ResizeObserver(() => this.plot?.setSize({ width: this.#width(), height: HEIGHT })).observe(element);
    app.store.on(['theme', 'run', 'job'], () => this.#make());
    app.store.on(['range', 'scale'], () => this.#fill());
    app.store.on(['cursor', 'run', 'theme', 'job'], ({ cursor, theme }) => {
      this.plot?.redraw(false);
      this.#legend(cursor, theme);
    });
  }

  #width() {
    return Math.max(320, this.element.clientWidth);
  }

  #make() {
    const { app } = this;
    this.plot?.destroy();
    this.plot = null;
    // Where there is nothing to be drawn there is no empty chart of a mirror.
    this.panel.hidden = app.model.series.length === 0;
    if (this.panel.hidden) return;
    const theme = themeOf(app.store.chosen.theme);
    const { series } = app.model;
    const grid = { stroke: theme.grid, width: 1 };
    this.plot = new uPlot({
      width: this.#width(),
      height: HEIGHT,
      padding: [8, SIZES.right, 8, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: () => [app.axis.from, app.axis.to] }, y: { range: (_, __, high) => [0, Math.max(1, high * 1.05)] } },
      axes: [
        { show: false },
        {
          size: SIZES.label, stroke: theme.quiet, grid, ticks: { show: false },
          splits: (_, __, low, high) => byteTicks(low, high),
          values: (_, splits) => splits.map(size),
        },
      ],
      series: [{}, ...series.map((it) => ({
        label: it.name, stroke: theme.tones[it.tone], width: 1.5, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }),
      }))],
      hooks: { draw: [(plot) => this.#cursor(plot, theme)] },
    }, this.#data(), this.element);
    this.plot.over.addEventListener('click', (event) => {
      app.go(app.axis.view(0, this.plot.over.clientWidth).nearest(event.offsetX), { reveal: false });
    });
  }

  /** The series at as many points as there are pixels. */
  #data() {
    const { axis, model } = this.app;
    const view = axis.view(0, Math.max(50, this.#width() - SIZES.label - SIZES.right));
    const xs = Array.from({ length: view.width }, (_, x) => axis.from + x / view.perUnit);
    return [xs, ...model.series.map((series) => sample(series, view.edges))];
  }

  #fill() {
    this.plot?.setData(this.#data());
  }

  #cursor(plot, theme) {
    const { axis, store } = this.app;
    const position = axis.position(store.chosen.cursor) + (axis.scale === 'order' ? 0.5 : 0);
    if (position < axis.from || position > axis.to) return;
    const x = plot.valToPos(position, 'x', true);
    plot.ctx.fillStyle = theme.accent;
    plot.ctx.fillRect(x - 1, plot.bbox.top, 2, plot.bbox.height);
  }

  /** What the lines are called, and what they say at the cursor. */
  #legend(cursor, name) {
    const theme = themeOf(name);
    const entries = this.app.model.series.map((series) => make('li', null,
      make('i', { style: { background: theme.tones[series.tone] } }), `${series.name} ${size(valueAt(series, cursor))}`));
    byId('legend').replaceChildren(...entries);
  }
}
