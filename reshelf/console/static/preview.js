// A draft before it is published: the page now and after, what it is expected to cost or earn, and publishing it.

import { send } from "./answer.js";
import { pictureOf } from "./art.js";
import { between, element, gain, outcome, segmentName, signed, table } from "./dom.js";
import { bodyOf } from "./draft.js";
import { mayPublish, nameField, rememberName } from "./person.js";
import { field, openDialog } from "./popup.js";
import { t } from "./words.js";

const PER = 1000;
const outcomes = ["clicks", "orders", "revenue"];

const scale = (content) => content.page_views_per_day ?? PER;
const per = (content) => (content.page_views_per_day === null ? t("in-page-views", { views: PER }) : t("a-day"));

// Of a segment's page views, or of all.
const figure = (name, value, content) => outcome(name, value, content.currency);

function span(name, interval, times, content) {
  if (!interval) return "–";
  const { mean, low, high } = interval.per_page_view;
  if (!mean && !low && !high) return t("preview.no-change");
  const change = (value) => signed(value * times, (size) => figure(name, size, content));
  return element("span", low > 0 ? "good" : high < 0 ? "bad" : "", [
    element("b", "", change(mean)),
    element("span", "small soft", ` ${between(low, high, change)}`),
  ]);
}

// One sentence: what it is expected to cost or earn; money where orders are known, else clicks.
export function verdict(content) {
  const name = content.change.revenue ? "revenue" : "clicks",
    { mean, low, high } = content.change[name].per_page_view,
    times = scale(content),
    bare = (value) => figure(name, Math.abs(value * times), content),
    said = (value) => (name === "clicks" ? t("some-clicks", { number: bare(value) }) : bare(value));
  const values = { mean: said(mean), per: per(content) };
  if (!low && !high) return [t("preview.nothing"), ""];
  if (high < 0) return [t("preview.cost", { ...values, low: bare(low), high: bare(high) }), "bad"];
  if (low > 0) return [t("preview.earn", { ...values, low: bare(low), high: bare(high) }), "good"];
  return [t("preview.open", { ...values, low: said(low), high: said(high) }), ""];
}

function outcomesTable(content) {
  const times = scale(content),
    names = outcomes.filter((name) => content.change[name]);
  const row = (label, share, part) => [label, ...names.map((name) => span(name, part[name], times * share, content))];
  const rows = [
    [t("preview.now"), ...names.map((name) => figure(name, content.before[name].per_page_view.mean * times, content))],
    row(t("preview.change"), 1, content.change),
  ];
  const segments = Object.entries(content.segments);
  if (segments.length > 1) rows.push(...segments.map(([name, one]) => row(segmentName(name), one.share, one.change)));
  return table(["", ...names.map((name) => t(name))], rows);
}

function rulesTable(content) {
  const times = scale(content),
    names = outcomes.filter((name) => content.change[name]),
    rules = Object.entries(content.rules);
  if (!rules.length) return element("p", "soft", t("preview.no-rule"));
  return table(
    [t("preview.rule"), ...names.map((name) => t(name))],
    rules.map(([rule, own]) => [rule, ...names.map((name) => (own ? span(name, own[name], times, content) : "–"))]),
  );
}

function strip(title, side) {
  const cards = side.slots.map((slot, at) => {
    const made = element("li", slot.item ? "" : "soft", [
      element("span", "number small soft", String(at + 1)),
      element("span", "thumb", slot.item ? pictureOf(slot) : ""),
      element("span", "", slot.title || t("card.left")),
    ]);
    return made;
  });
  return element("div", "", [element("h3", "", title), element("ol", "strip", cards)]);
}

const marked = (strips, at) => {
  for (const one of strips) one.querySelectorAll("li")[at]?.classList.add("differs");
};

// The page now and after; with rules on trial what all others see after, and the page of each trial.
function sides(content) {
  const { now, after, trials, segment } = content.sides,
    shown = [now, after, ...trials],
    strips = [
      strip(t("preview.side-now"), now),
      strip(t(trials.length ? "preview.side-others" : "preview.side-after"), after),
      ...trials.map((one) => strip(one.title, one)),
    ];
  const longest = Math.max(...shown.map((side) => side.slots.length));
  for (let at = 0; at < longest; at += 1)
    if (new Set(shown.map((side) => side.slots[at]?.item)).size > 1) marked(strips, at);
  return [
    element("p", "small soft", t("preview.as-seen", { segment: segmentName(segment) })),
    element("div", trials.length ? "beside" : "two", strips),
  ];
}

