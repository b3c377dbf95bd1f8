// The built book in a browser: what can be moved is moved by keys alone, and figures can be read in each theme.
// `cargo xtask book --test` builds the book and runs this with the packages of sim/page.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from '../../../sim/page/browser/helpers.mjs';

const require = createRequire(new URL('../../../sim/page/package.json', import.meta.url));
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const BOOK = process.env.BLOCKJOB_BOOK ?? '';

let browser;
before(async () => {
  assert.ok(existsSync(join(BOOK, 'index.html')), 'BLOCKJOB_BOOK must name a built book; `cargo xtask book --test` does all that');
  browser = await launch();
});
after(async () => { await browser?.close(); });

/** A chapter, and what its console says or its page asks for. */
async function open(chapter, { scheme = 'light', width = 1200 } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => {
    if (!/^(file|data):/.test(request.url())) errors.push(`asks for ${request.url()}`);
  });
  await page.goto(`file://${join(BOOK, `${chapter}.html`)}`);
  return { page, errors, close: () => context.close() };
}

/** Presses Tab until the element has the focus. */
async function reach(page, selector) {
  for (let presses = 0; presses < 300; presses += 1) {
    if (await page.evaluate((it) => document.activeElement?.matches(it), selector)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the Tab key does not come to ${selector}`);
}

const curve = (page) => page.getAttribute('#cv-plot .curve', 'd');

test('the sliders of convergence are moved by keys alone, and the curve and the words follow', async () => {
  const { page, errors, close } = await open('convergence');
  const seen = new Set([await curve(page)]);
  for (const name of ['guest', 'copy', 'granularity']) {
    await reach(page, `#cv-${name}`);
    const before = await page.getAttribute(`#cv-${name}`, 'aria-valuetext');
    await page.keyboard.press('ArrowRight');
    const said = await page.getAttribute(`#cv-${name}`, 'aria-valuetext');
    assert.notEqual(said, before);
    assert.equal(await page.textContent(`output[for="cv-${name}"]`), said);
    seen.add(await curve(page));
  }
  assert.equal(seen.size, 4, 'each slider changes the curve');

  await page.focus('#cv-granularity');
  await page.keyboard.press('Home');
  await page.focus('#cv-guest');
  await page.keyboard.press('End');
  assert.match(await page.textContent('#cv-result'), /^Not READY/);
  await reach(page, '#cv-mode');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.locator('#cv-mode option:checked').textContent(), 'write-blocking');
  assert.match(await page.textContent('#cv-result'), /^READY after \d+ ms\. A write of the guest takes \d+ µs/);
  assert.equal(await page.locator('#cv-plot .ready').count(), 1);
  assert.deepEqual(errors, []);
  await close();
});

test('each slider has a name for those who hear the page, and the outcome is said when it changes', async () => {
  const { page, close } = await open('convergence');
  for (const name of [/^The guest writes/, /^The copy may take/, /^A granule has/]) {
    assert.equal(await page.getByRole('slider', { name }).count(), 1, String(name));
  }
  assert.equal(await page.getByRole('combobox', { name: 'Copy mode' }).count(), 1);
  assert.equal(await page.locator('#cv-result[role=status][aria-live=polite]').count(), 1);
  assert.equal(await page.getByRole('img', { name: /^Dirty bytes over time .*READY/ }).count(), 1);
  await close();
});

for (const scheme of ['light', 'dark']) {
  for (const chapter of ['convergence', 'hand-over', 'questions']) {
    test(`axe finds nothing in ${chapter}, ${scheme}`, async () => {
      const { page, errors, close } = await open(chapter, { scheme });
      await page.evaluate(AXE);
      const found = await page.evaluate(() => globalThis.axe.run('main', { preload: false }));
      assert.deepEqual(found.violations.map((it) => `${it.id}: ${it.nodes[0].html}`), []);
      assert.deepEqual(errors, []);
      await close();
    });
  }

  test(`letters and lines of the figures stand out from the page, ${scheme}`, async () => {
    for (const chapter of ['hand-over', 'job-states', 'rate-limit', 'dirty-bitmap', 'convergence']) {
      const { page, close } = await open(chapter, { scheme });
      const weak = await page.evaluate(weakest);
      assert.deepEqual(weak, [], chapter);
      await close();
    }
  });
}

/** In the page: what of its figures has too little contrast with the page, or letters that are too small. */
function weakest() {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([red, green, blue]) => {
    const part = (it) => (it / 255 <= 0.03928 ? it / 255 / 12.92 : ((it / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
  };
  const ground = numbers(getComputedStyle(document.documentElement).backgroundColor);
  const contrast = (colour, opacity) => {
    const mixed = numbers(colour).slice(0, 3).map((it, at) => it * opacity + ground[at] * (1 - opacity));
    const [low, high] = [light(mixed), light(ground)].sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
  };
  const weak = [];
  const check = (shape, colour, opacity, least) => {
    const found = contrast(colour, opacity);
    if (found < least) weak.push(`${shape.tagName}.${shape.getAttribute('class')}: ${found.toFixed(2)}`);
  };
  for (const shape of document.querySelectorAll('figure svg text, .convergence svg text')) {
    const style = getComputedStyle(shape);
    check(shape, style.fill, Number(style.opacity), 4.5);
    const drawn = shape.getScreenCTM();
    const letters = parseFloat(style.fontSize) * Math.hypot(drawn.a, drawn.b);
    if (letters < 8) weak.push(`${shape.textContent}: letters of ${letters.toFixed(1)} px`);
  }
  for (const shape of document.querySelectorAll('path.line, path.control, path.wake, path.arrow, path.curve, path.other, path.ready')) {
    const style = getComputedStyle(shape);
    check(shape, style.stroke, Number(style.opacity) * Number(style.strokeOpacity), 3);
  }
  for (const shape of document.querySelectorAll('rect.runs, rect.dirty, rect.flight, rect.both')) {
    check(shape, getComputedStyle(shape).fill, 1, 3);
  }
  return [...new Set(weak)];
}

test('a figure that is wider than the page is scrolled by keys', async () => {
  const { page, close } = await open('iothreads', { width: 700 });
  // Chromium gives the focus to all that scrolls; others need to be told.
  await reach(page, 'figure.lanes[tabindex="0"]');
  const left = () => page.evaluate(() => document.querySelector('figure.lanes').scrollLeft);
  assert.equal(await left(), 0);
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => document.querySelector('figure.lanes').scrollLeft > 0);
  await close();
});
