// Elements, numbers and times.

import { between as joined, number } from "./numbers.js";
import { locale, t } from "./words.js";

export { bytes, gain, money, number, outcome, percent, quantity, signed } from "./numbers.js";

export function element(tag, className = "", content = []) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...[content].flat());
  return made;
}

// Lines as they are, in a box that scrolls by keyboard, too.
export function block(className, content) {
  const made = element("pre", className, content);
  made.tabIndex = 0;
  return made;
}

export function drawing(tag, attributes = {}, content = []) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...[content].flat());
  return made;
}

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Bounds of an interval.
export const between = (low, high, form) => joined(low, high, form, (from, to) => t("to", { low: from, high: to }));
export const clock = (at) => new Date(at).toLocaleTimeString(locale);
export const day = (at) => new Date(at).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });

// When a rule ends, as people say it: a weekday within the next week; nothing for what stays.
export function until(at) {
  if (!at || at > 4e12) return "";
  const soon = at - Date.now() < 6.5 * 86_400_000;
  return new Date(at).toLocaleDateString(locale, soon ? { weekday: "long" } : { day: "numeric", month: "short" });
}

export function span(ms) {
  if (ms < 1000) return t("ms", { number: Math.max(0, ms) });
  if (ms < 60_000) return t("seconds", { number: number(ms / 1000, 1) });
  if (ms < 5_400_000) return t("minutes", { number: ms / 60_000 });
  return ms < 172_800_000 ? t("hours", { number: ms / 3_600_000 }) : t("days", { number: ms / 86_400_000 });
}

// A few names as buttons side by side, many as a list.
export function choice(label, names, chosen, choose, shown = (name) => name) {
  if (names.length > 6) {
    const list = element(
      "select",
      "",
      names.map((name) => new Option(shown(name), name, false, name === chosen)),
    );
    list.setAttribute("aria-label", label);
    list.addEventListener("change", () => choose(list.value));
    return list;
  }
  const box = element(
    "div",
    "choice",
    names.map((name) => {
      const button = element("button", "", shown(name));
      button.type = "button";
      button.setAttribute("aria-pressed", name === chosen);
      button.addEventListener("click", () => choose(name));
      return button;
    }),
  );
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", label);
  return box;
}

export function panel(title, content, note = "") {
  const head = element("h2", "", [title, element("span", "", note)]);
  const box = element("section", "panel", [head, ...[content].flat()]);
  box.note = (text) => say(head.lastChild, text);
  return box;
}

// Cells are texts or nodes; columns after the first `words` are numbers.  Keys scroll what is wider than a phone.
export function table(head, rows, words = 1) {
  const cells = (tag, row) =>
    row.map((cell, at) => element(cell === "" ? "td" : tag, at < words ? "" : "number", cell ?? "–"));
  const body = element(
    "tbody",
    "",
    rows.map((row) => element("tr", "", cells("td", row))),
  );
  const made = element(
    "div",
    "scroll",
    element("table", "", [element("thead", "", element("tr", "", cells("th", head))), body]),
  );
  made.tabIndex = 0;
  return made;
}

// Where a layout is not what was declared: the page fell back, or rules could not hold.
export function exceptions(layout) {
  const notes = [];
  if (layout.guard_rail) notes.push(element("p", "notice bad", t("layout.guard-rail", { why: layout.guard_rail })));
  if (layout.relaxed?.length)
    notes.push(element("p", "notice warn", t("layout.relaxed", { rules: layout.relaxed.join(", ") })));
  return notes;
}

export const segmentName = (name) => (name === "*" ? t("all-visitors") : name);
