// A run of a million events: it opens, and only what is visible is painted.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, made, open, settled } from './helpers.mjs';
import { synthetic } from '../tools/synthetic.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

test('a million events open, and how much is painted depends on the window', async () => {
  const { page, errors } = await open(browser, made('long.html', synthetic(1_000_000)));
  const items = async () => {
    await settled(page);
    return Number(await page.getAttribute('#lanes', 'data-items'));
  };
  const { count, lanes, width } = await page.evaluate(() => {
    const { app, timeline } = globalThis.blockjob;
    return { count: app.model.run.count, lanes: app.model.lanes.reduce((sum, lane) => sum + lane.rows.length + 2, 0), width: timeline.element.clientWidth };
  });
  assert.ok(count >= 1_000_000);
  assert.ok(await items() < lanes * width, `${await items()} items for ${lanes} rows of ${width} pixels`);
  for (let at = 0; at < 11; at += 1) await page.evaluate(() => globalThis.blockjob.app.move((axis) => axis.zoom(0.35, 400_000)));
  assert.ok(await items() < 500, `${await items()} items when few events are visible`);
  assert.ok(await page.locator('#events [role=option]').count() < 60);
  await page.keyboard.press('End');
  await settled(page);
  assert.match(await page.textContent('#live'), /^event 1,000,(\d+) \(0 to 1,000,\1\)/);
  assert.deepEqual(errors, []);
});

test('looking for something in a million events leaves time for the reader', async () => {
  const { page, errors } = await open(browser, made('long.html', synthetic(1_000_000)));
  const found = (text) => page.waitForFunction((it) => document.querySelector('#found').textContent === it, text);
  await page.fill('#filter', 'no such thing');
  await page.press('#filter', 'Enter');
  await found('looking…');
  await page.click('[data-do=event-on]');
  await found('');
  assert.match(await page.textContent('#live'), /^event 1 /);
  await page.press('#filter', 'Enter');
  await found('looking…');
  await found('none after this');
  assert.match(await page.textContent('#live'), /event 1 /);
  assert.deepEqual(errors, []);
});
