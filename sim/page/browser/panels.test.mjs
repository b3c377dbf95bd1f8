// Panels, the field of numbers, the choice of a job, the story of a long run, and a run that is no mirror's.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cursor, launch, made, open, settled, view } from './helpers.mjs';
import { Writer, synthetic } from '../tools/synthetic.mjs';

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const plain = () => view('plain.html', ['mirror@1']);

test('numbers of events and decisions are those of a trace, wherever they stand', async () => {
  const { page, errors } = await open(browser, plain());
  assert.match(await page.textContent('#here'), /event0 \(0 to \d+\)/);
  assert.equal(await page.textContent('#events [aria-selected=true] .number'), '0');
  await page.keyboard.press('End');
  await settled(page);
  const last = await page.evaluate(() => globalThis.blockjob.app.model.run.count - 1);
  assert.equal(await page.textContent('#events [aria-selected=true] .number'), last.toLocaleString('en'));
  await page.keyboard.press('Home');
  await page.keyboard.press('Shift+ArrowRight');
  await settled(page);
  assert.match(await page.textContent('#decision h3'), /^Decision 0 \(0 to \d+\)/);
  assert.deepEqual(errors, []);
});

test('a number that is typed leads there, and a wrong one is answered with one sentence', async () => {
  const { page, errors } = await open(browser, plain());
  await page.keyboard.press('g');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'goto');
  await page.keyboard.type('57');
  await page.keyboard.press('Enter');
  await settled(page);
  assert.equal(await cursor(page), 57);
  await page.fill('#goto', 'd7');
  await page.press('#goto', 'Enter');
  await settled(page);
  assert.match(await page.textContent('#decision'), /Decision 7 /);
  const at = await cursor(page);
  await page.fill('#goto', '999999');
  await page.press('#goto', 'Enter');
  await settled(page);
  const said = await page.textContent('#gone');
  assert.match(said, /^There is no event 999,999 here\. The events are 0 to [\d,]+\.$/);
  assert.ok(await page.isVisible('#gone'));
  assert.equal(await page.getAttribute('#goto', 'aria-invalid'), 'true');
  assert.equal(await cursor(page), at);
  await page.fill('#goto', '3');
  await settled(page);
  assert.equal(await page.textContent('#gone'), '');
  assert.deepEqual(errors, []);
});

test('an event without a decision shows the one in force and the next, and leads to both', async () => {
  const { page, errors } = await open(browser, plain());
  const between = await page.evaluate(() => {
    const { run } = globalThis.blockjob.app.model;
    return run.decided.findIndex((made, i) => i > 0 && made > 3 && made < run.decisionCount && made === run.decided[i - 1]);
  });
  await page.evaluate((event) => globalThis.blockjob.app.go(event), between);
  await settled(page);
  const made = await page.evaluate((event) => globalThis.blockjob.app.model.run.decided[event], between);
  const text = await page.textContent('#decision');
  assert.match(text, /^No decision belongs to this event\./);
  assert.ok(text.includes(`In force, the last one, made before event`) && text.includes(`Decision ${made - 1} `), text);
  assert.ok(text.includes('Next, made before event') && text.includes(`Decision ${made} `), text);
  await page.click('#decision .around:last-child .which button');
  await settled(page);
  assert.equal(await cursor(page), await page.evaluate((d) => globalThis.blockjob.app.model.run.eventOfDecision(d), made));
  assert.deepEqual(errors, []);
});

test('of many jobs one is chosen for the chart, its strips and its states', async () => {
  const { page, errors } = await open(browser, view('many.html', ['many-jobs@1']));
  await page.keyboard.press('End');
  await settled(page);
  assert.match(await page.textContent('#job-choice'), /4 of \d+ jobs have strips/);
  const labels = () => page.evaluate(() => globalThis.blockjob.app.model.places.filter((it) => it.kind === 'strip').map((it) => it.label));
  assert.ok(!(await labels()).includes('job6: dirty'));
  const before_ = await page.textContent('#legend');
  const chart = () => page.evaluate(() => document.querySelector('#chart canvas').toDataURL());
  const drawn = await chart();
  await page.selectOption('#job', 'job6');
  await settled(page);
  assert.notEqual(await chart(), drawn);
  assert.ok((await labels()).includes('job6: dirty'));
  assert.notEqual(await page.textContent('#legend'), before_);
  assert.match(await page.textContent('#standing'), /job6: Bitmaps/);
  assert.match(await page.textContent('#state'), /jobjob6: /);
  assert.equal(await page.inputValue('#job'), 'job6');
  assert.deepEqual(errors, []);
});

