// The lanes as Perfetto and chrome://tracing read them: the form of trace events.

import { line } from '#page/words.js';

/** Lanes of one role are one process. */
const PROCESSES = ['monitor', 'context', 'job', 'guest', 'source', 'target', 'disk', 'drain'];

/**
 * Much happens at one instant. So that an order is seen, each event stands a nanosecond after the one
 * before at least.
 * @param {import('#page/run.js').Run} run
 * @returns {Float64Array} microseconds, one more than there are events
 */
function times(run) {
  const out = new Float64Array(run.count + 1);
  let now = 0;
  for (let i = 0; i < run.count; i += 1) {
    now = Math.max(run.at[i], now + 1);
    out[i] = now / 1000;
  }
  out[run.count] = Math.max(run.endNs, now + 1) / 1000;
  return out;
}

/**
 * @param {import('#page/model.js').Model} model
 * @returns {string} JSON
 */
export function perfetto(model) {
  const { run, lanes, wakes } = model;
  const at = times(run);
  const events = [];
  const pidOf = (lane) => PROCESSES.indexOf(lane.role) + 1;
  const tidOf = (lane, row) => lane * 16 + row + 1;
  for (const [number, name] of PROCESSES.entries()) {
    events.push({ ph: 'M', name: 'process_name', pid: number + 1, args: { name } });
  }
  lanes.forEach((lane, number) => {
    const rows = Math.max(1, lane.rows.length);
    for (let row = 0; row < rows; row += 1) {
      const name = row === 0 ? lane.label : `${lane.label} ${row + 1}`;
      events.push({ ph: 'M', name: 'thread_name', pid: pidOf(lane), tid: tidOf(number, row), args: { name } });
    }
    lane.rows.forEach((slices, row) => {
      for (let slice = 0; slice < slices.start.length; slice += 1) {
        const [from, to] = [at[slices.start[slice]], at[Math.min(slices.end[slice], run.count)]];
        events.push({
          ph: 'X', name: lane.labels[slices.label[slice]], pid: pidOf(lane), tid: tidOf(number, row), ts: from,
          dur: Math.max(0, Number((to - from).toFixed(3))), args: { event: run.numberOf(slices.start[slice]) },
        });
      }
    });
    for (const mark of lane.marks) {
      events.push({ ph: 'i', s: 't', name: line(run, mark), pid: pidOf(lane), tid: tidOf(number, 0), ts: at[mark], args: { event: run.numberOf(mark) } });
    }
  });
  for (let wake = 0; wake < wakes.from.length; wake += 1) {
    const [from, to] = [wakes.from[wake], wakes.to[wake]];
    const [waker, woken] = [model.wakerOf(from), to < run.count ? model.wokenBy(to) : -1];
    if (waker < 0 || woken < 0) continue;
    const arrow = { name: 'wake', cat: 'wake', id: wake + 1 };
    events.push({ ph: 's', ...arrow, pid: pidOf(lanes[waker]), tid: tidOf(waker, 0), ts: at[from] });
    events.push({ ph: 'f', bp: 'e', ...arrow, pid: pidOf(lanes[woken]), tid: tidOf(woken, 0), ts: at[to] });
  }
  return `${JSON.stringify({ displayTimeUnit: 'ns', traceEvents: events })}\n`;
}
