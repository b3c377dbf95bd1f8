// What the browser tests share: the program that makes pages, the browser, and a page with its errors.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { assemble } from '../tools/assemble.mjs';

const CHROMIUM = process.env.BLOCKJOB_CHROMIUM ?? '/usr/bin/chromium';

/** Pages are written here, and taken away at the end. */
export const FOLDER = mkdtempSync(join(tmpdir(), 'blockjob-page-'));
process.on('exit', () => rmSync(FOLDER, { recursive: true, force: true }));

/** The program, built with the museum. `cargo xtask page` builds it and says where it is. */
export function program() {
  const path = process.env.BLOCKJOB_PROGRAM;
  if (!path || !existsSync(path)) {
    throw new Error('BLOCKJOB_PROGRAM must name a blockjob that was built with --features museum; `cargo xtask page` does all that.');
  }
  return path;
}

/** A file that `blockjob sim view` has written. */
export function view(name, words) {
  const path = join(FOLDER, name);
  if (existsSync(path)) return path;
  const done = spawnSync(program(), ['sim', 'view', ...words, '--out', path], { encoding: 'utf8', timeout: 120_000 });
  if (!existsSync(path)) throw new Error(`blockjob sim view ${words.join(' ')}: ${done.stderr || done.error}`);
  return path;
}

/** A page of a document that was made up. */
export function made(name, document, more) {
  const path = join(FOLDER, name);
  writeFileSync(path, assemble(document, more));
  return path;
}

export const document = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** A browser for one file of tests. */
export function launch() {
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: CHROMIUM, args: [...args, '--font-render-hinting=none'] });
}

/**
 * A page that has begun. `errors` fills with what the console says is wrong, and with what it asks the network for.
 * @param {import('playwright-core').Browser} browser
 * @param {string} address a path or an address
 */
export async function open(browser, address, { scheme = 'light', width = 1440, height = 1000, bypassCSP = false } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: scheme, acceptDownloads: true, bypassCSP, reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(error.stack ?? error.message));
  page.on('request', (request) => {
    if (!/^(file|data|blob):/.test(request.url()) && !request.url().startsWith('http://127.0.0.1:')) errors.push(`asks for ${request.url()}`);
  });
  await page.goto(address.startsWith('/') ? `file://${address}` : address);
  await page.waitForSelector('html[data-ready="yes"]', { timeout: 60_000 });
  return { page, errors, context };
}

/** Waits until the page has shown what was chosen last. */
export async function settled(page) {
  await page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
}

export const cursor = (page) => page.evaluate(() => globalThis.blockjob.app.store.chosen.cursor);

/** What the live region says. */
export async function said(page) {
  await settled(page);
  return page.textContent('#live');
}

/** A server for pages; `stop` ends it. */
export async function serve(words) {
  const child = spawn(program(), ['sim', 'view', ...words, '--serve', '--port', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const address = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the server said nothing but: ${text}`)), 60_000);
    const read = (chunk) => {
      text += chunk;
      const found = /http:\/\/127\.0\.0\.1:\d+\/?/.exec(text);
      if (!found) return;
      clearTimeout(late);
      resolve(found[0]);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('exit', (code) => {
      clearTimeout(late);
      reject(new Error(`the server ended with ${code}: ${text}`));
    });
  });
  return { address, stop: () => child.kill('SIGKILL') };
}
