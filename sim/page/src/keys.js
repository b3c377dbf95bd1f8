// What the keys do. The list that `?` shows is made of this one.

/** Keys, what they do, and what is said of it. `Shift+` stands before a key that is held with Shift. */
export const KEYS = [
  [['ArrowRight'], 'event-on', 'next event'],
  [['ArrowLeft'], 'event-back', 'previous event'],
  [['Shift+ArrowRight', '.'], 'decision-on', 'next decision'],
  [['Shift+ArrowLeft', ','], 'decision-back', 'previous decision'],
  [[']'], 'step-on', 'next step of the mirror'],
  [['['], 'step-back', 'previous step of the mirror'],
  [['/'], 'look', 'look for a kind, a name or a step'],
  [['n'], 'find-on', 'next event that fits'],
  [['N', 'Shift+N'], 'find-back', 'previous event that fits'],
  [['Home'], 'first', 'first event'],
  [['End'], 'last', 'last event'],
  [['w'], 'wrong', 'where the run went wrong'],
  [['g'], 'goto', 'go to an event (211) or a decision (d89)'],
  [['d'], 'difference', 'first difference of two runs'],
  [['v'], 'other', 'panels and stepping: the other one of two runs'],
  [[' '], 'play', 'play or stop'],
  [['+', '='], 'zoom-in', 'zoom in'],
  [['-'], 'zoom-out', 'zoom out'],
  [['0'], 'fit', 'the whole run'],
  [['PageUp'], 'pan-back', 'move the view back'],
  [['PageDown'], 'pan-on', 'move the view on'],
  [['s'], 'scale', 'across: order or time'],
  [['t'], 'theme', 'light or dark'],
  [['c'], 'link', 'copy a link to this event'],
  [['e'], 'save', 'save pictures and traces'],
  [['?'], 'help', 'this list'],
];

const NAMES = { ArrowRight: '→', ArrowLeft: '←', ' ': 'Space', PageUp: 'Page up', PageDown: 'Page down' };

/** A key as one reads it on the keyboard. */
export function keyName(key) {
  const [shift, plain] = key.startsWith('Shift+') ? ['Shift ', key.slice(6)] : ['', key];
  return shift + (NAMES[plain] ?? plain);
}

/**
 * What a key does, or null.
 * @param {{key:string, shiftKey?:boolean, ctrlKey?:boolean, altKey?:boolean, metaKey?:boolean}} event
 */
export function actionOf(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const held = event.shiftKey ? `Shift+${event.key}` : null;
  const found = KEYS.find(([keys]) => keys.includes(held)) ?? KEYS.find(([keys]) => keys.includes(event.key));
  return found ? found[1] : null;
}

/** Whether keys belong to the element that has the focus, since one writes or chooses there. */
export function takesKeys(element, key) {
  if (!element) return false;
  if (element.closest?.('dialog[open]')) return true;
  const tag = element.tagName;
  if (tag === 'INPUT' || tag === 'SELECT' || tag === 'TEXTAREA') return true;
  return tag === 'BUTTON' && (key === ' ' || key === 'Enter');
}
