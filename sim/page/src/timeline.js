// The timeline on the screen: a canvas for each run, the pointer, and what hangs beside the pointer.

import { CanvasSurface } from '#page/surface.js';
import { make } from '#page/dom.js';
import { paintCursor, paintGround } from '#page/paint.js';
import { pick } from '#page/pick.js';
import { themeOf } from '#page/theme.js';

/** Two runs are at least so high together, however low the window is, in pixels. */
const LOWEST = 340;

/**
 * How high the boxes of two pictures are, which scroll if the pictures are higher: together they fit into `room`.
 * @param {number} upper how high the upper picture is
 * @param {number} lower
 * @param {number} room
 * @returns {[number, number]}
 */
export function shareOut(upper, lower, room) {
  const half = Math.max(LOWEST, room) / 2;
  if (upper <= half) return [upper, Math.min(lower, 2 * half - upper)];
  if (lower <= half) return [Math.min(upper, 2 * half - lower), lower];
  return [Math.floor(half), Math.floor(half)];
}

/** One run on one canvas, in a box that scrolls. */
class Picture {
  constructor(parent, name) {
    this.canvas = make('canvas', { 'aria-hidden': 'true' });
    this.box = make(`div.run.${name}`, { tabindex: 0, role: 'group', 'aria-label': `The run ${name}` }, this.canvas);
    parent.append(this.box);
    /** What stays while the cursor moves, and of what it is the picture. */
    this.ground = make('canvas');
    this.painted = [];
    this.view = null;
    /** For tests: how much is in it, and how often it was painted. */
    this.items = 0;
    this.grounds = 0;
  }

  /** @param {import('#page/paint.js').Scene} scene */
  paint(scene) {
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    const { width, height, model, axis, theme } = scene;
    if (resize(this.canvas, width * ratio, height * ratio)) {
      Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    }
    const shown = [model, model.places, theme, axis.scale, axis.from, axis.to, width, height, ratio];
    if (shown.some((it, at) => it !== this.painted[at])) {
      resize(this.ground, width * ratio, height * ratio);
      const surface = surfaceOf(this.ground, ratio);
      this.view = paintGround(surface, scene);
      this.items = surface.items;
      this.painted = shown;
      this.grounds += 1;
    }
    const surface = surfaceOf(this.canvas, ratio);
    surface.context.drawImage(this.ground, 0, 0, width, height);
    paintCursor(surface, this.view, scene);
  }
}

/** Returns whether the canvas had another size. */
function resize(canvas, width, height) {
  const [wide, high] = [Math.round(width), Math.round(height)];
  if (canvas.width === wide && canvas.height === high) return false;
  Object.assign(canvas, { width: wide, height: high });
  return true;
}

function surfaceOf(canvas, ratio) {
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.globalAlpha = 1;
  return new CanvasSurface(context);
}

/** The timeline: one picture, or two if there are two runs. `pictures` has the upper one first. */
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
    this.pictures = [new Picture(element, 'above')];
    this.pointers = new Map();
    this.#listen();
    const resized = new ResizeObserver(() => requestAnimationFrame(() => {
      this.#fit();
      this.paint();
    }));
    // What stands above the timeline may leave more room or less.
    for (const it of [element, ...document.querySelectorAll('#banner, #versus')]) resized.observe(it);
    globalThis.addEventListener('resize', () => this.#fit());
    app.store.on(['run', 'job'], () => this.#fit());
    app.store.on(['cursor', 'range', 'scale', 'theme', 'run', 'job'], () => this.paint());
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
    const began = performance.now();
    this.#count();
    const width = Math.max(320, Math.min(...this.pictures.map((it) => it.box.clientWidth)));
    const { cursor } = app.store.chosen;
    this.picture.paint(this.scene(app.model, app.axis, cursor, width));
    if (app.against) this.beside.paint(this.scene(app.against, app.besideAxis(), app.besideCursor(), width));
    this.lastMs = performance.now() - began;
    // For tests and for the benchmark: how much was painted, of how much there is.
    this.element.dataset.items = String(this.pictures.reduce((sum, it) => sum + it.items, 0));
    this.element.dataset.paints = String(Number(this.element.dataset.paints ?? 0) + 1);
  }

  /** The picture of the run that the panels are about. */
  get picture() {
    return this.pictures[this.app.flipped ? 1 : 0];
  }

  /** The picture of the other one. */
  get beside() {
    return this.pictures[this.app.flipped ? 0 : 1];
  }

  /** There are as many pictures as there are runs. */
  #count() {
    const wanted = this.app.against ? 2 : 1;
    if (this.pictures.length < wanted) this.pictures.push(new Picture(this.element, 'below'));
    else if (this.pictures.length > wanted) this.pictures.pop().box.remove();
    else return;
    this.#fit();
  }

  /** Two runs stand in the window together, below what stands above them when the page is not scrolled. */
  #fit() {
    const { app } = this;
    this.#count();
    const [above, below] = this.pictures;
    this.pictures.forEach((picture, at) => picture.box.classList.toggle('followed', below !== undefined && (at === 1) === app.flipped));
    if (!below) {
      above.box.style.height = '';
      return;
    }
    const top = this.element.getBoundingClientRect().top + globalThis.scrollY;
    const models = app.flipped ? [app.against, app.model] : [app.model, app.against];
    const heights = shareOut(models[0].height, models[1].height, globalThis.innerHeight - top - 12);
    [above, below].forEach((picture, at) => { picture.box.style.height = `${heights[at]}px`; });
  }

  #place(event) {
    const { app } = this;
    const lower = this.pictures[1] && event.clientY >= this.pictures[1].box.getBoundingClientRect().top;
    const picture = this.pictures[lower ? 1 : 0];
    const box = picture.box.getBoundingClientRect();
    return {
      x: event.clientX - box.left,
      y: event.clientY - box.top + picture.box.scrollTop,
      picture,
      model: picture === this.picture ? app.model : app.against,
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
    // The bar with which a box is scrolled is no part of the picture.
    if (event.target.tagName !== 'CANVAS') return;
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
    if (x < picture.view.left) return;
    if (model === this.app.model) this.app.go(target, { reveal: false });
    else this.app.other(target);
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
