// What a picture is painted on. There are two: a canvas on the screen, and a text of SVG to be saved. One
// painter paints on either, by the same calls, and each counts what it was told to paint.

/**
 * @typedef {object} Surface
 * @property {number} items how much was painted
 * @property {(x:number, y:number, w:number, h:number, fill:string, alpha?:number) => void} rect
 * @property {(x1:number, y1:number, x2:number, y2:number, stroke:string, width?:number, dash?:number[]) => void} line
 * @property {(points:number[][], fill:string|null, stroke?:string|null, width?:number) => void} shape
 * @property {(x1:number, y1:number, x2:number, y2:number, stroke:string) => void} arrow
 * @property {(x:number, y:number, text:string, fill:string, style?:TextStyle) => void} text
 * @property {(x:number, y:number, w:number, h:number, paint:() => void) => void} clip
 * @property {(x:number, y:number, w:number, h:number, image:Uint8Array, columns:number, rows:number, rgb:number[]) => void} cells
 */
/** @typedef {{size?:number, anchor?:'start'|'middle'|'end', bold?:boolean, mono?:boolean}} TextStyle */

const SANS = 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
const MONO = 'ui-monospace, "DejaVu Sans Mono", monospace';

/** About how wide a text is, without asking anybody. */
export function textWidth(text, size = 11) {
  return text.length * size * 0.58;
}

/** Paints on a canvas. @implements {Surface} */
export class CanvasSurface {
  /** @param {CanvasRenderingContext2D} context */
  constructor(context) {
    this.context = context;
    this.items = 0;
    this.scratch = null;
  }

  rect(x, y, w, h, fill, alpha = 1) {
    this.items += 1;
    const { context } = this;
    context.globalAlpha = alpha;
    context.fillStyle = fill;
    context.fillRect(x, y, w, h);
    context.globalAlpha = 1;
  }

  line(x1, y1, x2, y2, stroke, width = 1, dash = []) {
    this.items += 1;
    const { context } = this;
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
    context.setLineDash([]);
  }

  shape(points, fill, stroke = null, width = 1) {
    this.items += 1;
    const { context } = this;
    context.beginPath();
    points.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    if (stroke) {
      context.strokeStyle = stroke;
      context.lineWidth = width;
      context.stroke();
    }
  }

  arrow(x1, y1, x2, y2, stroke) {
    this.items += 1;
    const { context } = this;
    const bend = bendOf(x1, x2);
    context.strokeStyle = stroke;
    context.lineWidth = 1.1;
    context.beginPath();
    context.moveTo(x1, y1);
    context.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
    context.stroke();
    context.fillStyle = stroke;
    context.beginPath();
    context.moveTo(x2, y2);
    context.lineTo(x2 - 5, y2 - 2.8);
    context.lineTo(x2 - 5, y2 + 2.8);
    context.fill();
  }

  text(x, y, text, fill, { size = 11, anchor = 'start', bold = false, mono = false } = {}) {
    this.items += 1;
    const { context } = this;
    context.font = `${bold ? '600 ' : ''}${size}px ${mono ? MONO : SANS}`;
    context.textAlign = anchor === 'middle' ? 'center' : anchor;
    context.textBaseline = 'middle';
    context.fillStyle = fill;
    context.fillText(text, x, y);
  }

  clip(x, y, w, h, paint) {
    this.context.save();
    this.context.beginPath();
    this.context.rect(x, y, w, h);
    this.context.clip();
    paint();
    this.context.restore();
  }

  cells(x, y, w, h, image, columns, rows, rgb) {
    this.items += 1;
    this.scratch ??= document.createElement('canvas');
    this.scratch.width = columns;
    this.scratch.height = rows;
    const context = this.scratch.getContext('2d');
    const data = context.createImageData(columns, rows);
    for (let column = 0; column < columns; column += 1) {
      for (let row = 0; row < rows; row += 1) {
        const at = 4 * (row * columns + column);
        data.data[at] = rgb[0];
        data.data[at + 1] = rgb[1];
        data.data[at + 2] = rgb[2];
        data.data[at + 3] = image[column * rows + row];
      }
    }
    context.putImageData(data, 0, 0);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(this.scratch, x, y, w, h);
  }
}

