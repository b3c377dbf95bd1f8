// Makes documents of runs that never were: a mirror under a guest's writes, as long as one likes. They are
// for tests of the page alone, which need a million events, or events in places that one knows.

/** Numbers that look random and are the same each time. */
function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const FIELDS = {
  'coroutine-create': { created: 'text' },
  'coroutine-enter': { entered: 'text', by: 'text' },
  'coroutine-yield': { yielded: 'text' },
  'coroutine-end': { ended: 'text' },
  'coroutine-wake': { serial: 'number', by: 'text' },
  'job-status': { job: 'text', from: 'text', to: 'text' },
  'mirror-step': { job: 'text', step: 'text' },
  'mirror-iteration': { job: 'text', offset: 'number', bytes: 'number' },
  'mirror-iteration-done': { job: 'text', offset: 'number', bytes: 'number' },
  'dirty-set': { node: 'text', bitmap: 'text', offset: 'number', bytes: 'number' },
  'dirty-clear': { node: 'text', bitmap: 'text', offset: 'number', bytes: 'number' },
  'disk-begin': { disk: 'text', request: 'text', offset: 'number', bytes: 'number' },
  'disk-land': { disk: 'text', request: 'text', offset: 'number', bytes: 'number', failed: 'flag' },
  'guest-ask': { guest: 'number', id: 'number', request: 'text', offset: 'number', bytes: 'number' },
  'guest-done': { guest: 'number', id: 'number', request: 'text', offset: 'number', bytes: 'number' },
  'drain-begin': { node: 'text', section: 'number', owner: 'text' },
  drained: { node: 'text', section: 'number', owner: 'text' },
  'drain-end': { node: 'text', section: 'number', owner: 'text' },
  'replace-node': { from: 'text', to: 'text' },
  timer: { name: 'text' },
  note: { who: 'text', text: 'text' },
};

/** Writes a document event by event. */
export class Writer {
  constructor(more = {}) {
    this.strings = [];
    this.numbers = new Map();
    this.kinds = [];
    this.kindNumbers = new Map();
    this.events = { at_ns: [], decisions: [], context: [], coroutine: [], kind: [] };
    this.decisions = { site: [], n: [], chosen: [], labels: [] };
    this.now = 0;
    this.last = 0;
    this.decided = 0;
    this.more = more;
  }

  string(text) {
    if (text === null || text === undefined) return null;
    if (!this.numbers.has(text)) this.numbers.set(text, this.strings.push(text) - 1);
    return this.numbers.get(text);
  }

  /** A decision is made before the next event. */
  decide(n, chosen) {
    this.decisions.site.push(0);
    this.decisions.n.push(n);
    this.decisions.chosen.push(chosen);
    this.decisions.labels.push(null);
  }

  /** An event of `kind` happens at `this.now`. Returns its number. */
  event(kind, values = {}, coroutine = null, context = 'main') {
    if (!this.kindNumbers.has(kind)) {
      const types = FIELDS[kind];
      const columns = Object.fromEntries(Object.keys(types).map((field) => [field, []]));
      this.kindNumbers.set(kind, this.kinds.push({ name: kind, columns, types }) - 1);
    }
    const number = this.kindNumbers.get(kind);
    const { columns, types } = this.kinds[number];
    for (const [field, column] of Object.entries(columns)) {
      const value = values[field] ?? null;
      column.push(types[field] === 'text' ? this.string(value) : value === null ? null : Number(value));
    }
    this.events.at_ns.push(this.now - this.last);
    this.last = this.now;
    this.events.decisions.push(this.decisions.site.length - this.decided);
    this.decided = this.decisions.site.length;
    this.events.context.push(this.string(context));
    this.events.coroutine.push(coroutine === null ? -1 : this.string(coroutine));
    return this.events.kind.push(number) - 1;
  }

