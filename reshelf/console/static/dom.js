// Elements, numbers and times.

export function element(tag, className = "", content = []) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...[content].flat());
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

const formats = new Map();
export function number(value, digits = 0) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (!formats.has(digits))
    formats.set(digits, new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return formats.get(digits).format(value);
}

export const percent = (value, digits = 1) =>
  value === null || !Number.isFinite(value) ? "–" : `${number(value * 100, digits)} %`;
export const gain = (value, digits = 1) =>
  value === null || !Number.isFinite(value)
    ? "–"
    : `${value > 0 ? "+" : value < 0 ? "−" : ""}${number(Math.abs(value) * 100, digits)} %`;
const moneyFormat = (currency) => new Intl.NumberFormat("en", { style: "currency", currency });
// From minor units to the currency's own.
export const major = (minor, currency) => minor / 10 ** moneyFormat(currency).resolvedOptions().maximumFractionDigits;
export const money = (minor, currency) => (minor === null ? "" : moneyFormat(currency).format(major(minor, currency)));
export const clock = (at) => new Date(at).toLocaleTimeString("en-GB");
export const day = (at) => new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

// When a rule ends, as people say it: a weekday within the next week; nothing for what stays.
export function until(at, before = "") {
  if (!at || at > 4e12) return "";
  const soon = at - Date.now() < 6.5 * 86_400_000;
  return (
    before + new Date(at).toLocaleDateString("en-GB", soon ? { weekday: "long" } : { day: "numeric", month: "short" })
  );
}

// The date so many days after the one that clocks of a time zone show at a time; not each of these days has 24 hours.
export function dateAfter(days, timeZone, at = Date.now()) {
  const [year, month, date] = new Date(at).toLocaleDateString("sv-SE", { timeZone }).split("-").map(Number);
  return new Date(Date.UTC(year, month - 1, date + days)).toISOString().slice(0, 10);
}

export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${number(value, at && value < 100 ? 1 : 0)} ${units[at]}`;
}

export function span(ms) {
  if (ms < 1000) return `${number(Math.max(0, ms))} ms`;
  if (ms < 60_000) return `${number(ms / 1000, 1)} s`;
  if (ms < 5_400_000) return `${number(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${number(ms / 3_600_000)} h` : `${number(ms / 86_400_000)} days`;
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

// Cells are texts or nodes; columns after the first `words` are numbers.
export function table(head, rows, words = 1) {
  const cells = (tag, row) => row.map((cell, at) => element(tag, at < words ? "" : "number", cell ?? "–"));
  const body = element(
    "tbody",
    "",
    rows.map((row) => element("tr", "", cells("td", row))),
  );
  return element(
    "div",
    "scroll",
    element("table", "", [element("thead", "", element("tr", "", cells("th", head))), body]),
  );
}

// Where a layout is not what was declared: the page fell back, or rules could not hold.
export function exceptions(layout) {
  const notes = [];
  if (layout.guard_rail)
    notes.push(
      element(
        "p",
        "notice bad",
        `All visitors get the baseline, because a guard-rail was crossed: ${layout.guard_rail}.`,
      ),
    );
  if (layout.relaxed?.length)
    notes.push(element("p", "notice warn", `Rules that could not hold: ${layout.relaxed.join(", ")}.`));
  return notes;
}

export const segmentName = (name) => (name === "*" ? "all visitors" : name);
