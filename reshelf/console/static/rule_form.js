// Forms for rules that are about one item: where, how much, for whom, from when until when, and what for.

import { dateAfter } from "./dates.js";
import { choice, element, percent, segmentName } from "./dom.js";
import { inTheWay, nameFor } from "./draft.js";
import { field, openForm } from "./popup.js";
import { t } from "./words.js";

const OPEN = 4e12;
const TRIAL = 0.2;
const factors = { boost: ["1.5", "2", "3", "5"], lower: ["0.7", "0.5", "0.25", "0.1"] };

// A rule as a page's file has it; what is left open is left out.
function plain(rule) {
  const made = { kind: rule.kind, name: rule.name, ...rule.what };
  if (rule.segments.length) made.segments = rule.segments;
  if (rule.branches) made.branches = rule.branches;
  if (rule.starts_at) made.starts_at = rule.starts_at;
  if (rule.ends_at) made.ends_at = rule.ends_at;
  return made;
}

const dateOf = (at, zone) =>
  at > 0 && at < OPEN
    ? new Date(at).toLocaleString("sv-SE", { timeZone: zone }).slice(0, 16).replace(" 00:00", "")
    : "";

// The edits that put a pin where others make room for it, in words that say so; `slots` are the page's, the first on top.
export function pinStep(card, slot, slots, rules, rule = {}) {
  const pin = plain({
    kind: "pin",
    name: rule.name ?? nameFor(card.title, rules),
    what: { item: card.item, slot, ...(rule.or_above ? { or_above: true } : {}) },
    segments: rule.segments ?? [],
    branches: rule.branches,
    starts_at: rule.starts_at,
    ends_at: rule.ends_at,
  });
  const gone = inTheWay(pin, rules, slots[0]),
    [alone, instead] = rule.or_above
      ? ["step.pinned-above", "step.pinned-above-instead"]
      : ["step.pinned", "step.pinned-instead"];
  return {
    say: t(gone.length ? instead : alone, {
      title: card.title,
      slot,
      others: gone.map((one) => one.name).join(", "),
    }),
    edits: [...gone.map((one) => ({ do: "drop", name: one.name })), { do: "put", rule: pin }],
  };
}

export function boostStep(card, factor, rules, rule = {}) {
  const said = factor === 0 ? "step.kept-off" : factor < 1 ? "step.lowered" : "step.boosted";
  const put = plain({
    kind: "boost",
    name: rule.name ?? nameFor(card.title, rules),
    what: { match: { items: [card.item] }, factor },
    segments: rule.segments ?? [],
    branches: rule.branches,
    starts_at: rule.starts_at,
    ends_at: rule.ends_at,
  });
  return { say: t(said, { title: card.title, factor: String(factor) }), edits: [{ do: "put", rule: put }] };
}

// The rule of a draft as the form takes it: times as dates of the shop.
export const asFilled = (rule, zone) => ({
  name: rule.name,
  or_above: rule.or_above ?? false,
  branches: rule.branches,
  segments: rule.segments,
  starts_at: dateOf(rule.starts_at, zone),
  ends_at: dateOf(rule.ends_at, zone),
});

function segmentField(segments, chosen) {
  const boxes = segments.map((name) => {
    const box = element("input");
    box.type = "checkbox";
    box.value = name;
    box.checked = chosen.includes(name);
    return [box, element("label", "check", [box, segmentName(name)])];
  });
  const made = element("fieldset", "checks", [
    element("legend", "small soft", t("form.for-whom")),
    ...boxes.map(([, label]) => label),
  ]);
  return { made, values: () => boxes.filter(([box]) => box.checked).map(([box]) => box.value) };
}

function dateField(value) {
  const input = element("input");
  input.type = "date";
  input.value = value.slice(0, 10);
  return input;
}

// `kind` is pin, boost or lower; `act` gets the step. `about` has card, slots, slot, segments, zone, rules, and the rule
// that is changed where there is one.
export function ruleForm(kind, about, act) {
  const { card, slots, zone, rules, rule } = about,
    before = rule ?? { segments: [], starts_at: "", ends_at: "" };
  const name = element("input"),
    slot = element("select"),
    above = element("input"),
    trial = element("input"),
    from = dateField(before.starts_at),
    to = dateField(before.ends_at),
    segments = segmentField(about.segments, before.segments);
  name.value = before.name ?? "";
  name.placeholder = nameFor(card.title, rules);
  name.maxLength = 64;
  above.type = "checkbox";
  above.checked = before.or_above ?? about.or_above ?? false;
  trial.type = "checkbox";
  trial.checked = Boolean(before.branches);
  slot.append(...slots.map((one, at) => new Option(`${at + 1} · ${one}`, one, false, one === about.slot)));
  let factor = String(about.factor ?? factors[kind]?.[1] ?? "");
  const shown = factors[kind] ? [...new Set([...factors[kind], factor])].sort((a, b) => a - b) : [];
  const strength = element("div");
  const draw = () =>
    strength.replaceChildren(
      choice(
        t("form.how-much"),
        shown,
        factor,
        (one) => {
          factor = one;
          draw();
        },
        (one) => `×${one}`,
      ),
    );
  if (shown.length) draw();
  const week = element("button", "", t("form.week"));
  week.type = "button";
  week.addEventListener("click", () => {
    from.value = dateAfter(0, zone);
    to.value = dateAfter(7, zone);
  });
  const fields = [
    ...(kind === "pin"
      ? [field(t("form.place"), slot), element("label", "check", [above, t("form.or-above")])]
      : [element("div", "stacked", [element("span", "", t("form.how-much")), strength])]),
    segments.made,
    element("div", "tools", [field(t("form.from"), from), field(t("form.until"), to), week]),
    element("p", "small soft", t("form.dates", { zone })),
    element("label", "check", [trial, t("form.trial", { share: percent(TRIAL, 0) })]),
    field(t("form.what-for"), name, t("form.what-for-hint")),
  ];
  openForm(t(`form.${kind}`, { title: card.title }), fields, t("form.put"), () => {
    if (from.value && to.value && from.value >= to.value) throw new Error(t("form.end-first"));
    const title = name.value.trim() || before.name || nameFor(card.title, rules);
    const filled = {
      name: title,
      or_above: above.checked,
      branches: trial.checked ? (before.branches ?? [title]) : undefined,
      segments: segments.values(),
      starts_at: from.value === before.starts_at.slice(0, 10) ? before.starts_at : from.value,
      ends_at: to.value === before.ends_at.slice(0, 10) ? before.ends_at : to.value,
    };
    if (filled.name !== before.name && rules.some((one) => one.name === filled.name))
      throw new Error(t("form.taken", { name: filled.name }));
    const step =
      kind === "pin" ? pinStep(card, slot.value, slots, rules, filled) : boostStep(card, Number(factor), rules, filled);
    if (trial.checked && !before.branches) step.edits.unshift({ do: "try", branch: filled.branches[0], share: TRIAL });
    // A rule that gets another name is the old one no more.
    if (before.name && before.name !== filled.name) step.edits.unshift({ do: "drop", name: before.name });
    act(step);
  });
}
