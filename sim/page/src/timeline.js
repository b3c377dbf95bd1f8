// The timeline on the screen: a canvas for each run, the pointer, and what hangs beside the pointer.

import { CanvasSurface } from '#page/surface.js';
import { counterpart } from '#page/difference.js';
import { make } from '#page/dom.js';
import { paint } from '#page/paint.js';
import { pick } from '#page/pick.js';
import { themeOf } from '#page/theme.js';

/** One run on one canvas. */
class Picture {
  constructor(parent, name) {
    this.canvas = make('canvas', { 'aria-hidden': 'true', class: name });
    parent.append(this.canvas);
    this.view = null;
    this.items = 0;
  }

  /** @param {import('#page/paint.js').Scene} scene */
  paint(scene) {
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    const { width, height } = scene;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    const context = this.canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const surface = new CanvasSurface(context);
    this.view = paint(surface, scene);
    this.items = surface.items;
  }
}

/** The timeline. */
export class Timeline {
  /**
   * @param {import('#page/app.js').App} app
   * @param {HTMLElement} element
   * @param {HTMLElement} tip
   */
  constructor(app, element, tip) {
    this.app = app;
    this.element = element;
    this.tip = tip;
    this.picture = new Picture(element, 'this');
    this.beside = null;
    this.pointers = new Map();
    this.#listen();
    new ResizeObserver(() => this.paint()).observe(element);
    app.store.on(['cursor', 'range', 'scale', 'theme', 'run'], () => this.paint());
  }

  /** What is to be painted of a run. */
  scene(model, axis, cursor, width) {
    const { app } = this;
    const own = model === app.model;
    const difference = app.difference ? app.difference[own ? 'event_a' : 'event_b'] : null;
    const wrong = model.failure ? (model.failure.wrong_event ?? null) : null;
    return { model, axis, cursor, width, height: model.height, wrong, difference, theme: themeOf(app.store.chosen.theme) };
  }

  paint() {
    const { app } = this;
    const width = Math.max(320, this.element.clientWidth);
    const { cursor } = app.store.chosen;
    const began = performance.now();
    this.picture.paint(this.scene(app.model, app.axis, cursor, width));
    if (app.against) {
      this.beside ??= new Picture(this.element, 'beside');
      const other = counterpart(app.model.run, app.against.run, app.difference, cursor);
      this.beside.paint(this.scene(app.against, app.besideAxis(), other, width));
    } else if (this.beside) {
      this.beside.canvas.remove();
      this.beside = null;
    }
    this.lastMs = performance.now() - began;
    // For tests and for the benchmark: how much was painted, of how much there is.
    this.element.dataset.items = String(this.picture.items + (this.beside?.items ?? 0));
    this.element.dataset.paints = String(Number(this.element.dataset.paints ?? 0) + 1);
  }

  #place(event) {
    const box = this.element.getBoundingClientRect();
    const y = event.clientY - box.top + this.element.scrollTop;
    const below = this.beside && y > this.app.model.height;
    return {
      x: event.clientX - box.left,
      y: below ? y - this.app.model.height : y,
      picture: below ? this.beside : this.picture,
      model: below ? this.app.against : this.app.model,
    };
  }

  #listen() {
    const { element } = this;
    element.addEventListener('wheel', (event) => this.#wheel(event), { passive: false });
    element.addEventListener('pointerdown', (event) => this.#down(event));
    element.addEventListener('pointermove', (event) => this.#move(event));
    element.addEventListener('pointerup', (event) => this.#up(event));
    element.addEventListener('pointercancel', (event) => this.pointers.delete(event.pointerId));
    element.addEventListener('pointerleave', () => this.#hideTip());
  }

  #wheel(event) {
    event.preventDefault();
    const { app } = this;
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      app.move((axis) => axis.pan(sideways / this.picture.view.width));
      return;
    }
    const factor = Math.exp(event.deltaY * (event.ctrlKey ? 0.01 : 0.002));
    const at = this.picture.view.at(this.#place(event).x);
    app.move((axis) => axis.zoom(factor, at));
  }

  #down(event) {
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, start: event.clientX, moved: false });
  }

  #move(event) {
    const held = this.pointers.get(event.pointerId);
    if (!held) {
      this.#showTip(event);
      return;
    }
    this.#hideTip();
    if (Math.abs(event.clientX - held.start) > 4) held.moved = true;
    const { view } = this.picture;
    if (this.pointers.size === 2) this.#pinch(event, held);
    else if (held.moved) this.app.move((axis) => axis.pan((held.x - event.clientX) / view.width));
    held.x = event.clientX;
  }

  /** Two fingers: what is between them grows as they part. */
  #pinch(event, held) {
    const other = [...this.pointers.entries()].find(([id]) => id !== event.pointerId)[1];
    const before = Math.max(8, Math.abs(held.x - other.x));
    const after = Math.max(8, Math.abs(event.clientX - other.x));
    const left = this.element.getBoundingClientRect().left;
    const at = this.picture.view.at((event.clientX + other.x) / 2 - left);
    held.moved = true;
    other.moved = true;
    this.app.move((axis) => axis.zoom(before / after, at));
  }

  #up(event) {
    const held = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (!held || held.moved) return;
    const { x, y, picture, model } = this.#place(event);
    const found = pick(model, picture.view, x, y);
    const target = found?.event ?? picture.view.nearest(x);
    if (x >= picture.view.left && model === this.app.model) this.app.go(target, { reveal: false });
  }

  #showTip(event) {
    const { x, y, picture, model } = this.#place(event);
    const found = picture.view ? pick(model, picture.view, x, y) : null;
    if (!found) {
      this.#hideTip();
      return;
    }
    const box = this.element.getBoundingClientRect();
    this.tip.textContent = found.text;
    this.tip.hidden = false;
    const left = Math.min(x + 14, this.element.clientWidth - this.tip.offsetWidth - 6);
    const above = event.clientY - box.top > box.height / 2;
    const top = event.clientY - box.top + (above ? -this.tip.offsetHeight - 10 : 18);
    Object.assign(this.tip.style, { left: `${Math.max(0, left)}px`, top: `${Math.max(0, top)}px` });
  }

  #hideTip() {
    this.tip.hidden = true;
  }
}
