// Pictures of the page beside those that somebody has looked at. They are compared coarsely: fonts and
// browsers differ by a pixel here and there, and a lane in another place does not. BLOCKJOB_WRITE_REFERENCES=1
// writes them anew; whoever does that looks at them.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { document, launch, made, open, settled } from './helpers.mjs';
import { synthetic } from '../tools/synthetic.mjs';

const FOLDER = new URL('reference/', import.meta.url).pathname;
/** A share of the squares of 12 pixels that may look otherwise. */
const TOLERANCE = 0.06;
const LARGEST = 200 * 1024;

let browser;
before(async () => { browser = await launch(); });
after(async () => { await browser?.close(); });

const run = document(new URL('../tests/fixtures/lost-write.json', import.meta.url).pathname);

/** Five pages, with what is done to each before it is looked at. */
const PAGES = [
  ['lost-write-light', 'light', () => made('r1.html', run), () => {}],
  ['lost-write-dark', 'dark', () => made('r1.html', run), () => {}],
  ['lost-write-in-time', 'light', () => made('r1.html', run), () => {
    globalThis.blockjob.app.act('fit');
    globalThis.blockjob.app.rescale('time');
  }],
  ['two-runs', 'dark', () => made('r4.html', run, { against: synthetic(400) }), () => globalThis.blockjob.app.act('difference')],
  ['many-events', 'light', () => made('r5.html', synthetic(60_000)), () => globalThis.blockjob.app.go(30_000)],
];

/** The share of squares of two pictures whose mean colours differ, worked out where pictures can be read. */
async function difference(page, a, b) {
  return page.evaluate(async ([left, right]) => {
    const pixels = async (base64) => {
      const image = new Image();
      image.src = `data:image/png;base64,${base64}`;
      await image.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [Math.ceil(image.width / 12), Math.ceil(image.height / 12)];
      const context = canvas.getContext('2d');
      context.imageSmoothingQuality = 'high';
      context.drawImage(image, 0, 0, canvas.width, canvas.height);
      return { size: `${image.width}x${image.height}`, data: context.getImageData(0, 0, canvas.width, canvas.height).data };
    };
    const [one, other] = [await pixels(left), await pixels(right)];
    if (one.size !== other.size) return 1;
    let different = 0;
    for (let at = 0; at < one.data.length; at += 4) {
      const apart = [0, 1, 2].reduce((sum, channel) => sum + Math.abs(one.data[at + channel] - other.data[at + channel]), 0);
      if (apart > 48) different += 1;
    }
    return different / (one.data.length / 4);
  }, [a, b].map((it) => it.toString('base64')));
}

for (const [name, scheme, path, prepare] of PAGES) {
  test(`the page looks as it did: ${name}`, async () => {
    const { page, errors } = await open(browser, path(), { scheme, width: 1200, height: 900 });
    await page.evaluate(prepare);
    await settled(page);
    const now = await page.screenshot();
    const reference = join(FOLDER, `${name}.png`);
    if (process.env.BLOCKJOB_WRITE_REFERENCES === '1') {
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(reference, now);
    }
    assert.ok(existsSync(reference), `there is no ${reference}`);
    assert.ok(statSync(reference).size < LARGEST, `${reference} is larger than ${LARGEST} bytes`);
    const share = await difference(page, readFileSync(reference), now);
    if (share > TOLERANCE) {
      const kept = join(tmpdir(), `blockjob-page-${name}.png`);
      writeFileSync(kept, now);
      assert.fail(`${(share * 100).toFixed(1)} % of the page look otherwise; what it looks like now is in ${kept}`);
    }
    assert.deepEqual(errors, []);
  });
}

test('two pages that differ are told apart', async () => {
  const { page } = await open(browser, PAGES[0][2](), { width: 1200, height: 900 });
  const before_ = await page.screenshot();
  await page.evaluate(() => globalThis.blockjob.app.act('fit'));
  await page.evaluate(() => globalThis.blockjob.app.act('zoom-in'));
  await settled(page);
  assert.ok(await difference(page, before_, await page.screenshot()) > TOLERANCE);
});
