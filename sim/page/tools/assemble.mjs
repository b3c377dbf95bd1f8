// Assembles a page of a document, as sim/src/view/page.rs does: for tests that have no program at hand.
// node tools/assemble.mjs DOCUMENT.json PAGE.html [AGAINST.json]

import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { deflateSync } from 'node:zlib';

const HERE = new URL('..', import.meta.url);
const read = (path) => readFileSync(new URL(path, HERE), 'utf8');

function pack(id, json) {
  return `<script id="${id}" type="application/octet-stream">${deflateSync(json).toString('base64')}</script>`;
}

/**
 * @param {object} run
 * @param {{against?: object|null, difference?: object|null, served?: boolean}} [more]
 * @returns {string} the page
 */
export function assemble(run, { against = null, difference = null, served = false } = {}) {
  const files = read('files.txt').split('\n').filter(Boolean);
  const imports = Object.fromEntries(files.filter((path) => path.endsWith('.js')).map((path) =>
    [`#page/${basename(path)}`, `data:text/javascript;base64,${Buffer.from(read(path)).toString('base64')}`]));
  const parts = {
    STYLE: files.filter((path) => path.endsWith('.css')).map(read).join('\n'),
    IMPORTMAP: JSON.stringify({ imports }),
    RUN: pack('run', JSON.stringify(run)),
    AGAINST: against ? pack('against', JSON.stringify(against)) : '',
    DIFFERENCE: difference ? `<script id="difference" type="application/json">${JSON.stringify(difference)}</script>` : '',
    SERVED: served ? '<meta name="blockjob-served" content="1">' : '',
  };
  return read('index.html').replace(/<!--([A-Z]+)-->/g, (_, name) => parts[name] ?? '');
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [, , document, page, against] = process.argv;
  const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(page, assemble(json(document), { against: against ? json(against) : null }));
}
