// Plays a run: the cursor goes on by itself.

/** Speeds, in events a second. */
export const SPEEDS = [1, 2, 4, 8, 16, 32, 64, 256, 1024, 4096];

/**
 * How many events the cursor goes on after some time; what is left of one is kept for the next time.
 * @param {number} owed what was left the last time
 * @param {number} speed events a second
 * @param {number} elapsedMs
 * @returns {{steps:number, owed:number}}
 */
export function advance(owed, speed, elapsedMs) {
  // Whoever comes back to a hidden page is not to find himself at the end of the run.
  const sum = owed + (speed * Math.min(elapsedMs, 250)) / 1000;
  const steps = Math.floor(sum);
  return { steps, owed: sum - steps };
}

/** @param {import('#page/app.js').App} app */
export function player(app) {
  let owed = 0;
  let last = 0;
  const tick = (now) => {
    const { playing, speed, cursor } = app.store.chosen;
    if (!playing) return;
    const next = advance(owed, speed, now - last);
    owed = next.owed;
    last = now;
    if (next.steps > 0) app.go(cursor + next.steps);
    if (app.store.chosen.cursor >= app.model.run.count - 1) app.store.set({ playing: false });
    requestAnimationFrame(tick);
  };
  app.store.on(['playing'], ({ playing }) => {
    if (!playing) return;
    owed = 0;
    last = performance.now();
    requestAnimationFrame(tick);
  });
}
