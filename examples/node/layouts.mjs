// What a page renderer in JavaScript does with layouts: keep the newest, choose a slate, know when to fall back.
// The same as policy/assignment.py; policy/vectors.json holds examples for both.

import { createHash } from "node:crypto";
import { chooseSegment, itemsOf, UNASSIGNED } from "./segments.mjs";

/** @typedef {import("../../schemas/generated/messages.js").Layout} Layout */
/** @typedef {import("../../schemas/generated/messages.js").LayoutLife} LayoutLife */
/** @typedef {import("../../schemas/generated/messages.js").LayoutShelf} LayoutShelf */
/** @typedef {Record<string, string>} Slate slot to item */
/** @typedef {{ variant: number, version: number, slate: Slate, rows: Record<string, string>, shelves: Record<string, LayoutShelf> }} Shown what a visitor gets; rows (to shelf) and shelves are empty on a flat page */

export const BASELINE = -1;
export const FALLBACK = -2;

/** A fraction in [0, 1): the first 53 bits of SHA-256 over the parts, joined by a line feed. @param {string[]} parts */
export function unitHash(...parts) {
  const digest = createHash("sha256").update(parts.join("\n"), "utf8").digest();
  return Number(digest.readBigUInt64BE(0) >> 11n) / 2 ** 53;
}

/** Whether the unit always gets the baseline. @param {string} unit @param {string} salt @param {number} share */
export function inHoldout(unit, salt, share) {
  return unitHash(unit, salt) < share;
}

/** The unit's variant, 0 to variants - 1. @param {string} unit @param {string} page @param {number} epoch @param {number} variants */
export function variantOf(unit, page, epoch, variants) {
  return Math.floor(variants * unitHash(unit, page, String(epoch)));
}

/** CRC-32 of the unit's UTF-8, modulo 256. @param {string} unit */
export function unitBin(unit) {
  let rest = 0xffffffff;
  for (const byte of Buffer.from(unit, "utf8")) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit += 1) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  }
  return ~rest & 255;
}

/** The branch of a bin of units: a policy on trial has a share of the bins. @param {number} bin @param {string} salt @param {number[]} shares */
export function branchOf(bin, salt, shares) {
  const drawn = unitHash(salt, String(bin));
  let end = 0;
  for (const [branch, share] of shares.entries()) {
    end += share;
    if (drawn < end) return branch;
  }
  return shares.length - 1;
}

/** The first of the unit's slates, and how many there are. @param {Layout} layout @param {string} unit */
function slatesFor(layout, unit) {
  const branches = layout.branches ?? [];
  if (branches.length === 0) return { first: 0, count: layout.slates.length };
  const branch = branchOf(
    unitBin(unit),
    layout.branch_salt ?? "",
    branches.map((one) => one.share),
  );
  const first = branches.slice(0, branch).reduce((sum, one) => sum + one.variants, 0);
  return { first, count: branches[branch].variants };
}

/** Variant, slate and rows of the unit, row to shelf: those of the holdout's baseline, or of one of the unit's slates.
 * @param {Layout} layout @param {string} unit */
export function choose(layout, unit) {
  if (inHoldout(unit, layout.holdout_salt, layout.holdout_share))
    return { variant: BASELINE, slate: layout.baseline, rows: layout.baseline_rows ?? {} };
  const { first, count } = slatesFor(layout, unit);
  const variant = first + variantOf(unit, layout.page, layout.epoch, count);
  return { variant, slate: layout.slates[variant], rows: layout.rows?.[variant] ?? {} };
}

/** The newest layouts of the `layouts` topic. */
export class Layouts {
  /** @type {Map<string, Layout>} */
  #held = new Map();
  /** @type {Map<string, number>} */
  #lives = new Map();
  /** @type {import("./segments.mjs").SegmentModel | undefined} */
  #newest;
  /** @type {Map<string, import("./segments.mjs").SegmentItems>} */
  #parts = new Map();
  /** @type {{model: import("./segments.mjs").SegmentModel, points: Map<string, number[]>} | undefined} */
  #model;

  /** Take one record: key and value as text, null deletes; an older version changes nothing.
   * @param {string} key @param {string | null} value */
  take(key, value) {
    const place = JSON.stringify(JSON.parse(key));
    if (value === null) {
      this.#held.delete(place);
      return;
    }
    /** @type {Layout} */
    const layout = JSON.parse(value);
    const held = this.#held.get(place);
    if (held === undefined || layout.version > held.version) this.#held.set(place, layout);
  }

  /** Take one record of `layout-lives`: until when layouts are good that name it and did not change.
   * @param {string} key @param {string | null} value */
  takeLife(key, value) {
    /** @type {LayoutLife | null} */
    const life = value === null ? null : JSON.parse(value);
    this.#lives.set(key, life?.expires_at ?? 0);
  }

  /** Take one record of `segments`: the model by which a visitor's segment follows from their items, or a part of it.
   * @param {string} key @param {string | null} value */
  takeSegments(key, value) {
    const part = /^items\/(\d{1,3})$/.exec(key)?.[1];
    if (key === "model") this.#newest = value === null ? undefined : JSON.parse(value);
    else if (part !== undefined && value === null) this.#parts.delete(part);
    else if (part !== undefined && value !== null) this.#parts.set(part, JSON.parse(value));
    if (this.#newest === undefined) this.#model = undefined;
    else if (this.#newest !== this.#model?.model) {
      const points = itemsOf(this.#newest, [...this.#parts.values()]);
      // The version before stays until all parts of this one are there.
      if (points !== undefined) this.#model = { model: this.#newest, points };
    }
  }

  /** The visitor's segment on a page: by what they looked at where it is learned, else what the shop says.
   * `context` is what is known of the visit; the model names the one attribute of it that has a part in the choice.
   * @param {string} page @param {string} own @param {string[]} items @param {string} current
   * @param {Record<string, string>} context */
  segmentOf(page, own, items, current, context = {}) {
    if (this.#held.get(JSON.stringify([page, "*"]))?.segments === undefined) return own;
    if (this.#model === undefined) return UNASSIGNED;
    const { model, points } = this.#model;
    return chooseSegment(model, points, items, current, context[model.attribute ?? ""] ?? "");
  }

  /** When a layout expires: by itself or with its life, whichever is later. @param {Layout} layout */
  #expiresAt(layout) {
    return Math.max(layout.expires_at, this.#lives.get(layout.life ?? "") ?? 0);
  }

  /** What `unit` is shown: variant, version, slate and rows; `fallback` where no layout is still good.
   * @param {string} page @param {string} segment @param {string} unit @param {number} nowMs @param {Slate} fallback @returns {Shown} */
  show(page, segment, unit, nowMs, fallback) {
    const layout = this.#held.get(JSON.stringify([page, segment])) ?? this.#held.get(JSON.stringify([page, "*"]));
    if (layout === undefined || this.#expiresAt(layout) <= nowMs)
      return { variant: FALLBACK, version: 0, slate: fallback, rows: {}, shelves: {} };
    return { version: layout.version, shelves: layout.shelves ?? {}, ...choose(layout, unit) };
  }
}
