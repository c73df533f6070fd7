// What pages say, in the language of this browser: each language is a catalog, a plain file.

import { number } from "./numbers.js";

const LANGUAGES = { en: ["English", "en-GB"], zh: ["中文", "zh-CN"] };
const STORED = "reshelf-language";

// What somebody chose here, else what the console's setting says, which the page has.
const chosen = localStorage.getItem(STORED) ?? "";
export const language = chosen in LANGUAGES ? chosen : document.documentElement.lang;
export const locale = LANGUAGES[language][1];
export const languages = Object.entries(LANGUAGES).map(([name, [title]]) => [name, title]);

const answer = await fetch(`/static/words.${language}.json`);
const catalog = await answer.json();
const plural = new Intl.PluralRules(language);
document.documentElement.lang = language;

export function speak(name) {
  localStorage.setItem(STORED, name);
  location.reload();
}

// The text of an entry; one with several forms has them by the plural of `count`.
function entry(key, count) {
  const text = catalog[key];
  return typeof text === "string" ? text : (text[plural.select(count)] ?? text.other);
}

const shown = (value) => (typeof value === "number" ? number(value) : value);

// An entry with its gaps filled in; numbers are counts.
export const t = (key, values = {}) => entry(key, values.count).replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));

// What stands in a page's file says by an attribute which entry it is.
export function speakPage() {
  for (const node of document.querySelectorAll("[data-say]")) node.append(t(node.dataset.say));
  for (const node of document.querySelectorAll("[data-label]")) node.title = node.ariaLabel = t(node.dataset.label);
}
