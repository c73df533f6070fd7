// What matters on all pages, in sentences and money.

import { decided, earnings } from "./decision.js";
import { clock, element, number, panel, percent, until } from "./dom.js";

const link = (text, name, query) => {
  const made = element("a", "", text);
  made.href = `#${name}?${new URLSearchParams(query)}`;
  return made;
};

// Intervals of pages are added up as they are, which is wider than need be, and never too narrow.
function total(pages) {
  const known = pages.map((one) => one.earned).filter((earned) => earned?.per === "day");
  if (!known.length) return null;
  const sum = (name) => known.reduce((all, one) => all + one[name], 0);
  return { mean: sum("mean"), low: sum("low"), high: sum("high"), per: "day" };
}

function headline(content) {
  const all = total(content.pages),
    stopped = content.pages.filter((one) => ["stop", "invalid"].includes(one.decision?.verdict));
  if (stopped.length)
    return [`Look at ${stopped.map((one) => one.page).join(" and ")} first: ${decided(stopped[0].decision)[0]}`, "bad"];
  if (all) return earnings(all, content.currency, "Learned pages");
  const kept = content.pages.filter((one) => one.decision?.verdict === "keep");
  if (kept.length) return [`Learned layouts do better on ${kept.map((one) => one.page).join(", ")}.`, "good"];
  return ["It is too early to say what learned pages earn.", ""];
}

function pageRow(one, currency) {
  const [said, kind] = one.decision ? decided(one.decision) : ["Not read yet.", "soft"],
    [money] = earnings(one.earned, currency);
  return element("li", "", [
    element("div", "", [
      element("b", "", link(one.page, "shop", { page: one.page })),
      element("span", "soft small", ` ${number(one.visitors)} visitors counted`),
    ]),
    element("p", kind, said),
    money ? element("p", "small soft", money) : "",
    element("p", "small", link("The experiment", "experiment", { page: one.page })),
  ]);
}

const mover = (one) =>
  element("li", "", [
    element("span", "", [
      element("b", "", one.title),
      element("span", "soft small", ` on ${one.page} · `),
      element("span", "small", link("why", "why", { page: one.page, segment: "*", item: one.item })),
    ]),
    element("span", `number ${one.after > one.before ? "good" : "bad"}`, [
      one.after > one.before ? "rose " : "fell ",
      element("span", "soft small", `from ${percent(one.before, 0)} to ${percent(one.after, 0)} of visitors`),
    ]),
  ]);

const lines = (nodes, none) => (nodes.length ? element("ul", "news", nodes) : element("p", "soft", none));

function parts(content) {
  const since = content.moved.length ? `since ${clock(Math.min(...content.moved.map((one) => one.since)))}` : "";
  const unkept = content.unkept.map((one) =>
      element("li", "", [
        element("span", "", [link(one.page, "rules", { page: one.page }), ` · ${one.text}`]),
        element("span", "soft small", `in ${number(one.segments)} ${one.segments === 1 ? "segment" : "segments"}`),
      ]),
    ),
    ending = content.ending.map((one) =>
      element("li", "", [
        element("span", "", [link(one.page, "rules", { page: one.page }), ` · ${one.name}`]),
        element("span", "soft small", until(one.ends_at, "ends on ")),
      ]),
    );
  return [
    panel(
      "Your pages",
      lines(
        content.pages.map((one) => pageRow(one, content.currency)),
        "No page is declared yet: publish one with `reshelf rules apply`.",
      ),
      "most visitors first",
    ),
    element("div", "side", [
      panel(
        "What rose and fell",
        lines(content.moved.map(mover), "Nothing large since the console was opened."),
        since,
      ),
      panel("Rules that cannot hold", lines(unkept, "All rules hold everywhere.")),
      ending.length ? panel("Ending soon", lines(ending, "")) : "",
      panel(
        "What is stale",
        lines(
          content.stale.map((text) => element("li", "", element("span", "", text))),
          "Nothing: events, layouts and fits are fresh.",
        ),
      ),
    ]),
  ];
}

export const start = {
  title: "Start",
  content: "start",
  every: 5000,
  icon: "M3 9l7-6 7 6v8h-5v-5H8v5H3z",
  query: () => ({}),

  open(root) {
    const said = element("p", "lead", "…"),
      body = element("div", "start", element("p", "loading", "Reading all pages…"));
    root.append(element("div", "head", element("h1", "", "What matters now")), said, body);
    return (content) => {
      const [text, kind] = headline(content);
      said.className = `lead ${kind}`;
      said.textContent = text;
      body.replaceChildren(...parts(content));
    };
  },
};
