// Learned layouts against the holdout: uplift over time with intervals that hold whenever one looks.

import { interval } from "./chart.js";
import { decided, earnings } from "./decision.js";
import { choice, clock, element, gain, major, number, panel, percent, say, table } from "./dom.js";

// Guard-rails are on these; net revenue is there to look at, where something was returned.
const outcomes = ["clicks", "orders", "revenue"],
  net = "net_revenue",
  words = (name) => name.replace("_", " ");

// While the split of visitors is off, no outcome is called good or bad.
function verdict(one, trusted) {
  if (!trusted) return ["not to be trusted, as said above", "soft"];
  if (one.high === null) return ["too few outcomes yet to say anything", "soft"];
  if (one.low > 0) return ["more with learned layouts", "good"];
  if (one.high < 0) return ["less with learned layouts", "bad"];
  return ["no difference stands out yet", "soft"];
}

function outcomeTile(name, one, trusted) {
  const [said, kind] = verdict(one, trusted),
    bounds = one.high === null ? "–" : `${gain(one.low)} to ${gain(one.high)}`;
  return element("section", "panel tile outcome", [
    element("h2", "", `Uplift of ${words(name)}`),
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
      made.title = `version ${one.version} of the rules: ${one.reason || "no reason given"}`;
      return made;
    });
}

function chart(name, points, published) {
  const { made, low, high } = interval(points);
  made.setAttribute("aria-label", `Uplift of ${words(name)} over time`);
  if (!points.length) return [element("p", "empty", "Nothing to draw yet.")];
  const zero = high > low ? (high / (high - low)) * 100 : 0,
    mark = element("span", "zero-mark small soft", "no difference");
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
    ? element("p", "notice bad", "Visitors do not arrive in the holdout as often as they should.")
    : element("p", "notice", "Visitors arrive in the holdout as often as they should.");
  return [
    said,
    table(
      ["", "Units", "Share"],
      [
        ["learned", number(ratio.learned), percent(1 - share, 2)],
        ["holdout", number(ratio.holdout), percent(share, 2)],
        ["expected in the holdout", "", percent(ratio.expected, 2)],
        ["p value", "", ratio.p_value < 0.001 ? "below 0.001" : number(ratio.p_value, 3)],
      ],
    ),
  ];
}

const railTags = {
  any: ["any loss is tolerated", ""],
  unknown: ["not known yet", ""],
  crossed: ["crossed", "bad"],
  held: ["held", "on"],
  "not decided": ["not decided", "warn"],
};

function rails(content) {
  const rows = outcomes.map((name) => {
    const one = content.uplift[name],
      tolerated = content.tolerated_loss[name],
      [said, kind] = railTags[content.rails[name]];
    const state = element("span", `tag ${content.sample_ratio.alarm ? "" : kind}`, said);
    return [name, state, tolerated >= 1 ? "–" : gain(-tolerated, 0), one.high === null ? "–" : gain(one.low)];
  });
  const note = content.guard_rail
    ? element(
        "p",
        "notice bad",
        `Crossed: ${content.guard_rail}.${content.fallback ? " The page goes back to its baseline." : ""}`,
      )
    : "";
  return [note, table(["Outcome", "Guard-rail", "Loss that is tolerated", "Worst that is possible"], rows, 2)];
}

export const experiment = {
  title: "Experiment",
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
      tiles = element("div", "tiles three", element("p", "loading panel", "Reading what was counted…")),
      drawn = element("div"),
      sides = element("div"),
      returns = element("div", "said"),
      picked = element("div"),
      pick = (names) =>
        picked.replaceChildren(choice("Outcome", names, outcome, (name) => now.go({ outcome: name }), words)),
      ratio = element("div"),
      guards = element("div"),
      bySegment = element("p", "soft small");
    root.append(
      element("div", "head", [element("h1", "", `Experiment on ${now.page || "…"}`), told]),
      element("div", "tools", [
        choice("Page", Object.keys(now.pages), now.page, (page) => now.go({ page, outcome })),
        picked,
      ]),
      mismatch,
      element("div", "said", [decision, money]),
      tiles,
      panel(`Uplift of ${words(outcome)} over time`, drawn, "always-valid 95 % interval: look as often as you like"),
      panel("Per page view", sides),
      returns,
      element("div", "two", [panel("Split of visitors", ratio), panel("Guard-rails", guards)]),
      bySegment,
    );

    let offered = outcome === net ? [...outcomes, net] : outcomes;
    pick(offered);
    return (content) => {
      if (!content.known) {
        tiles.replaceChildren(element("p", "empty panel", "No page view has been counted yet."));
        return;
      }
      say(
        told,
        `learned layouts against the holdout that always gets the baseline${content.since ? `, since ${clock(content.since)}` : ""}`,
      );
      const trusted = !content.sample_ratio.alarm;
      mismatch.replaceChildren(
        ...(trusted
          ? []
          : [
              element(
                "p",
                "notice bad",
                "Sample ratio mismatch: trust no figure of this experiment until its cause is found.",
              ),
            ]),
      );
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
      const rate = (name, value) =>
        name.endsWith("revenue")
          ? `${content.currency} ${number(major(value, content.currency), 3)}`
          : number(value, 4);
      sides.replaceChildren(
        table(
          ["Outcome", "Learned", "Holdout", "Uplift", "From", "To"],
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
      returns.replaceChildren(
        net in content.uplift
          ? element(
              "p",
              "soft small",
              "Net revenue is without what was returned so far: young orders are not yet returned, so its last days look better than they will. Guard-rails go by clicks, orders and revenue.",
            )
          : "",
      );
      ratio.replaceChildren(...split(content.sample_ratio));
      guards.replaceChildren(...rails(content));
      bySegment.textContent = content.by_segment ?? "";
    };
  },
};
