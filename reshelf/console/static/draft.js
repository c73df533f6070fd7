// What was changed on a page and is not published yet: this tab keeps it, as edits of the page's file.
//
// `text` is what they are made on, empty for what is in force; `cards` are items that edits name.

import { send } from "./answer.js";

const key = (page) => `reshelf-draft:${page}`;
const keep = (page, draft) => sessionStorage.setItem(key(page), JSON.stringify(draft));

export const discard = (page) => sessionStorage.removeItem(key(page));
export const draftOf = (page) => JSON.parse(sessionStorage.getItem(key(page)) ?? "null");
export const editsOf = (draft) => draft.steps.flatMap((step) => step.edits);

// A step is one thing that somebody did, in words and as edits; it is undone as one.
export function add(page, version, step, cards = []) {
  const draft = draftOf(page) ?? { version, text: "", steps: [], cards: {} };
  draft.steps.push(step);
  for (const card of cards) draft.cards[card.item] = card;
  keep(page, draft);
}

export function undo(page) {
  const draft = draftOf(page);
  draft.steps.pop();
  if (draft.steps.length || draft.text) keep(page, draft);
  else discard(page);
}

// Who wrote the text by hand sees the edits in it.
export function write(page, version, text) {
  keep(page, { version, text, steps: [], cards: draftOf(page)?.cards ?? {} });
}

// The same edits on what somebody published meanwhile.
export const rebase = (page, version) => keep(page, { ...draftOf(page), version });

export const bodyOf = (page, draft) => ({ page, text: draft.text, edits: editsOf(draft) });
export const looked = (page, draft) => send("rules/draft", bodyOf(page, draft));

const open = 4e12;
const meet = (one, other) => (!one.length || !other.length || one.some((name) => other.includes(name))) ?? false;

// Pins that cannot hold beside another one, for somebody at some time: they make room for it.  An item has one pin; of
// two in one slot one gives way, unless there is a slot above the `first` for it.
export function inTheWay(pin, rules, first) {
  const single = (one) => !one.or_above || one.slot === first;
  return rules.filter(
    (rule) =>
      rule.kind === "pin" &&
      rule.name !== pin.name &&
      (rule.item === pin.item
        ? rule.slot !== pin.slot || Boolean(rule.or_above) !== Boolean(pin.or_above)
        : rule.slot === pin.slot && single(rule) && single(pin)) &&
      meet(rule.segments ?? [], pin.segments ?? []) &&
      meet(rule.branches ?? [], pin.branches ?? []) &&
      rule.ends_at > (Date.parse(pin.starts_at) || 0) &&
      rule.starts_at < (Date.parse(pin.ends_at) || open),
  );
}

// A name that no other rule has, from words of a title.
export function nameFor(words, rules) {
  const short = words.slice(0, 56).trim(),
    names = new Set(rules.map((rule) => rule.name));
  let name = short;
  for (let count = 2; names.has(name); count += 1) name = `${short} (${count})`;
  return name;
}
