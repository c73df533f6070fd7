// What matters on all pages, in sentences and money.

import { decided, earnings } from "./decision.js";
import { clock, element, panel, percent, until } from "./dom.js";
import { t } from "./words.js";

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
    return [
      t("start.look-first", {
        pages: stopped.map((one) => one.page).reduce((one, other) => t("start.and", { one, other })),
        said: decided(stopped[0].decision)[0],
      }),
      "bad",
    ];
  if (all) return earnings(all, content.currency, t("start.learned-pages"));
  const kept = content.pages.filter((one) => one.decision?.verdict === "keep");
  if (kept.length) return [t("start.better", { pages: kept.map((one) => one.page).join(", ") }), "good"];
  return [t("start.too-early"), ""];
}

function pageRow(one, currency) {
  const [said, kind] = one.decision ? decided(one.decision) : [t("start.not-read"), "soft"],
    [money] = earnings(one.earned, currency);
  return element("li", "", [
    element("div", "", [
      element("b", "", link(one.page, "shop", { page: one.page })),
      element("span", "soft small", ` ${t("start.visitors", { count: one.visitors })}`),
    ]),
    element("p", kind, said),
    money ? element("p", "small soft", money) : "",
    element("p", "small", link(t("start.experiment"), "experiment", { page: one.page })),
  ]);
}

const mover = (one) =>
  element("li", "", [
    element("span", "", [
      element("b", "", one.title),
      element("span", "soft small", ` ${t("start.on-page", { page: one.page })} · `),
      element("span", "small", link(t("start.why"), "why", { page: one.page, segment: "*", item: one.item })),
    ]),
    element("span", `number ${one.after > one.before ? "good" : "bad"}`, [
      t(one.after > one.before ? "start.rose" : "start.fell"),
      element(
        "span",
        "soft small",
        ` ${t("start.from-to", { before: percent(one.before, 0), after: percent(one.after, 0) })}`,
      ),
    ]),
  ]);

const lines = (nodes, none) => (nodes.length ? element("ul", "news", nodes) : element("p", "soft", none));

function sections(content) {
  const since = content.moved.length
    ? t("start.since", { time: clock(Math.min(...content.moved.map((one) => one.since))) })
    : "";
  const unkept = content.unkept.map((one) =>
      element("li", "", [
        element("span", "", [link(one.page, "rules", { page: one.page }), ` · ${one.text}`]),
        element("span", "soft small", t("start.in-segments", { count: one.segments })),
      ]),
    ),
    ending = content.ending.map((one) =>
      element("li", "", [
        element("span", "", [link(one.page, "rules", { page: one.page }), ` · ${one.name}`]),
        element("span", "soft small", t("start.ends-on", { day: until(one.ends_at) })),
      ]),
    );
  return [
    panel(
      t("start.your-pages"),
      lines(
        content.pages.map((one) => pageRow(one, content.currency)),
        t("start.no-page"),
      ),
      t("start.most-first"),
    ),
    element("div", "side", [
      panel(t("start.moved"), lines(content.moved.map(mover), t("start.nothing-moved")), since),
      panel(t("start.unkept"), lines(unkept, t("start.all-kept"))),
      ending.length ? panel(t("start.ending"), lines(ending, "")) : "",
      panel(
        t("start.stale"),
        lines(
          content.stale.map((text) => element("li", "", element("span", "", text))),
          t("start.nothing-stale"),
        ),
      ),
    ]),
  ];
}

export const start = {
  title: t("start.tab"),
  content: "start",
  every: 5000,
  icon: "M3 9l7-6 7 6v8h-5v-5H8v5H3z",
  query: () => ({}),

  open(root) {
    const said = element("p", "lead", "…"),
      body = element("div", "start", element("p", "loading", t("start.loading")));
    root.append(element("div", "head", element("h1", "", t("start.title"))), said, body);
    return (content) => {
      const [text, kind] = headline(content);
      said.className = `lead ${kind}`;
      said.textContent = text;
      body.replaceChildren(...sections(content));
    };
  },
};
