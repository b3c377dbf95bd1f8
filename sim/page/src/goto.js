// Where a number leads that the reader types: `211` to that event, `d89` to that decision.

import { grouped } from '#page/words.js';

/** How numbers are typed. */
const EVENT = /^(?:event\s*|e)?(\d+)$/i;
const DECISION = /^(?:decision\s*|d)(\d+)$/i;

/**
 * @param {import('#page/run.js').Run} run
 * @param {string} text
 * @returns {{event:number, wrong:null}|{event:null, wrong:string}} where it leads, or one sentence that says why nowhere
 */
export function destination(run, text) {
  const plain = text.trim().replace(/(\d)[,_](?=\d)/g, '$1');
  const event = EVENT.exec(plain);
  const decision = DECISION.exec(plain);
  if (event) return ofEvent(run, Number(event[1]));
  if (decision) return ofDecision(run, Number(decision[1]));
  return nowhere(`“${text.trim()}” is no number of an event or a decision: 211 is an event, d89 a decision.`);
}

const nowhere = (wrong) => ({ event: null, wrong });

function ofEvent(run, number) {
  if (run.count === 0) return nowhere('This run has no events.');
  const last = run.numberOf(run.count - 1);
  if (number >= run.first && number <= last) return { event: number - run.first, wrong: null };
  const kept = run.first > 0 ? 'The events that were kept are' : 'The events are';
  return nowhere(`There is no event ${grouped(number)} here. ${kept} ${grouped(run.first)} to ${grouped(last)}.`);
}

function ofDecision(run, number) {
  if (run.decisionCount === 0) return nowhere('This run has no decisions.');
  if (number >= run.decisionCount) {
    return nowhere(`There is no decision ${grouped(number)}. The decisions are 0 to ${grouped(run.decisionCount - 1)}.`);
  }
  const event = run.eventOfDecision(number);
  if (event >= run.count) return nowhere(`Decision ${grouped(number)} was made after the last event.`);
  if (run.first > 0 && event === 0) {
    return nowhere(`Decision ${grouped(number)} was made before event ${grouped(run.first)}, the first one that was kept.`);
  }
  return { event, wrong: null };
}