/** How far an arrow swings out. */
function bendOf(x1, x2) {
  return Math.max(6, Math.min(60, Math.abs(x2 - x1) / 2));
}

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replace(/[&<>"]/g, (it) => escapes[it]);
const n = (number) => Number(number.toFixed(2));

/** Paints as a text of SVG. @implements {Surface} */
export class SvgSurface {
  constructor() {
    this.items = 0;
    this.parts = [];
    this.clips = 0;
  }

  #add(part) {
    this.items += 1;
    this.parts.push(part);
  }

  rect(x, y, w, h, fill, alpha = 1) {
    const opacity = alpha < 1 ? ` fill-opacity="${n(alpha)}"` : '';
    this.#add(`<rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}" fill="${fill}"${opacity}/>`);
  }

  line(x1, y1, x2, y2, stroke, width = 1, dash = []) {
    const dashes = dash.length ? ` stroke-dasharray="${dash.join(' ')}"` : '';
    this.#add(`<path d="M${n(x1)} ${n(y1)}L${n(x2)} ${n(y2)}" stroke="${stroke}" stroke-width="${width}"${dashes}/>`);
  }

  shape(points, fill, stroke = null, width = 1) {
    const path = points.map(([x, y], at) => `${at ? 'L' : 'M'}${n(x)} ${n(y)}`).join('');
    const line = stroke ? ` stroke="${stroke}" stroke-width="${width}"` : '';
    this.#add(`<path d="${path}Z" fill="${fill ?? 'none'}"${line}/>`);
  }

  arrow(x1, y1, x2, y2, stroke) {
    const bend = bendOf(x1, x2);
    this.#add(`<path d="M${n(x1)} ${n(y1)}C${n(x1 + bend)} ${n(y1)} ${n(x2 - bend)} ${n(y2)} ${n(x2)} ${n(y2)}" `
      + `fill="none" stroke="${stroke}"/><path d="M${n(x2)} ${n(y2)}l-5 -2.8v5.6Z" fill="${stroke}"/>`);
  }

  text(x, y, text, fill, { size = 11, anchor = 'start', bold = false, mono = false } = {}) {
    const weight = bold ? ' font-weight="600"' : '';
    const family = (mono ? MONO : SANS).replaceAll('"', "'");
    this.#add(`<text x="${n(x)}" y="${n(y)}" fill="${fill}" font-family="${family}" font-size="${size}"${weight} `
      + `text-anchor="${anchor}" dominant-baseline="central">${escape(text)}</text>`);
  }

  clip(x, y, w, h, paint) {
    this.clips += 1;
    this.parts.push(`<clipPath id="c${this.clips}"><rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}"/>`
      + `</clipPath><g clip-path="url(#c${this.clips})">`);
    paint();
    this.parts.push('</g>');
  }

  /** Neighbours of one value in a row become one rectangle. */
  cells(x, y, w, h, image, columns, rows, rgb) {
    const [wide, high] = [w / columns, h / rows];
    const boxes = [];
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns;) {
        const value = image[column * rows + row];
        let end = column + 1;
        while (end < columns && image[end * rows + row] === value) end += 1;
        if (value > 0) {
          boxes.push(`<rect x="${n(x + column * wide)}" y="${n(y + row * high)}" width="${n((end - column) * wide)}" `
            + `height="${n(high)}" fill-opacity="${n(value / 255)}"/>`);
        }
        column = end;
      }
    }
    this.#add(`<g fill="rgb(${rgb.join(' ')})">${boxes.join('')}</g>`);
  }

  /** The picture as a file. */
  finish(width, height, title) {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" `
      + `viewBox="0 0 ${width} ${height}" role="img"><title>${escape(title)}</title>${this.parts.join('\n')}</svg>\n`;
  }
}
