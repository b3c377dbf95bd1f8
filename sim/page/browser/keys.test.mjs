// The page by keyboard alone, and for those who hear it: keys, live region, axe.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { cursor, launch, open, said, settled, view } from './helpers.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

test('everything is done by keys alone', async () => {
  const { page, errors } = await open(browser, view('lost.html', ['--bug', 'MIR-02']));
  const key = async (name) => {
    await page.keyboard.press(name);
    await settled(page);
  };
  await key('Home');
  assert.match(await said(page), /^event 0 \(0 to /);
  await key('ArrowRight');
  assert.match(await said(page), /^event 1 \(0 to [\d,]+\), [\d.]+ (ns|µs|ms|s), .*: /);
  await key('Shift+ArrowRight');
  const decided = await cursor(page);
  assert.ok(decided > 1);
  await key(']');
  assert.match(await said(page), /mirror-step M\d+$/);
  await key('[');
  await key('End');
  await key('w');
  assert.equal(await cursor(page), await page.evaluate(() => globalThis.blockjob.app.model.opening));
  await key('s');
  assert.equal(await page.inputValue('#scale'), 'time');
  await key('/');
  await page.keyboard.type('replace-node');
  await key('Enter');
  assert.match(await said(page), /replace-node/);
  await key('Escape');
  await key('N');
  await key('g');
  await page.keyboard.type('d5');
  await key('Enter');
  assert.equal(await cursor(page), await page.evaluate(() => globalThis.blockjob.app.model.run.eventOfDecision(5)));
  await key('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'lanes');
  await key('?');
  assert.ok(await page.isVisible('#dialog'));
  assert.match(await page.textContent('#dialog'), /next decision/);
  await key('Escape');
  assert.equal(await page.isVisible('#dialog'), false);
  const theme = await page.getAttribute('html', 'data-theme');
  await key('t');
  assert.notEqual(await page.getAttribute('html', 'data-theme'), theme);
  assert.deepEqual(errors, []);
});

test('playing goes on by itself until one stops it', async () => {
  const { page, errors } = await open(browser, view('plain.html', ['mirror@1']));
  await page.selectOption('#speed', '256');
  await page.focus('#lanes');
  await page.keyboard.press(' ');
  await page.waitForFunction(() => globalThis.blockjob.app.store.chosen.cursor > 20);
  await page.keyboard.press(' ');
  await settled(page);
  assert.equal(await page.getAttribute('#play', 'aria-pressed'), 'false');
  assert.deepEqual(errors, []);
});

test('each control can be reached by Tab, and one sees where one is', async () => {
  const { page } = await open(browser, view('lost.html', ['--bug', 'MIR-02']));
  const wanted = await page.evaluate(() => [...document.querySelectorAll('button, input, select, [tabindex="0"]')]
    .filter((it) => it.offsetParent !== null && !it.disabled).length);
  const seen = new Set();
  for (let at = 0; at < wanted + 8; at += 1) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate(() => {
      const it = document.activeElement;
      if (!it || it === document.body) return null;
      it.dataset.tab ??= String(Math.random());
      const style = getComputedStyle(it);
      return { key: it.dataset.tab, ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0, what: it.outerHTML.slice(0, 80) };
    });
    if (!found) continue;
    assert.ok(found.ring, found.what);
    seen.add(found.key);
  }
  assert.ok(seen.size >= wanted, `${seen.size} of ${wanted} reached`);
});

for (const scheme of ['light', 'dark']) {
  test(`axe finds nothing wrong in the ${scheme} theme`, async () => {
    for (const [name, words] of [['lost.html', ['--bug', 'MIR-02']], ['two.html', ['--bug', 'MIR-02', '--against-clean']]]) {
      const { page } = await open(browser, view(name, words), { scheme, bypassCSP: true });
      await page.evaluate(AXE);
      const check = async () => {
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        return violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
      };
      assert.deepEqual(await check(), []);
      await page.keyboard.press('?');
      assert.deepEqual(await check(), []);
    }
  });
}
