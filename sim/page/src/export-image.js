// The timeline as a picture: what is visible, painted by the same painter.

import { CanvasSurface, SvgSurface } from '#page/surface.js';
import { paint } from '#page/paint.js';

/**
 * @param {import('#page/paint.js').Scene} scene
 * @param {string} title
 * @returns {string}
 */
export function toSvg(scene, title) {
  const surface = new SvgSurface();
  paint(surface, scene);
  return surface.finish(scene.width, scene.height, title);
}

/**
 * @param {import('#page/paint.js').Scene} scene
 * @param {number} ratio pixels of the picture for one of the screen
 * @returns {Promise<Blob>}
 */
export function toPng(scene, ratio = 2) {
  const canvas = document.createElement('canvas');
  canvas.width = scene.width * ratio;
  canvas.height = scene.height * ratio;
  const context = canvas.getContext('2d');
  context.scale(ratio, ratio);
  paint(new CanvasSurface(context), scene);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The picture is too large for this browser.'))), 'image/png');
  });
}