function looks(content) {
  const segment = content.sides.segment,
    moved = content.moved[segment] ?? [];
  const line = (one) =>
    element("li", "", [
      element("span", "", one.title),
      element("b", `number ${one.looks > 0 ? "good" : "bad"}`, gain(one.looks, 0)),
    ]);
  if (!moved.length) return element("p", "soft", t("preview.no-looks"));
  const list = (title, those) =>
    element("div", "", [element("h3", "", title), element("ul", "moved", those.map(line))]);
  return element("div", "two", [
    list(
      t("preview.more"),
      moved.filter((one) => one.looks > 0),
    ),
    list(t("preview.less"), moved.filter((one) => one.looks < 0).reverse()),
  ]);
}

function unkept(content) {
  const lines = Object.entries(content.segments).flatMap(([name, one]) =>
    one.relaxed.map((text) => `${segmentName(name)}: ${text}`),
  );
  return lines.length
    ? element("div", "notice warn", [
        element("b", "", t("preview.cannot-hold")),
        element(
          "ul",
          "",
          lines.map((text) => element("li", "", text)),
        ),
      ])
    : "";
}

const part = (title, ...content) => element("section", "part", [element("h3", "part-title", title), ...content]);

const looksLike = (content) => part(t("preview.looks-like"), ...sides(content));
const whoMoves = (content) => part(t("preview.who-moves"), looks(content));

function report(content) {
  const [said, kind] = verdict(content);
  return [
    element("p", `verdict ${kind}`, said),
    content.page_views_per_day === null ? element("p", "small soft", t("preview.per-day-later")) : "",
    unkept(content),
    looksLike(content),
    part(t("preview.brings", { per: per(content) }), outcomesTable(content)),
    part(t("preview.each-rule"), rulesTable(content)),
    whoMoves(content),
    element("p", "small soft", t("preview.ranges")),
  ];
}

// `published` is told {version, base, author} once the rules are on the topic; `said` is shown while nothing is.
export function openPreview(now, draft, published) {
  const told = element("div", "report"),
    author = nameField(),
    reason = element("input"),
    button = element("button", "main", t("publish")),
    said = element("div", "said");
  said.setAttribute("role", "status");
  button.disabled = true;
  const asOf = element("input"),
    when = element("div", "tools", field(t("preview.as-of"), asOf, t("preview.as-of-hint")));
  asOf.type = "date";
  const form = element("form", "publish", [field(t("your-name"), author), field(t("why"), reason), button]);
  const box = openDialog(t("preview.title"), [when, told, said, form], "wide");
  const body = bodyOf(now.page, draft);
  let round = 0;
  // The answer to what was asked last is shown, whichever comes last.
  async function price() {
    round += 1;
    const mine = round,
      asked = { ...body, segment: now.segment, unit: now.unit, at: asOf.value };
    const pricing = element("p", "loading", t("preview.pricing"));
    told.replaceChildren(pricing);
    // How the page of one segment looks is known long before what all of them bring; where it is not, the price says why.
    const alone = await send("rules/preview", { ...asked, alone: true }).catch(() => null);
    if (mine !== round) return;
    if (alone) told.replaceChildren(pricing, looksLike(alone), whoMoves(alone));
    const shown = await send("rules/preview", asked).then(report, (error) => [
      element("p", "notice bad", t("preview.no-price", { why: error.message })),
    ]);
    if (mine !== round) return;
    told.replaceChildren(...shown);
    button.disabled = !mayPublish();
    if (!mayPublish()) button.title = t("preview.may-not");
  }
  asOf.addEventListener("change", price);
  price();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.replaceChildren(element("p", "notice", t("preview.writing")));
    try {
      rememberName(author);
      const { text } = await send("rules/draft", body);
      const made = await send("rules/publish", {
        page: now.page,
        version: draft.version,
        text,
        author: author.value,
        reason: reason.value,
      });
      box.close();
      published({ version: made.published[0]?.version ?? draft.version, base: draft.version, author: author.value });
    } catch (error) {
      said.replaceChildren(element("p", "notice bad", error.message));
      button.disabled = false;
    }
  });
}

export const takeBack = (page, one) =>
  send("rules/roll-back", {
    page,
    version: one.base,
    base: one.version,
    author: one.author,
    reason: t("preview.undone"),
  });
