// Makes elements. Text goes in as text, never as markup: a run may hold anything.

/**
 * @param {string} tag with classes after dots: `p.quiet`
 * @param {Record<string, any>|null} [with_] attributes; those that begin with `on` are listeners
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function make(tag, with_ = null, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(with_ ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'style') Object.assign(element.style, value);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element of the page with this id. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element '${id}'`);
  return element;
}

/** A list of names and values. */
export function facts(pairs) {
  const rows = pairs.filter(Boolean).flatMap(([name, value]) => [make('dt', null, name), make('dd', null, value)]);
  return make('dl.facts', null, ...rows);
}

/** A button. */
export function button(text, onclick, more = {}) {
  return make('button', { type: 'button', onclick, ...more }, text);
}

const SVG = 'http://www.w3.org/2000/svg';

/** An element of SVG. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}
