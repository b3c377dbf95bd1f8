// The colours, light and dark. style.css has the same ones for what is no picture.

/**
 * @typedef {object} Theme
 * @property {'light'|'dark'} name
 * @property {string} panel
 * @property {string} well
 * @property {string} grid
 * @property {string} text
 * @property {string} quiet
 * @property {string} accent
 * @property {Record<string,string>} tones
 * @property {Record<string,string>} on what can be read on a tone
 * @property {Record<string,number[]>} rgb tones as numbers
 */

/** Each tone in the light theme and in the dark one. Neighbours differ in lightness as well as in hue. */
const TONES = {
  context: ['#8a94a6', '#7c879a'],
  guest: ['#2a8f86', '#3fb3a8'],
  job: ['#4a5fc1', '#7f92f0'],
  source: ['#8a6d1f', '#d2ab47'],
  target: ['#a3541c', '#e28a4e'],
  disk: ['#7a7468', '#a09a8e'],
  drain: ['#b54a92', '#d879b8'],
  drained: ['#a03a80', '#d879b8'],
  monitor: ['#5a3fa0', '#a98cf0'],
  read: ['#5b8fc7', '#6fa5de'],
  write: ['#c2641f', '#ec9350'],
  zero: ['#b59a4a', '#cdb463'],
  discard: ['#8c7f70', '#a89b8b'],
  flush: ['#1f7f9c', '#4db6d4'],
  failed: ['#c0282d', '#ff7b78'],
  copy: ['#5a6fd0', '#8ea0f5'],
  active: ['#7a45b5', '#b78cf0'],
  undefined: ['#b9b4aa', '#5d5f66'],
  created: ['#a9a498', '#6a6c74'],
  running: ['#7d8fd8', '#6478cc'],
  paused: ['#c79a2b', '#d8b04c'],
  ready: ['#2a7d47', '#58bd7b'],
  standby: ['#8aa35a', '#a3bd74'],
  waiting: ['#6b7fa0', '#8599bd'],
  pending: ['#5c7391', '#7d95b5'],
  aborting: ['#c0282d', '#ff7b78'],
  concluded: ['#59616d', '#8d96a4'],
  null: ['#b9b4aa', '#4b4d54'],
  landmark: ['#1d2430', '#f1eee7'],
  wake: ['#b07a10', '#e3b64e'],
  mark: ['#59616d', '#9aa3b2'],
  step: ['#4a5fc1', '#9fb0ff'],
};

const PLAIN = {
  light: { panel: '#fffefb', well: '#f3f0e9', grid: '#e7e2d8', text: '#1d2430', quiet: '#5d6470', accent: '#0b57d0' },
  dark: { panel: '#1b1d22', well: '#14161a', grid: '#2c2f36', text: '#e9e6df', quiet: '#a2a7b1', accent: '#8ab4ff' },
};

/** Red, green and blue of `#rrggbb`. */
export function rgbOf(colour) {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

/** How light a colour is to the eye, as WCAG counts it. */
export function luminance(colour) {
  const [r, g, b] = rgbOf(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The contrast of two colours, from 1 to 21. */
export function contrast(a, b) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

/** Black or white, whichever can be read on a colour. */
function readableOn(colour) {
  return contrast(colour, '#ffffff') >= contrast(colour, '#10131a') ? '#ffffff' : '#10131a';
}

const MADE = new Map();

/** @param {'light'|'dark'} name @returns {Theme} the same one each time */
export function themeOf(name) {
  if (!MADE.has(name)) MADE.set(name, makeTheme(name));
  return MADE.get(name);
}

function makeTheme(name) {
  const which = name === 'dark' ? 1 : 0;
  const tones = Object.fromEntries(Object.entries(TONES).map(([tone, both]) => [tone, both[which]]));
  const map = (what) => Object.fromEntries(Object.entries(tones).map(([tone, colour]) => [tone, what(colour)]));
  return { name, ...PLAIN[name], tones, on: map(readableOn), rgb: map(rgbOf) };
}
