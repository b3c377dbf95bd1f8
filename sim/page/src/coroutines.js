// Who runs at each event, whom it is about, and on whose behalf each coroutine works.

/**
 * @typedef {object} Coroutines
 * @property {string[]} names each as `context/name#serial`
 * @property {Int32Array} running who ran at each event, -1 for nobody
 * @property {Int32Array} subject whom an event is about that tells of a coroutine, -1 otherwise
 * @property {Int32Array} by who did that to it, -1 if the event loop or another thread did
 * @property {Int32Array} actor by coroutine, a place in `actors`
 * @property {Actor[]} actors
 */

/** @typedef {{kind:'context'|'guest'|'job', name:string}} Actor */

/** The fields that name the coroutine an event is about, by kind. */
const SUBJECT = {
  'coroutine-create': 'created',
  'coroutine-enter': 'entered',
  'coroutine-yield': 'yielded',
  'coroutine-end': 'ended',
};

/** What only a job's own coroutine, or one that works for it, reports. */
const OF_JOBS = [
  'mirror-step', 'mirror-yield', 'mirror-iteration', 'mirror-before-sleep', 'mirror-before-flush',
  'mirror-before-drain', 'job-sleep', 'job-yield', 'job-pause-point', 'job-run-end',
];

const OF_GUESTS = ['guest-ask', 'guest-done', 'guest-failed', 'guest-abandon'];

/** Gives numbers to coroutines. */
class Names {
  constructor(run) {
    this.run = run;
    this.names = [];
    this.byText = new Map();
    this.byPair = new Map();
    this.bySerial = new Map();
    this.byString = new Int32Array(run.strings.length).fill(-2);
  }

  #intern(text) {
    let number = this.byText.get(text);
    if (number === undefined) {
      number = this.names.push(text) - 1;
      this.byText.set(text, number);
      const slash = text.indexOf('/');
      const hash = text.lastIndexOf('#');
      if (hash > 0) this.bySerial.set(`${text.slice(0, slash)}#${text.slice(hash + 1)}`, number);
    }
    return number;
  }

  /** The coroutine that a string of the document names in full. */
  full(string) {
    if (string < 0) return -1;
    if (this.byString[string] === -2) this.byString[string] = this.#intern(this.run.strings[string]);
    return this.byString[string];
  }

  /** The coroutine `string` of a context. */
  within(context, string) {
    if (string < 0) return -1;
    const key = (context + 1) * 0x4000000 + string;
    let number = this.byPair.get(key);
    if (number === undefined) {
      const home = context < 0 ? '' : this.run.strings[context];
      number = this.#intern(`${home}/${this.run.strings[string]}`);
      this.byPair.set(key, number);
    }
    return number;
  }

  /** The coroutine with a serial number in a context, -1 if none was seen yet. */
  serial(context, serial) {
    const home = context < 0 ? '' : this.run.strings[context];
    return this.bySerial.get(`${home}#${serial}`) ?? -1;
  }
}

/**
 * @param {import('#page/run.js').Run} run
 * @returns {Coroutines}
 */
export function readCoroutines(run) {
  const names = new Names(run);
  const running = new Int32Array(run.count).fill(-1);
  const subject = new Int32Array(run.count).fill(-1);
  const by = new Int32Array(run.count).fill(-1);
  /** Who made whom. */
  const parents = [];
  const fields = run.kinds.map((kind) => kind.columns[SUBJECT[kind.name]]);
  const others = run.kinds.map((kind) => kind.columns.by);
  const wake = run.byName.get('coroutine-wake') ?? -1;
  const create = run.byName.get('coroutine-create') ?? -1;
  for (let i = 0; i < run.count; i += 1) {
    const kind = run.kind[i];
    const row = run.row[i];
    running[i] = names.full(run.coroutine[i]);
    if (fields[kind]) subject[i] = names.within(run.context[i], fields[kind][row]);
    else if (kind === wake) subject[i] = names.serial(run.context[i], run.number(i, 'serial'));
    if (others[kind]) by[i] = names.within(run.context[i], others[kind][row]);
    if (kind === create && subject[i] >= 0) parents[subject[i]] = running[i];
  }
  return { names: names.names, running, subject, by, ...whoActs(run, names.names, running, parents) };
}

/** For whom each coroutine works: by what it reports, or else as the one that made it. */
function whoActs(run, names, running, parents) {
  /** @type {Actor[]} */
  const actors = [];
  const known = new Map();
  const actorOf = (kind, name) => {
    const key = `${kind} ${name}`;
    if (!known.has(key)) known.set(key, actors.push({ kind, name }) - 1);
    return known.get(key);
  };
  const actor = new Int32Array(names.length).fill(-1);
  const claim = (kinds, kind, field) => {
    for (const i of run.ofKinds(kinds)) {
      const who = running[i];
      if (who >= 0 && actor[who] < 0) actor[who] = actorOf(kind, String(run.value(i, field)));
    }
  };
  claim(OF_GUESTS, 'guest', 'guest');
  claim(OF_JOBS, 'job', 'job');
  for (let who = 0; who < names.length; who += 1) {
    // Those who made it were numbered before it, so they are known already, however long the line.
    if (actor[who] >= 0) continue;
    const parent = parents[who] ?? -1;
    const context = names[who].slice(0, names[who].indexOf('/'));
    const guest = /^guest(\d+)$/.exec(context);
    if (parent >= 0 && parent !== who && actor[parent] >= 0) actor[who] = actor[parent];
    else if (guest) actor[who] = actorOf('guest', guest[1]);
    else actor[who] = actorOf('context', context);
  }
  return { actor, actors };
}
