// Two runs side by side: both in the window, and panels about the one that the reader has chosen.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cursor, launch, open, said, settled, view } from './helpers.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const two = () => view('two.html', ['--bug', 'MIR-02', '--against-clean']);
const run = (page) => page.evaluate(() => ({ title: globalThis.blockjob.app.model.document.title, followed: globalThis.blockjob.app.followed }));

for (const [width, height] of [[1280, 800], [1440, 1000], [1920, 1080]]) {
  test(`two runs are both in a window of ${width} by ${height}, and each scrolls by itself`, async () => {
    const { page, errors } = await open(browser, two(), { width, height });
    await settled(page);
    const boxes = await page.evaluate(() => [...document.querySelectorAll('#lanes .run')].map((it) => {
      const { top, bottom } = it.getBoundingClientRect();
      return { top, bottom, hidden: it.scrollHeight - it.clientHeight };
    }));
    assert.equal(boxes.length, 2);
    assert.ok(boxes[0].bottom <= boxes[1].top + 1, JSON.stringify(boxes));
    for (const { top, bottom } of boxes) assert.ok(top >= 0 && bottom <= height && bottom - top >= 150, JSON.stringify(boxes));
    assert.equal(await page.evaluate(() => globalThis.scrollY), 0);
    if (boxes[1].hidden > 0) {
      await page.evaluate(() => { document.querySelector('#lanes .below').scrollTop = 1e6; });
      assert.equal(await page.evaluate(() => document.querySelector('#lanes .above').scrollTop), 0);
    }
    assert.deepEqual(errors, []);
  });
}

test('panels, stepping and the list are about the run that is chosen, and say which', async () => {
  const { page, errors } = await open(browser, two());
  await page.keyboard.press('d');
  await settled(page);
  const above = await run(page);
  assert.equal(above.followed, 'above');
  assert.match(await page.textContent('#state-head'), /^Job of the run above$/);
  await page.click('#versus button:text-is("Below")');
  await settled(page);
  const below = await run(page);
  assert.equal(below.followed, 'below');
  assert.notEqual(below.title, above.title);
  for (const head of ['#here-head', '#decision-head', '#state-head', '#standing-head', '#events-head']) {
    assert.match(await page.textContent(head), / of the run below$/, head);
  }
  const at = await cursor(page);
  assert.equal(at, await page.evaluate(() => globalThis.blockjob.app.difference.event_a));
  await page.keyboard.press('ArrowRight');
  assert.match(await said(page), /^run below: event /);
  assert.equal(await cursor(page), at + 1);
  const shown = await page.evaluate(() => {
    const { app } = globalThis.blockjob;
    return { here: document.querySelector('#here .big').textContent, is: app.model.run.kindName(app.store.chosen.cursor) };
  });
  assert.ok(shown.here.startsWith(shown.is), JSON.stringify(shown));
  // The place on the screen has not changed: the upper one is still the run above.
  assert.ok((await page.textContent('#versus')).includes(`Above: ${above.title}`));
  await page.keyboard.press('v');
  await settled(page);
  assert.deepEqual(await run(page), above);
  assert.deepEqual(errors, []);
});

test('a click in the lower run goes there and chooses it', async () => {
  const { page, errors } = await open(browser, two());
  await page.keyboard.press('0');
  await settled(page);
  const box = await page.locator('#lanes .below').boundingBox();
  await page.mouse.click(box.x + 300, box.y + 60);
  await settled(page);
  assert.equal((await run(page)).followed, 'below');
  const x = await page.evaluate(() => {
    const { app, timeline } = globalThis.blockjob;
    return timeline.picture.view.middle(app.store.chosen.cursor);
  });
  assert.ok(Math.abs(x - 300) < 12, String(x));
  assert.equal(await page.locator('#lanes .below.followed').count(), 1);
  assert.deepEqual(errors, []);
});

test('the sentence of the run that failed stays, and leads to its place from the other run, too', async () => {
  const { page, errors } = await open(browser, two());
  await page.keyboard.press('v');
  await settled(page);
  assert.match(await page.textContent('#banner'), /in the run above/);
  await page.click('#banner >> text=Where it went wrong');
  await settled(page);
  assert.equal((await run(page)).followed, 'above');
  assert.equal(await cursor(page), await page.evaluate(() => globalThis.blockjob.app.model.failure.wrong_event));
  assert.deepEqual(errors, []);
});
