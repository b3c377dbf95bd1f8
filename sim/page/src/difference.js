// Two runs: where they first differ, and which events stand beside each other.

import { upperBound } from '#page/search.js';

/** Whether event `i` is the same in both runs: same time, kind, place and fields. */
function same(a, b, i) {
  if (a.at[i] !== b.at[i] || a.kindName(i) !== b.kindName(i)) return false;
  if (a.contextName(i) !== b.contextName(i) || a.coroutineName(i) !== b.coroutineName(i)) return false;
  const [left, right] = [a.fields(i), b.fields(i)];
  return left.length === right.length
    && left.every(([name, value], at) => right[at][0] === name && right[at][1] === value);
}

/**
 * The first difference of two runs, as the document has it; null if they are the same.
 * @param {import('#page/run.js').Run} a
 * @param {import('#page/run.js').Run} b
 * @returns {{event_a:number, event_b:number, decision:number|null}|null}
 */
export function firstDifference(a, b) {
  const most = Math.min(a.count, b.count);
  let event = 0;
  while (event < most && same(a, b, event)) event += 1;
  if (event === most && a.count === b.count) return null;
  return { event_a: event, event_b: event, decision: firstDecision(a, b) };
}

/** The first decision of which the runs chose differently. */
function firstDecision(a, b) {
  const most = Math.min(a.decisionCount, b.decisionCount);
  for (let d = 0; d < most; d += 1) {
    const [left, right] = [a.decision(d), b.decision(d)];
    if (left.site !== right.site || left.chosen !== right.chosen) return d;
  }
  return a.decisionCount === b.decisionCount ? null : most;
}

/**
 * The event of `b` that stands beside event `i` of `a`: the same one before the first difference, then the
 * last one that is not later.
 */
export function counterpart(a, b, difference, i) {
  if (b.count === 0) return 0;
  if (!difference || i < difference.event_a) return Math.min(i, b.count - 1);
  if (i === difference.event_a) return Math.min(difference.event_b, b.count - 1);
  const at = upperBound(b.at, a.at[i]) - 1;
  return Math.min(Math.max(difference.event_b, at), b.count - 1);
}

/** How a run ended, in a few words. */
export function outcome(model) {
  const { failure } = model;
  if (failure) return `broke ${failure.rule}: ${failure.place}`;
  const { run } = model;
  const ends = [...run.ofKind('event')].filter((i) =>
    ['BLOCK_JOB_COMPLETED', 'BLOCK_JOB_CANCELLED'].includes(String(run.value(i, 'name'))));
  if (ends.length === 0) return 'broke no rule';
  const how = ends.map((i) => {
    const failed = run.value(i, 'error') ? ` with ${run.value(i, 'error')}` : '';
    return `${run.value(i, 'job')} ${run.value(i, 'name') === 'BLOCK_JOB_COMPLETED' ? 'completed' : 'cancelled'}${failed}`;
  });
  return `broke no rule; ${how.slice(0, 3).join(', ')}${how.length > 3 ? '…' : ''}`;
}
