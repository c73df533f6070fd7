// Learned layouts against the holdout: uplift over time with intervals that hold whenever one looks.

import { interval } from "./chart.js";
import { decided, earnings } from "./decision.js";
import {
  between,
  choice,
  clock,
  element,
  gain,
  number,
  outcome as outcomeOf,
  panel,
  percent,
  say,
  table,
} from "./dom.js";
import { t } from "./words.js";

// Guard-rails are on these; net revenue is there to look at, where something was returned.
const outcomes = ["clicks", "orders", "revenue"],
  net = "net_revenue",
  words = (name) => t(name);

// While the split of visitors is off, no outcome is called good or bad.
function verdict(one, trusted) {
  if (!trusted) return [t("experiment.untrusted"), "soft"];
  if (one.high === null) return [t("experiment.too-few"), "soft"];
  if (one.low > 0) return [t("experiment.more"), "good"];
  if (one.high < 0) return [t("experiment.less"), "bad"];
  return [t("experiment.none"), "soft"];
}

function outcomeTile(name, one, trusted) {
  const [said, kind] = verdict(one, trusted),
    bounds = between(one.low, one.high);
  return element("section", "panel tile outcome", [
    element("h2", "", t("experiment.uplift", { outcome: words(name) })),
    element("b", `number ${kind === "soft" ? "" : kind}`, one.high === null ? "–" : gain(one.uplift)),
    element("p", "small number-left", bounds),
    element("p", `small ${kind}`, said),
  ]);
}

// Where rules were published on the axis of time: what changed then may have changed the uplift.
function marks(points, published) {
  const [first, last] = [points[0][0], points.at(-1)[0]];
  return published
    .filter((one) => first < one.at && one.at < last)
    .map((one) => {
      const made = element("i", "rule-mark");
      made.style.left = `${((one.at - first) / (last - first)) * 100}%`;
      made.title = t("experiment.rule-mark", { version: one.version, reason: one.reason || t("no-reason") });
      return made;
    });
}

function chart(name, points, published) {
  const { made, low, high } = interval(points);
  made.setAttribute("aria-label", t("experiment.over-time", { outcome: words(name) }));
  if (!points.length) return [element("p", "empty", t("experiment.empty"))];
  const zero = high > low ? (high / (high - low)) * 100 : 0,
    mark = element("span", "zero-mark small soft", t("experiment.zero"));
  mark.style.top = `${zero}%`;
  mark.classList.toggle("above", zero > 50);
  const scale = element("div", "scale small soft", [
    element("span", "", gain(high, 0)),
    element("span", "", gain(low, 0)),
  ]);
  return [
    element("div", "plot", [scale, element("div", "", [made, mark, ...marks(points, published)])]),
    element("div", "plot-time small soft", [
      element("span", "", clock(points[0][0])),
      element("span", "", clock(points.at(-1)[0])),
    ]),
  ];
}

function split(ratio) {
  const share = ratio.holdout / Math.max(1, ratio.learned + ratio.holdout);
  const said = ratio.alarm
    ? element("p", "notice bad", t("experiment.split-off"))
    : element("p", "notice", t("experiment.split-fine"));
  return [
    said,
    table(
      ["", t("experiment.units"), t("experiment.share")],
      [
        [t("experiment.learned"), number(ratio.learned), percent(1 - share, 2)],
        [t("experiment.holdout"), number(ratio.holdout), percent(share, 2)],
        [t("experiment.expected"), "", percent(ratio.expected, 2)],
        [t("experiment.p-value"), "", ratio.p_value < 0.001 ? t("experiment.p-below") : number(ratio.p_value, 3)],
      ],
    ),
  ];
}

const railTags = {
  any: [t("experiment.any"), ""],
  unknown: [t("experiment.unknown"), ""],
  crossed: [t("experiment.crossed"), "bad"],
  held: [t("experiment.held"), "on"],
  "not decided": [t("experiment.not-decided"), "warn"],
};

