// Where a step leads: by event, by decision, by step of the mirror, or to what one looks for.

import { clamp, lastBefore, lowerBound, nextAfter } from '#page/search.js';
import { line, place } from '#page/words.js';

/** The event after `i`, or before it. */
export function byEvent(run, i, direction) {
  return clamp(i + direction, 0, Math.max(0, run.count - 1));
}

/** The first event after the next decision, or after the one before. Stays where it is if there is none. */
export function byDecision(run, i, direction) {
  if (run.count === 0) return i;
  const decided = run.decided[i];
  if (direction > 0) {
    const to = run.eventOfDecision(decided);
    return to < run.count ? to : i;
  }
  const start = lowerBound(run.decided, decided);
  if (start < i) return start;
  if (start === 0) return i;
  return lowerBound(run.decided, run.decided[start - 1]);
}

/** The next step M1..M17 of a mirror, or the one before. */
export function byStep(run, i, direction) {
  const steps = run.ofKind('mirror-step');
  const to = direction > 0 ? nextAfter(steps, i) : lastBefore(steps, i);
  return to < 0 ? i : to;
}

/**
 * What one looks for: words, all of which must be in an event's kind, place or details; a step as `M14`
 * alone means that step and not M1.
 * @param {import('#page/run.js').Run} run
 * @param {string} text
 * @returns {((i:number) => boolean)|null} null if one looks for nothing
 */
export function matcher(run, text) {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return null;
  const step = words.length === 1 && /^m\d+$/.test(words[0]) ? words[0].toUpperCase() : null;
  if (step) return (i) => run.kindName(i) === 'mirror-step' && run.value(i, 'step') === step;
  const kinds = run.kinds.map((kind) => words.length === 1 && kind.name === words[0]);
  const exact = kinds.indexOf(true);
  if (exact >= 0) return (i) => run.kind[i] === exact;
  return (i) => {
    const haystack = `${line(run, i)} ${place(run, i)} ${run.coroutineName(i)}`.toLowerCase();
    return words.every((word) => haystack.includes(word));
  };
}

/**
 * The next event that fits, or the one before; -1 if there is none.
 * @param {import('#page/run.js').Run} run
 * @param {number} i
 * @param {number} direction 1 or -1
 * @param {string} text
 */
export function find(run, i, direction, text) {
  return seek(run, i, direction, text)(Infinity);
}

/** So many events are looked at before one looks at the clock. */
const AT_ONCE = 256;

/**
 * The same bit by bit, for long runs: what it returns looks on for so many milliseconds each time that it is called,
 * and returns null as long as it does not know.
 * @returns {(budgetMs:number) => number|null}
 */
export function seek(run, i, direction, text) {
  const whole = run.ofKind(text.trim());
  if (whole.length) return () => (direction > 0 ? nextAfter(whole, i) : lastBefore(whole, i));
  const fits = matcher(run, text);
  if (!fits) return () => -1;
  let at = i + direction;
  return (budgetMs) => {
    const until = performance.now() + budgetMs;
    for (let looked = 1; at >= 0 && at < run.count; at += direction, looked += 1) {
      if (fits(at)) return at;
      if (looked % AT_ONCE === 0 && performance.now() > until) {
        at += direction;
        return null;
      }
    }
    return -1;
  };
}

/**
 * The step of the mirror that a job is in at event `i`: the last one until then, or null.
 * @param {import('#page/run.js').Run} run
 * @param {number} i
 * @param {ArrayLike<number>} [steps] the events of steps, in order: of all jobs if nothing is said
 */
export function stepAt(run, i, steps = run.ofKind('mirror-step')) {
  const at = lowerBound(steps, i + 1) - 1;
  return at < 0 ? null : { step: String(run.value(steps[at], 'step')), event: steps[at], job: run.value(steps[at], 'job') };
}
