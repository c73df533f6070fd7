// A draft before it is published: the page now and after, what it is expected to cost or earn, and publishing it.

import { send } from "./answer.js";
import { pictureOf } from "./art.js";
import { element, money, number, percent, segmentName, table } from "./dom.js";
import { bodyOf } from "./draft.js";
import { mayPublish, nameField, rememberName } from "./person.js";
import { field, openDialog } from "./popup.js";

const PER = 1000;
const outcomes = ["clicks", "orders", "revenue"];

const scale = (content) => content.page_views_per_day ?? PER;
const per = (content) => (content.page_views_per_day === null ? `in ${number(PER)} page views` : "a day");

// Of a segment's page views, or of all.
function figure(name, value, content) {
  if (name === "revenue") return money(Math.round(value), content.currency);
  return number(value, Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0);
}

const signed = (name, value, content) =>
  `${value > 0 ? "+" : value < 0 ? "−" : ""}${figure(name, Math.abs(value), content)}`;

function span(name, interval, times, content) {
  if (!interval) return "–";
  const { mean, low, high } = interval.per_page_view;
  if (!mean && !low && !high) return "no change";
  return element("span", low > 0 ? "good" : high < 0 ? "bad" : "", [
    element("b", "", signed(name, mean * times, content)),
    element("span", "small soft", ` ${signed(name, low * times, content)} to ${signed(name, high * times, content)}`),
  ]);
}

// One sentence: what it is expected to cost or earn; money where orders are known, else clicks.
export function verdict(content) {
  const name = content.change.revenue ? "revenue" : "clicks",
    { mean, low, high } = content.change[name].per_page_view,
    times = scale(content),
    bare = (value) => figure(name, Math.abs(value * times), content),
    said = (value) => `${bare(value)}${name === "clicks" ? " clicks" : ""}`;
  if (!low && !high) return ["It changes nothing that is expected.", ""];
  if (high < 0)
    return [`Expected to cost about ${said(mean)} ${per(content)} (between ${bare(high)} and ${bare(low)}).`, "bad"];
  if (low > 0)
    return [`Expected to earn about ${said(mean)} ${per(content)} (between ${bare(low)} and ${bare(high)}).`, "good"];
  return [
    `It is not known whether it costs or earns: between a loss of ${said(low)} and a gain of ${said(high)} ${per(content)}.`,
    "",
  ];
}

function outcomesTable(content) {
  const times = scale(content),
    names = outcomes.filter((name) => content.change[name]);
  const row = (label, share, part) => [label, ...names.map((name) => span(name, part[name], times * share, content))];
  const rows = [
    ["now", ...names.map((name) => figure(name, content.before[name].per_page_view.mean * times, content))],
    row("change", 1, content.change),
  ];
  const segments = Object.entries(content.segments);
  if (segments.length > 1) rows.push(...segments.map(([name, one]) => row(segmentName(name), one.share, one.change)));
  return table(["", ...names], rows);
}

function rulesTable(content) {
  const times = scale(content),
    names = outcomes.filter((name) => content.change[name]),
    rules = Object.entries(content.rules);
  if (!rules.length) return element("p", "soft", "No rule is left: the policy alone decides.");
  return table(
    ["Rule", ...names],
    rules.map(([rule, own]) => [rule, ...names.map((name) => (own ? span(name, own[name], times, content) : "–"))]),
  );
}

function strip(title, side) {
  const cards = side.slots.map((slot, at) => {
    const made = element("li", slot.item ? "" : "soft", [
      element("span", "number small soft", String(at + 1)),
      element("span", "thumb", slot.item ? pictureOf(slot) : ""),
      element("span", "", slot.title || "left to the renderer"),
    ]);
    return made;
  });
  return element("div", "", [element("h3", "", title), element("ol", "strip", cards)]);
}

function sides(content) {
  const { now, after, segment } = content.sides,
    made = [strip("Now", now), strip("After", after)];
  const before = made[0].querySelectorAll("li");
  for (const [at, line] of [...made[1].querySelectorAll("li")].entries())
    if (now.slots[at]?.item !== after.slots[at]?.item) {
      line.classList.add("differs");
      before[at]?.classList.add("differs");
    }
  return [
    element("p", "small soft", `As one visitor of ${segmentName(segment)} sees it.`),
    element("div", "two", made),
  ];
}

function looks(content) {
  const segment = content.sides.segment,
    moved = content.moved[segment] ?? [];
  const line = (one) =>
    element("li", "", [
      element("span", "", one.title),
      element(
        "b",
        `number ${one.looks > 0 ? "good" : "bad"}`,
        `${one.looks > 0 ? "+" : "−"}${percent(Math.abs(one.looks), 0)}`,
      ),
    ]);
  if (!moved.length) return element("p", "soft", "No item is seen more or less.");
  const list = (title, those) =>
    element("div", "", [element("h3", "", title), element("ul", "moved", those.map(line))]);
  return element("div", "two", [
    list(
      "Seen more",
      moved.filter((one) => one.looks > 0),
    ),
    list("Seen less", moved.filter((one) => one.looks < 0).reverse()),
  ]);
}

function unkept(content) {
  const lines = Object.entries(content.segments).flatMap(([name, one]) =>
    one.relaxed.map((text) => `${segmentName(name)}: ${text}`),
  );
  return lines.length
    ? element("div", "notice warn", [
        element("b", "", "What cannot hold"),
        element(
          "ul",
          "",
          lines.map((text) => element("li", "", text)),
        ),
      ])
    : "";
}

const part = (title, ...content) => element("section", "part", [element("h3", "part-title", title), ...content]);

function report(content) {
  const [said, kind] = verdict(content);
  return [
    element("p", `verdict ${kind}`, said),
    content.page_views_per_day === null
      ? element("p", "small soft", "What a day brings is known once a whole time bucket was counted.")
      : "",
    unkept(content),
    part("What the page looks like", ...sides(content)),
    part(`What it brings, ${per(content)}`, outcomesTable(content)),
    part("What each rule costs or earns by itself", rulesTable(content)),
    part("Who is looked at more, in page views", looks(content)),
    element(
      "p",
      "small soft",
      "Ranges hold what is expected with 95 %: from what is known of the items, not from what a single day brings.",
    ),
  ];
}

// `published` is told {version, base, author} once the rules are on the topic; `said` is shown while nothing is.
export function openPreview(now, draft, published) {
  const told = element("div", "report", element("p", "loading", "Laying out the page and pricing each rule…")),
    author = nameField(),
    reason = element("input"),
    button = element("button", "main", "Publish"),
    said = element("div", "said");
  said.setAttribute("role", "status");
  button.disabled = true;
  const form = element("form", "publish", [field("Your name", author), field("Why", reason), button]);
  const box = openDialog("Before it is published", [told, said, form], "wide");
  const body = bodyOf(now.page, draft);
  send("rules/preview", { ...body, segment: now.segment, unit: now.unit || "visitor-1" })
    .then((content) => told.replaceChildren(...report(content)))
    .catch((error) => told.replaceChildren(element("p", "notice bad", `No price: ${error.message}`)))
    .finally(() => {
      button.disabled = !mayPublish();
      if (!mayPublish()) button.title = "Your token may look and price, not publish.";
    });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    said.replaceChildren(element("p", "notice", "Writing it to the topic…"));
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
  send("rules/roll-back", { page, version: one.base, base: one.version, author: one.author, reason: "undone" });