test('of a long story the sentences around the cursor have elements, and each can be reached', async () => {
  const lines = Array.from({ length: 5000 }, (_, at) => ({ at_ns: at, event: at * 3 + 5, text: `Sentence ${at}.` }));
  const { page, errors } = await open(browser, made('story.html', synthetic(15_100, { story: { lines, causes: [], waiting: [], left_out: 7 } })));
  const now = () => page.textContent('#story li.now');
  for (const at of [5, 6_000, 6_001, 6_003, 6_200, 14_999, 5]) {
    await page.evaluate((event) => globalThis.blockjob.app.go(event), at);
    await settled(page);
    assert.equal(await now(), `Sentence ${Math.floor((at - 5) / 3)}.`);
    assert.ok(await page.locator('#story li').count() < 70);
    assert.equal(await page.locator('#story li.now').count(), 1);
    const seen = await page.evaluate(() => {
      const [box, it] = [document.querySelector('.story-lines').getBoundingClientRect(), document.querySelector('#story li.now').getBoundingClientRect()];
      return it.top >= box.top - 1 && it.bottom <= box.bottom + 1;
    });
    assert.ok(seen, `the sentence of event ${at} is in sight`);
  }
  assert.match(await page.textContent('#story'), /Sentences 1 to 60 of 5,000/);
  assert.match(await page.textContent('#story'), /7 more sentences are not told/);
  await page.click('#story >> text=sentences after these');
  await page.click('#story >> text="Sentence 70."');
  await settled(page);
  assert.equal(await cursor(page), 215);
  assert.deepEqual(errors, []);
});

/** A run as labs have them: the document knows of a mirror, and another job runs. */
function scrub() {
  const w = new Writer({ failure: { rule: 'DRAIN', place: 'lab', text: 'why', sentence: 'Why.', event: 4, wrong_event: 4, parties: [], at_ns: 0, decisions: 0 } });
  w.event('coroutine-create', { created: 'job#1' });
  w.event('job-status', { job: 'scrub', from: 'undefined', to: 'created' });
  w.event('job-status', { job: 'scrub', from: 'created', to: 'running' });
  w.event('disk-begin', { disk: 'source', request: 'read', offset: 0, bytes: 512 });
  w.event('disk-land', { disk: 'source', request: 'read', offset: 0, bytes: 512 });
  return w.document();
}

test('a run that is no mirror has its own job, and no empty panels of a mirror', async () => {
  const { page, errors } = await open(browser, made('scrub.html', scrub()));
  assert.match(await page.textContent('#state'), /jobscrub/);
  assert.equal(await page.textContent('.diagram .state.now text'), 'running');
  for (const panel of ['#code', '#chart']) assert.equal(await page.isVisible(panel), false, panel);
  assert.equal(await page.evaluate(() => globalThis.blockjob.app.model.places.some((it) => it.kind === 'strip')), false);
  assert.doesNotMatch(await page.textContent('#standing'), /Bitmaps/);
  // And they are there again with a run that has them.
  await page.evaluate((run) => globalThis.blockjob.app.show(run), synthetic(300));
  await settled(page);
  for (const panel of ['#code', '#chart']) assert.ok(await page.isVisible(panel), panel);
  assert.deepEqual(errors, []);
});

test('two fingers that part make what is between them grow, and the wheel with Ctrl does the same', async () => {
  const { page, errors, context } = await open(browser, plain());
  const range = () => page.evaluate(() => {
    const { app, timeline } = globalThis.blockjob;
    return { from: app.axis.from, to: app.axis.to, at: timeline.picture.view.at(500) };
  });
  const box = await page.locator('#lanes').boundingBox();
  const cdp = await context.newCDPSession(page);
  const touch = (type, xs) => cdp.send('Input.dispatchTouchEvent', { type, touchPoints: xs.map((x, id) => ({ x: box.x + x, y: box.y + 80, id })) });
  const pinch = async (from, to) => {
    await touch('touchStart', [500 - from, 500 + from]);
    for (let step = 1; step <= 8; step += 1) {
      const half = from + ((to - from) * step) / 8;
      await touch('touchMove', [500 - half, 500 + half]);
    }
    await touch('touchEnd', []);
    await settled(page);
  };
  const before_ = await range();
  await pinch(60, 240);
  const near = await range();
  const grown = (before_.to - before_.from) / (near.to - near.from);
  assert.ok(grown > 3 && grown < 5, `grown by ${grown}`);
  assert.ok(Math.abs(near.at - before_.at) < (near.to - near.from) * 0.1, `${before_.at} is at ${near.at} now`);
  await pinch(240, 120);
  const far = await range();
  const shrunk = (far.to - far.from) / (near.to - near.from);
  assert.ok(shrunk > 1.5 && shrunk < 2.5, `shrunk by ${shrunk}`);
  // One finger stays where it is.
  await touch('touchStart', [500, 600]);
  await touch('touchMove', [500, 660]);
  await touch('touchEnd', []);
  await settled(page);
  assert.equal(await cursor(page), 0, 'a pinch is no click');
  const still = await range();
  await page.mouse.move(box.x + 500, box.y + 80);
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -50);
  await page.keyboard.up('Control');
  await settled(page);
  const wheel = await range();
  assert.ok(wheel.to - wheel.from < (still.to - still.from) * 0.8);
  assert.ok(Math.abs(wheel.at - still.at) < (wheel.to - wheel.from) * 0.02);
  assert.equal(await page.evaluate(() => globalThis.visualViewport.scale), 1, 'the page itself is not zoomed');
  assert.deepEqual(errors, []);
});
