// The page in a real browser, with runs that the program has made.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { cursor, document, launch, open, said, settled, view } from './helpers.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const lost = () => view('lost.html', ['--bug', 'MIR-02']);
const plain = () => view('plain.html', ['mirror@1']);

test('a page opens without errors and asks nobody for anything', async () => {
  const { page, errors } = await open(browser, plain());
  assert.match(await page.textContent('#title'), /mirror/);
  assert.ok(Number(await page.getAttribute('#lanes', 'data-items')) > 100);
  assert.equal(await page.isVisible('#banner'), false);
  assert.ok(await page.locator('#events [role=option]').count() > 5);
  assert.deepEqual(errors, []);
});

test('events, decisions and steps lead on and back', async () => {
  const { page, errors } = await open(browser, plain());
  await page.click('[data-do=event-on]');
  assert.match(await said(page), /^event 1 \(0 to /);
  await page.click('[data-do=decision-on]');
  await settled(page);
  assert.match(await page.textContent('#decision'), /Made just before this event:Decision 0 \(0 to/i);
  await page.keyboard.press('Home');
  await page.click('[data-do=step-on]');
  assert.match(await said(page), /mirror-step M1$/);
  assert.equal(await page.getAttribute('#code [aria-label="Next M1"]', 'aria-current'), 'step');
  assert.match(await page.textContent('#code'), /mirror_run/);
  assert.ok(await page.locator('#code .lit').count() === 1);
  const at = await cursor(page);
  await page.click('[data-do=step-on]');
  await page.click('[data-do=step-back]');
  await settled(page);
  assert.equal(await cursor(page), at);
  assert.deepEqual(errors, []);
});

test('what one looks for is found, and the job diagram follows', async () => {
  const { page, errors } = await open(browser, plain());
  await page.fill('#filter', 'job-status running');
  await page.press('#filter', 'Enter');
  assert.match(await said(page), /job-status created → running/);
  assert.equal(await page.textContent('.diagram .state.now text'), 'running');
  await page.fill('#filter', 'no-such-thing');
  await page.press('#filter', 'Enter');
  await settled(page);
  assert.equal(await page.textContent('#found'), 'none after this');
  assert.deepEqual(errors, []);
});

test('a run of MIR-02 opens where it went wrong, says why, and the lost write is found', async () => {
  const { page, errors } = await open(browser, lost());
  const { failure, document: it } = await page.evaluate(() => {
    const { document: run } = globalThis.blockjob.app.model;
    return { failure: run.failure, document: { bug: run.bug } };
  });
  assert.equal(it.bug, 'MIR-02');
  assert.equal(await cursor(page), failure.wrong_event);
  assert.notEqual(failure.wrong_event, failure.event);
  assert.ok(await page.isVisible('#banner'));
  assert.equal(await page.textContent('#banner .sentence'), failure.sentence);
  assert.match(failure.sentence, /source/);
  // The write: it lands on the source after the last count, and no copy takes it to the target any more.
  const write = await page.evaluate((from) => {
    const { run } = globalThis.blockjob.app.model;
    return [...run.ofKind('disk-land')].find((i) => i > from && run.value(i, 'disk') === 'source' && run.value(i, 'request') === 'write');
  }, failure.wrong_event);
  await page.fill('#filter', 'disk-land source write');
  await page.press('#filter', 'Enter');
  await settled(page);
  assert.equal(await cursor(page), write);
  await page.fill('#filter', 'dirty-set');
  await page.press('#filter', 'Enter');
  await settled(page);
  assert.match(await page.textContent('#standing'), /[1-9]\d* of \d+ granules dirty/);
  const copies = await page.evaluate((from) => [...globalThis.blockjob.app.model.run.ofKind('mirror-iteration')].filter((i) => i > from).length, await cursor(page));
  assert.equal(copies, 0);
  assert.deepEqual(errors, []);
});

test('a link restores the run and the event, and another run is named by its command', async () => {
  const { page, errors } = await open(browser, plain());
  await page.fill('#filter', 'M10');
  await page.press('#filter', 'Enter');
  await settled(page);
  const at = await cursor(page);
  await page.click('#link');
  await page.waitForFunction(() => location.hash.includes('at='));
  const link = await page.evaluate(() => location.hash);
  assert.match(link, /^#log=bj1:/);
  const again = await open(browser, `file://${plain()}${link}`);
  assert.equal(await cursor(again.page), at);
  const other = await open(browser, `file://${lost()}${link}`);
  assert.match(await other.page.textContent('#dialog'), /blockjob sim view 'bj1:/);
  assert.deepEqual([...errors, ...again.errors, ...other.errors], []);
});

test('two runs stand one above the other, with their first difference', async () => {
  const path = view('two.html', ['--bug', 'MIR-02', '--against-clean']);
  const { page, errors } = await open(browser, path);
  assert.ok(await page.isVisible('#versus'));
  assert.match(await page.textContent('#versus'), /broke DATA/);
  assert.equal(await page.locator('#lanes canvas').count(), 2);
  await page.click('#versus >> text=First difference');
  await settled(page);
  assert.equal(await cursor(page), await page.evaluate(() => globalThis.blockjob.app.difference.event_a));
  await page.click('#versus >> text=Swap them');
  await settled(page);
  assert.match(await page.textContent('#banner'), /in the run below/);
  await page.click('#versus >> text=Only the one above');
  await settled(page);
  assert.equal(await page.locator('#lanes canvas').count(), 1);
  assert.equal(await page.isVisible('#banner'), false);
  assert.deepEqual(errors, []);
});

test('pictures and traces are saved under names that say what they are', async () => {
  const { page, errors } = await open(browser, lost());
  await page.click('#save');
  const save = async (text) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click(`#dialog >> text=${text}`)]);
    return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
  };
  const png = await save('Picture (PNG)');
  assert.match(png.name, /^blockjob-MIR-02-.*event\d+\.png$/);
  assert.equal(png.bytes.subarray(1, 4).toString(), 'PNG');
  const svg = await save('Picture (SVG)');
  assert.match(svg.bytes.toString(), /<svg xmlns[^]*main loop/);
  const perfetto = await save('Perfetto');
  assert.ok(JSON.parse(perfetto.bytes).traceEvents.length > 100);
  const shiviz = await save('ShiViz');
  assert.match(shiviz.bytes.toString(), /guest0 \{/);
  assert.deepEqual(errors, []);
});

test('the document of a page is the one that the program writes', async () => {
  const written = document(view('plain.json', ['mirror@1']));
  const { page } = await open(browser, plain());
  const shown = await page.evaluate(() => globalThis.blockjob.app.model.document);
  assert.deepEqual(shown.events, written.events);
  assert.equal(shown.log, written.log);
});

test('what stays while one steps is not painted again, and looks as if it were', async () => {
  const { page, errors } = await open(browser, lost());
  const picture = () => page.evaluate(() => {
    const { timeline } = globalThis.blockjob;
    return { image: timeline.picture.canvas.toDataURL(), grounds: timeline.picture.grounds };
  });
  const anew = () => page.evaluate(() => {
    const { timeline } = globalThis.blockjob;
    timeline.picture.painted = [];
    timeline.paint();
  });
  const before_ = await picture();
  for (const deed of ['event-on', 'event-on', 'event-back', 'decision-on']) {
    await page.evaluate((name) => globalThis.blockjob.app.act(name), deed);
    await settled(page);
  }
  const stepped = await picture();
  assert.equal(stepped.grounds, before_.grounds);
  assert.notEqual(stepped.image, before_.image);
  await anew();
  assert.equal((await picture()).image, stepped.image);
  for (const deed of ['zoom-in', 'pan-on', 'scale', 'theme']) {
    const { grounds } = await picture();
    await page.evaluate((name) => globalThis.blockjob.app.act(name), deed);
    await settled(page);
    const now = await picture();
    assert.ok(now.grounds > grounds, deed);
    await anew();
    assert.equal((await picture()).image, now.image, deed);
  }
  assert.deepEqual(errors, []);
});

test('the wheel zooms, dragging moves, a click goes to an event', async () => {
  const { page, errors } = await open(browser, plain());
  const box = await page.locator('#lanes').boundingBox();
  const range = () => page.evaluate(() => [globalThis.blockjob.app.axis.from, globalThis.blockjob.app.axis.to]);
  const [from, to] = await range();
  await page.mouse.move(box.x + 600, box.y + 60);
  await page.mouse.wheel(0, -600);
  await settled(page);
  const [nearFrom, nearTo] = await range();
  assert.ok(nearTo - nearFrom < (to - from) / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + 400, box.y + 60, { steps: 4 });
  await page.mouse.up();
  await settled(page);
  assert.ok((await range())[0] > nearFrom);
  await page.mouse.move(box.x + 500, box.y + 62);
  await page.waitForSelector('#tip:not([hidden])');
  await page.mouse.click(box.x + 500, box.y + 62);
  await settled(page);
  assert.ok(await cursor(page) > 0);
  assert.deepEqual(errors, []);
});
