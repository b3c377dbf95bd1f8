// Says in words where the cursor is, for those who hear the page.

import { whereabouts } from '#page/words.js';

/** While a run plays nobody can listen to every event: so much time lies between two sentences. */
const PAUSE_MS = 700;

/** @param {import('#page/app.js').App} app @param {HTMLElement} element */
export function liveRegion(app, element) {
  let timer = null;
  const say = () => {
    timer = null;
    const { cursor, found } = app.store.chosen;
    if (app.model.run.count === 0) return;
    const which = app.against ? `run ${app.followed}: ` : '';
    element.textContent = `${found ? `${found}; ` : ''}${which}${whereabouts(app.model.run, cursor)}`;
  };
  app.store.on(['cursor', 'run', 'found'], ({ playing }) => {
    if (!playing) {
      clearTimeout(timer);
      say();
    } else {
      timer ??= setTimeout(say, PAUSE_MS);
    }
  });
}

/** Says a sentence that is about the page and not about the cursor. */
export function announce(element, text) {
  element.textContent = text;
}
