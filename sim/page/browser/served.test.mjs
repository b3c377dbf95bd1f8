// The page from its server: what if, another run, shorter.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cursor, launch, open, serve, settled } from './helpers.mjs';

let browser;
let server;
before(async () => {
  browser = await launch();
  server = await serve(['--bug', 'MIR-02']);
});
after(async () => {
  await browser?.close();
  server?.stop();
});

const outcome = (page) => page.evaluate(() => globalThis.blockjob.app.model.failure?.rule ?? 'none');

test('another choice at some decision leads to another outcome, and the run before stays beside it', async () => {
  const { page, errors } = await open(browser, server.address);
  assert.equal(await outcome(page), 'DATA');
  const before_ = await page.evaluate(() => globalThis.blockjob.app.model.document.log);
  let changed = false;
  // From where it went wrong backwards: one of the last choices before it has made the difference.
  for (let tried = 0; tried < 25 && !changed; tried += 1) {
    await page.keyboard.press('Shift+ArrowLeft');
    await settled(page);
    const button = page.locator('#decision .options button').first();
    if (await button.count() === 0) continue;
    const at = await cursor(page);
    const shown = await page.evaluate(() => globalThis.blockjob.app.store.chosen.run);
    const asked = await button.evaluate((it) => ({
      decision: Number(/at decision (\d+)$/.exec(it.getAttribute('aria-label'))[1]),
      option: [...it.closest('.options').children].indexOf(it.closest('li')),
    }));
    await button.click();
    await page.waitForFunction((run) => globalThis.blockjob.app.store.chosen.run > run, shown);
    await settled(page);
    assert.equal(await page.evaluate(() => globalThis.blockjob.app.against.document.log), before_);
    const made = await page.evaluate((decision) => {
      const [after_, was] = [globalThis.blockjob.app.model, globalThis.blockjob.app.against].map((it) => it.document.decisions.chosen);
      return { chosen: after_[decision], kept: was.slice(0, decision).every((it, at) => it === after_[at]), was: was[decision] };
    }, asked.decision);
    assert.deepEqual([made.chosen, made.kept], [asked.option, true], 'that decision was made otherwise, and those before as they were');
    assert.notEqual(made.was, asked.option);
    changed = (await outcome(page)) !== 'DATA';
    if (!changed) {
      await page.click('#versus >> text=Swap them');
      await page.click('#versus >> text=Only the one above');
      await page.evaluate((event) => globalThis.blockjob.app.go(event), at);
      await settled(page);
    }
  }
  assert.ok(changed, 'none of 25 choices has changed the outcome');
  assert.match(await page.textContent('#versus'), /broke no rule/);
  assert.match(await page.textContent('#versus'), /broke DATA/);
  assert.ok(await page.evaluate(() => globalThis.blockjob.app.difference.event_a) > 0);
  assert.deepEqual(errors, []);
});

test('another run is asked for by scenario and seed, and a refusal is a sentence', async () => {
  const { page } = await open(browser, server.address);
  await page.click('#open-run');
  await page.waitForSelector('#run-scenario');
  await page.selectOption('#run-scenario', 'mirror');
  await page.selectOption('#run-bug', '');
  await page.fill('#run-seed', '1');
  await page.click('#dialog >> text=Show it');
  await page.waitForFunction(() => /mirror, seed 1/.test(document.title));
  await page.click('#open-run');
  await page.waitForSelector('#run-log');
  await page.fill('#run-log', 'no log');
  await page.click('#dialog >> text=Show it');
  await page.waitForFunction(() => document.querySelector('#dialog .error').textContent.length > 10);
});

test('a link to another run is followed', async () => {
  const { page, errors } = await open(browser, server.address);
  await page.click('#open-run');
  await page.waitForSelector('#run-scenario');
  await page.selectOption('#run-scenario', 'mirror');
  await page.selectOption('#run-bug', '');
  await page.click('#dialog >> text=Show it');
  await page.waitForFunction(() => /mirror, seed 1/.test(document.title));
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowLeft');
  await settled(page);
  const at = await cursor(page);
  await page.click('#link');
  await page.waitForFunction(() => location.hash.includes('at='));
  const link = await page.evaluate(() => location.hash);
  const again = await open(browser, `${server.address}${link}`);
  const digest = (it) => it.evaluate(() => globalThis.blockjob.app.model.document.digest);
  assert.equal(await digest(again.page), await digest(page));
  assert.equal(await cursor(again.page), at);
  assert.deepEqual([...errors, ...again.errors], []);
});

test('a failing run is made shorter and fails in the same way', async () => {
  const { page, errors } = await open(browser, server.address);
  const events = () => page.evaluate(() => globalThis.blockjob.app.model.run.count);
  const long = await events();
  await page.click('#banner >> text=Make it shorter');
  await page.waitForFunction(() => globalThis.blockjob.app.against !== null, null, { timeout: 120_000 });
  assert.ok(await events() < long);
  assert.equal(await outcome(page), 'DATA');
  assert.deepEqual(errors, []);
});
