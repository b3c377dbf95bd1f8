// Who woke whom: each wake, with the turn that it led to.

/**
 * @typedef {object} Wakes
 * @property {Uint32Array} from events of the wakes, in order
 * @property {Uint32Array} to the event at which the woken one ran, or the number of events if it never did
 */

/**
 * @param {import('#page/run.js').Run} run
 * @param {import('#page/coroutines.js').Coroutines} coroutines
 * @returns {Wakes}
 */
export function pairWakes(run, coroutines) {
  const from = run.ofKind('coroutine-wake');
  const to = new Uint32Array(from.length).fill(run.count);
  const waiting = new Map();
  const wake = run.byName.get('coroutine-wake') ?? -1;
  const enter = run.byName.get('coroutine-enter') ?? -1;
  for (let i = 0; i < run.count; i += 1) {
    const who = coroutines.subject[i];
    if (who < 0) continue;
    if (run.kind[i] === wake) {
      // A second wake before the turn leads to the same turn: a coroutine is in the queue once.
      if (waiting.has(who)) waiting.get(who).push(run.row[i]);
      else waiting.set(who, [run.row[i]]);
    } else if (run.kind[i] === enter && waiting.has(who)) {
      for (const row of waiting.get(who)) to[row] = i;
      waiting.delete(who);
    }
  }
  return { from, to };
}
