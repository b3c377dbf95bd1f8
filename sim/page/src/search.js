// Searching sorted arrays.

/**
 * The first index in `sorted` whose value is not below `value`.
 * @param {ArrayLike<number>} sorted
 * @param {number} value
 * @param {number} [low] where to begin
 * @param {number} [high] where to stop
 * @returns {number}
 */
export function lowerBound(sorted, value, low = 0, high = sorted.length) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The first index in `sorted` whose value is above `value`.
 * @param {ArrayLike<number>} sorted
 * @param {number} value
 * @param {number} [low]
 * @param {number} [high]
 * @returns {number}
 */
export function upperBound(sorted, value, low = 0, high = sorted.length) {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The first index in a list whose `event` is not below `event`.
 * @param {{event:number}[]} list in the order of events
 * @param {number} event
 * @returns {number}
 */
export function firstAtOrAfter(list, event) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle].event < event) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The next value after `value` in `sorted`, or -1.
 * @param {ArrayLike<number>} sorted
 * @param {number} value
 * @returns {number}
 */
export function nextAfter(sorted, value) {
  const at = upperBound(sorted, value);
  return at < sorted.length ? sorted[at] : -1;
}

/**
 * The last value before `value` in `sorted`, or -1.
 * @param {ArrayLike<number>} sorted
 * @param {number} value
 * @returns {number}
 */
export function lastBefore(sorted, value) {
  const at = lowerBound(sorted, value);
  return at > 0 ? sorted[at - 1] : -1;
}

/**
 * `value`, but not outside of `low..=high`.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