  document() {
    return {
      format: 'blockjob-view', version: 1, title: 'A run that never was', origin: 'sim', command: null, log: 'bj1:none',
      bug: null, scenario: 'synthetic', policy: null, config: [['granularity', '65536', 'what one dirty bit stands for']],
      digest: null, end_ns: this.now, lost: 0, strings: this.strings, kinds: this.kinds, events: this.events,
      decisions: this.decisions, sites: [{ name: 'aio.next', what: 'Which coroutine runs next.' }],
      steps: [{ step: 'M10', what: 'Take dirty granules.', qemu: 'mirror_iteration, block/mirror.c', file: 'here.rs', line: 2, first_line: 1, source: ['fn one() {', '    two();', '}'] }],
      states: { names: ['undefined', 'created', 'running', 'ready'], transitions: [['undefined', 'created'], ['created', 'running'], ['running', 'ready']], verbs: [] },
      jobs: [{ name: 'job0', source: 'source', target: 'target', granularity_bytes: 65536, length_bytes: 4096 * 65536 }],
      disks: [], story: { lines: [], causes: [], waiting: [] }, failure: null, ...this.more,
    };
  }
}

/** One copy of the mirror, with the wakes around it. */
function copy(w, offset) {
  const bytes = 65536;
  const job = { job: 'job0' };
  w.decide(2, 0);
  w.event('coroutine-enter', { entered: 'job#1' });
  w.event('mirror-step', { ...job, step: 'M10' }, 'main/job#1');
  w.event('mirror-iteration', { ...job, offset, bytes }, 'main/job#1');
  w.event('dirty-clear', { node: 'source', bitmap: '#1', offset, bytes }, 'main/job#1');
  for (const [disk, request] of [['source', 'read'], ['target', 'write']]) {
    w.event('disk-begin', { disk, request, offset, bytes }, 'main/job#1');
    w.event('coroutine-yield', { yielded: 'job#1' }, 'main/job#1');
    w.now += 1000;
    w.event('disk-land', { disk, request, offset, bytes, failed: false }, null, null);
    w.event('coroutine-wake', { serial: 1 });
    w.event('coroutine-enter', { entered: 'job#1' });
  }
  w.event('mirror-iteration-done', { ...job, offset, bytes }, 'main/job#1');
  w.event('coroutine-yield', { yielded: 'job#1' }, 'main/job#1');
}

/** A guest writes, and its granule is dirty again. */
function write(w, id, offset) {
  const request = { guest: 0, id, request: 'write', offset, bytes: 4096 };
  w.event('coroutine-enter', { entered: 'guest#2' });
  w.event('guest-ask', request, 'main/guest#2');
  w.event('coroutine-yield', { yielded: 'guest#2' }, 'main/guest#2');
  w.now += 700;
  const granule = Math.floor(offset / 65536) * 65536;
  w.event('dirty-set', { node: 'source', bitmap: '#1', offset: granule, bytes: 65536 });
  w.event('coroutine-wake', { serial: 2 });
  w.event('coroutine-enter', { entered: 'guest#2' });
  w.event('guest-done', request, 'main/guest#2');
  w.event('coroutine-yield', { yielded: 'guest#2' }, 'main/guest#2');
}

/**
 * A run of at least `events` events.
 * @param {number} events
 * @param {object} [more] what the document is to say besides
 */
export function synthetic(events, more = {}) {
  const w = new Writer(more);
  const draw = numbers(7);
  w.event('coroutine-create', { created: 'job#1' });
  w.event('coroutine-create', { created: 'guest#2' });
  w.event('job-status', { job: 'job0', from: 'undefined', to: 'created' });
  w.event('job-status', { job: 'job0', from: 'created', to: 'running' });
  w.event('dirty-set', { node: 'source', bitmap: '#1', offset: 0, bytes: 4096 * 65536 });
  for (let round = 0; w.events.kind.length < events - 8; round += 1) {
    copy(w, draw(4096) * 65536);
    write(w, round + 1, draw(4096 * 16) * 4096);
    if (round % 50 === 0) {
      const section = { node: 'source', section: round, owner: 'probe' };
      w.event('drain-begin', section);
      w.now += 500;
      w.event('drained', section);
      w.now += 500;
      w.event('drain-end', section);
    }
  }
  w.event('job-status', { job: 'job0', from: 'running', to: 'ready' });
  w.event('replace-node', { from: 'source', to: 'target' });
  return w.document();
}
