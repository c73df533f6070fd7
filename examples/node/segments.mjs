// Which learned segment a visitor is in, from the items that they looked at last.
// The same as policy/segments/rule.py; policy/vectors.json holds examples for both.

/** @typedef {import("../../schemas/generated/messages.js").SegmentModel} SegmentModel */
/** @typedef {import("../../schemas/generated/messages.js").SegmentItems} SegmentItems */

export const UNASSIGNED = "t00";
const OTHER = "other";
const NO_POINTS = /** @type {number[]} */ ([]);

/** All items of a model, from its parts; undefined while one is missing. @param {SegmentModel} model @param {SegmentItems[]} parts */
export function itemsOf(model, parts) {
  const own = new Map(
    parts.filter((one) => one.version === model.version && one.part < model.parts).map((one) => [one.part, one.items]),
  );
  if (own.size < model.parts) return undefined;
  const items = [...own.values()].flatMap((one) => Object.entries(one));
  return new Map(items.filter(([, points]) => points.length === model.names.length));
}

/** The last distinct items, the newest first. @param {string[]} items @param {number} window */
export function lastItems(items, window) {
  return [...new Set([...items].reverse())].slice(0, window);
}

/** The segment of a visitor who is in `current` now, from what they looked at, the newest last.
 * @param {SegmentModel} model @param {Map<string, number[]>} points @param {string[]} items @param {string} current @param {string} value */
export function chooseSegment(model, points, items, current = "", value = "") {
  const known = lastItems(items, model.window ?? 16).flatMap((item) => {
    const own = points.get(item);
    return own === undefined ? [] : [own];
  });
  if (known.length === 0 || model.names.length === 0) return UNASSIGNED;
  const values = new Map(Object.entries(model.values ?? {}));
  const ofValue = values.get(value) ?? values.get(OTHER) ?? NO_POINTS;
  const sums = model.starts.map((start, at) => known.reduce((sum, own) => sum + own[at], start + (ofValue[at] ?? 0)));
  const largest = Math.max(...sums);
  const held = model.names.indexOf(current);
  if (held >= 0 && sums[held] + (model.margin ?? 0) >= largest) return current;
  return model.names[sums.indexOf(largest)];
}
