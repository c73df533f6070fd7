// Learned segments: sizes, words, what sets them apart, who moved with each version, and what they gain.

import { between, day, element, gain, number, panel, percent, say, table } from "./dom.js";
import { t } from "./words.js";

const link = (text, name, query) => {
  const made = element("a", "", text);
  made.href = `#${name}?${new URLSearchParams(query)}`;
  return made;
};

function meter(share) {
  const bar = element("i");
  bar.style.width = `${share * 100}%`;
  return element("div", "meter", bar);
}

const segment = (one) =>
  element("li", "", [
    element("span", "", [element("b", "", one.name), ` ${one.words.join(", ") || t("segments.no-words")}`]),
    element("span", "number", [
      percent(one.share),
      element("span", "soft small", ` ${t("segments.visitors", { count: one.units })}`),
    ]),
    element("div", "", meter(one.share)),
    element(
      "p",
      "small soft",
      one.items.length ? t("segments.set-apart", { items: one.items.map((item) => item.title).join(" · ") }) : "",
    ),
  ]);

// While the split of visitors is off, no gain is called good or bad.
function verdict(one, trusted) {
  if (!trusted) return [t("segments.distrust"), "soft"];
  if (one.high === null || one.low === null) return [t("segments.too-few"), "soft"];
  if (one.low > 0) return [t("segments.pay"), "good"];
  if (one.high < 0) return [t("segments.cost"), "bad"];
  return [t("segments.no-difference"), "soft"];
}

const outcomes = ["clicks", "orders", "revenue"];

const gains = (page) =>
  page.gains.flatMap((branch) =>
    outcomes.map((outcome) => {
      const one = branch.uplift[outcome],
        [said, kind] = verdict(one, !branch.sample_ratio.alarm),
        known = one.low !== null && one.high !== null;
      return [
        link(page.page, "experiment", { page: page.page }),
        t(outcome),
        element("span", kind, said),
        gain(one.uplift),
        known ? between(one.low, one.high) : "–",
      ];
    }),
  );

function earned(pages) {
  if (!pages.length) return [element("p", "soft", t("segments.no-page"))];
  const without = pages.filter((page) => !page.gains.length).map((page) => page.page),
    rows = pages.flatMap(gains);
  return [
    rows.length
      ? table(
          ["page", ...["outcome", "so-far", "gain", "between"].map((name) => `segments.${name}`)].map((name) =>
            t(name),
          ),
          rows,
          3,
        )
      : "",
    without.length ? element("p", "soft small", t("segments.no-branch", { pages: without.join(", ") })) : "",
  ];
}

// The generation of a model, and the attribute that it goes by.
const made = (one) => ({
  generation: number(one.generation),
  attribute: one.attribute ? t("segments.attribute", { attribute: one.attribute }) : "",
});

const heading = (model) =>
  !model
    ? t("segments.none-yet")
    : !model.names.length
      ? t("segments.no-tastes")
      : t("segments.heading", {
          names: model.names.length,
          published: day(model.published_at),
          units: model.units,
          likelier: percent(model.likelier),
          moved: percent(model.moved),
          ...made(model),
        });

const versions = (rows) =>
  table(
    ["published", "tab", "of-visitors", "moved", "likelier"].map((name) => t(`segments.${name}`)),
    rows.map((one) => [
      day(one.published_at),
      t("segments.names", { names: one.names.join(" ") || t("segments.none"), ...made(one) }),
      number(one.units),
      percent(one.moved),
      gain(one.likelier),
    ]),
    2,
  );

export const segments = {
  title: t("segments.tab"),
  content: "segments",
  every: 5000,
  icon: "M10 3a7 7 0 1 0 7 7h-7z M13 3.7V7h3.3A7 7 0 0 0 13 3.7z",
  query: () => ({}),

  open(root) {
    const said = element("p", "soft", "…"),
      shown = element("div", "", element("p", "loading", t("segments.loading"))),
      paid = element("div"),
      past = element("div");
    root.append(
      element("div", "head", element("h1", "", t("segments.title"))),
      said,
      panel(t("segments.tab"), shown, t("segments.names-note")),
      panel(t("segments.gains"), paid, t("segments.gains-note")),
      panel(t("segments.versions"), past, t("segments.versions-note")),
    );
    return (content) => {
      say(said, heading(content.model));
      shown.replaceChildren(
        content.segments.length
          ? element("ul", "news", content.segments.map(segment))
          : element("p", "soft", t("segments.none-now")),
      );
      paid.replaceChildren(...earned(content.pages));
      past.replaceChildren(
        content.versions.length ? versions(content.versions) : element("p", "soft", t("segments.no-versions")),
      );
    };
  },
};
