// Which page is open, and the round of asking for its content.

import { ask } from "./answer.js";
import { allowImages } from "./art.js";
import { calendar } from "./calendar.js";
import { drawing, element, say, segmentName, span } from "./dom.js";
import { drafts } from "./drafts.js";
import { experiment } from "./experiment.js";
import { openHelp } from "./help.js";
import { items } from "./items.js";
import { become } from "./person.js";
import { pipeline } from "./pipeline.js";
import { rules } from "./rules.js";
import { segments } from "./segments.js";
import { shop } from "./shop.js";
import { start } from "./start.js";
import { why } from "./why.js";
import { language, languages, speak, speakPage, t } from "./words.js";

const views = { start, shop, items, experiment, pipeline, why, rules, drafts, calendar, segments };
const main = document.getElementById("main"),
  tabs = document.getElementById("tabs"),
  status = document.getElementById("status");
const OLD_MS = 5000;
let shown = null,
  round = 0,
  pages = {},
  usual = "",
  warnings = [];

// The address after # is the page's name and what was chosen on it.
function address() {
  const [asked, query] = location.hash.slice(1).split("?");
  return { asked, name: asked in views ? asked : "start", query: Object.fromEntries(new URLSearchParams(query)) };
}

export function go(name, query) {
  location.hash = `${name}?${new URLSearchParams(query)}`;
}

function chosen(query) {
  const page = [query.page, usual, ...Object.keys(pages)].find((one) => one in pages) ?? "";
  const segments = pages[page] ?? ["*"];
  return { unit: "", ...query, page, segment: segments.includes(query.segment) ? query.segment : segments[0] };
}

// What the address asks for and is not there.
function lacking(asked, name, query, now) {
  const said = [];
  if (asked && asked !== name) said.push(t("console.no-such-page", { asked, title: views[name].title }));
  if (query.page && query.page !== now.page) said.push(t("console.no-page", { asked: query.page, page: now.page }));
  else if (query.segment && query.segment !== now.segment)
    said.push(t("console.no-segment", { page: now.page, asked: query.segment, segment: segmentName(now.segment) }));
  return said;
}

function signal(state, text, more = text) {
  status.dataset.state = state;
  status.title = more;
  say(status.lastElementChild, text);
}

// The head of every page has the first words of the first warning; the page Pipeline says more.
function signalled() {
  if (warnings.length) signal("warned", warnings[0].split(/[:：]/)[0], warnings.join("\n"));
  else signal("live", t("console.live"));
}

function open() {
  const { asked, name, query } = address(),
    view = views[name];
  const now = {
    ...chosen(query),
    pages,
    go: (change) => go(name, { ...query, page: now.page, segment: now.segment, ...change }),
  };
  main.replaceChildren();
  main.classList.remove("aged");
  document.title = `${view.title} · Reshelf`;
  for (const tab of tabs.children) {
    if (tab.dataset.name === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
    tab.href = `#${tab.dataset.name}?${new URLSearchParams({ page: now.page, segment: now.segment })}`;
  }
  shown = { view, now, update: view.open(main, now), tag: "", at: 0 };
  const lacks = Object.keys(pages).length ? lacking(asked, name, query, now) : [];
  if (lacks.length) {
    main.prepend(...lacks.map((text) => element("p", "notice warn", text)));
    history.replaceState(
      null,
      "",
      `#${name}?${new URLSearchParams({ ...query, page: now.page, segment: now.segment })}`,
    );
  }
  look(++round);
}

// What stands there is as old as the last answer; where there was none, the page says so.
function aged(text) {
  const old = shown.at && Date.now() - shown.at;
  signal("gone", old > OLD_MS ? t("console.as-of", { age: span(old) }) : text, text);
  if (old > OLD_MS) main.classList.add("aged");
  const loading = main.querySelector(".loading");
  if (!shown.at && loading) loading.replaceChildren(element("span", "bad", text));
}

async function look(mine) {
  const begin = performance.now(),
    { view, now } = shown;
  if (!document.hidden && view.content) {
    try {
      const { content, tag } = await ask(view.content, view.query(now));
      if (mine !== round) return;
      signalled();
      if (tag !== shown.tag) shown.update(content);
      shown.tag = tag;
      shown.at = Date.now();
      main.classList.remove("aged");
    } catch (error) {
      if (mine !== round) return;
      aged(error.message);
    }
  }
  setTimeout(() => mine === round && look(mine), Math.max(50, view.every - (performance.now() - begin)));
}

async function learnPages() {
  try {
    const { content } = await ask("pages", {});
    const before = JSON.stringify(pages);
    pages = content.pages;
    // Not each time that another one is seen more: whoever looks at a page stays there.
    if (!(usual in pages)) usual = content.most_seen;
    warnings = content.warnings;
    allowImages(content.image_hosts ?? []);
    become(content);
    if (JSON.stringify(pages) !== before || !shown) open();
  } catch (error) {
    signal("gone", error.message);
  }
  setTimeout(learnPages, Object.keys(pages).length ? 2500 : 500);
}

for (const [name, view] of Object.entries(views)) {
  const icon = drawing("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, drawing("path", { d: view.icon }));
  const tab = element("a", "", [icon, element("span", "", view.title)]);
  tab.dataset.name = name;
  tab.href = `#${name}`;
  tabs.append(tab);
}

speakPage();
const tongue = document.getElementById("language");
tongue.append(...languages.map(([name, title]) => new Option(title, name, false, name === language)));
tongue.addEventListener("change", () => speak(tongue.value));
document.getElementById("help").addEventListener("click", openHelp);
addEventListener("hashchange", open);
// What stands after # names a page, so this link is followed here.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("keydown", (event) => {
  const busy =
    event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea, dialog, .menu");
  if (!busy && event.key === "?") openHelp();
  // The tenth page has the key 0.
  if (!busy && /^\d$/.test(event.key)) tabs.children[(Number(event.key) + 9) % 10]?.click();
});
learnPages();