function rails(content) {
  const rows = outcomes.map((name) => {
    const one = content.uplift[name],
      tolerated = content.tolerated_loss[name],
      [said, kind] = railTags[content.rails[name]];
    const state = element("span", `tag ${content.sample_ratio.alarm ? "" : kind}`, said);
    return [words(name), state, tolerated >= 1 ? "–" : gain(-tolerated, 0), one.high === null ? "–" : gain(one.low)];
  });
  const note = content.guard_rail
    ? element(
        "p",
        "notice bad",
        t(content.fallback ? "experiment.crossed-back" : "experiment.crossed-by", { why: content.guard_rail }),
      )
    : "";
  return [
    note,
    table(
      ["outcome", "guard-rail", "tolerated", "worst"].map((name) => t(`experiment.${name}`)),
      rows,
      2,
    ),
  ];
}

export const experiment = {
  title: t("experiment.tab"),
  content: "experiment",
  every: 2000,
  icon: "M8 3h4 M9 3v5l-5 8a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1l-5-8V3 M6.5 13h7",
  query: (now) => ({ page: now.page }),

  open(root, now) {
    const outcome = now.outcome ?? "clicks";
    const told = element("p", "soft small"),
      mismatch = element("div", "said"),
      decision = element("p", "lead"),
      money = element("p", "soft"),
      tiles = element("div", "tiles three", element("p", "loading panel", t("experiment.loading"))),
      drawn = element("div"),
      sides = element("div"),
      returns = element("div", "said"),
      picked = element("div"),
      pick = (names) =>
        picked.replaceChildren(
          choice(t("experiment.outcome"), names, outcome, (name) => now.go({ outcome: name }), words),
        ),
      ratio = element("div"),
      guards = element("div"),
      bySegment = element("p", "soft small");
    root.append(
      element("div", "head", [element("h1", "", t("experiment.title", { page: now.page || "…" })), told]),
      element("div", "tools", [
        choice(t("page"), Object.keys(now.pages), now.page, (page) => now.go({ page, outcome })),
        picked,
      ]),
      mismatch,
      element("div", "said", [decision, money]),
      tiles,
      panel(t("experiment.over-time", { outcome: words(outcome) }), drawn, t("experiment.always-valid")),
      panel(t("experiment.per-view"), sides),
      returns,
      element("div", "two", [panel(t("experiment.split"), ratio), panel(t("experiment.rails"), guards)]),
      bySegment,
    );

    let offered = outcome === net ? [...outcomes, net] : outcomes;
    pick(offered);
    return (content) => {
      if (!content.known) {
        tiles.replaceChildren(element("p", "empty panel", t("experiment.no-views")));
        return;
      }
      say(
        told,
        content.since ? t("experiment.against-since", { time: clock(content.since) }) : t("experiment.against"),
      );
      const trusted = !content.sample_ratio.alarm;
      mismatch.replaceChildren(...(trusted ? [] : [element("p", "notice bad", t("experiment.mismatch"))]));
      const shown = net in content.uplift ? [...outcomes, net] : outcomes;
      if (shown.length > offered.length) {
        offered = shown;
        pick(shown);
      }
      const [text, kind] = decided(content.decision);
      decision.className = `lead ${kind}`;
      say(decision, text);
      say(money, earnings(content.earned, content.currency)[0]);
      tiles.replaceChildren(...outcomes.map((name) => outcomeTile(name, content.uplift[name], trusted)));
      drawn.replaceChildren(...chart(outcome, content.over_time[outcome] ?? [], content.published ?? []));
      const rate = (name, value) => outcomeOf(name, value, content.currency);
      sides.replaceChildren(
        table(
          ["outcome", "side-learned", "side-holdout", "head-uplift", "from", "to"].map((name) =>
            t(`experiment.${name}`),
          ),
          shown.map((name) => {
            const one = content.uplift[name];
            return [
              words(name),
              rate(name, one.learned),
              rate(name, one.holdout),
              gain(one.uplift),
              one.high === null ? "–" : gain(one.low),
              gain(one.high),
            ];
          }),
        ),
      );
      returns.replaceChildren(net in content.uplift ? element("p", "soft small", t("experiment.net-note")) : "");
      ratio.replaceChildren(...split(content.sample_ratio));
      guards.replaceChildren(...rails(content));
      bySegment.textContent = content.by_segment ?? "";
    };
  },
};
