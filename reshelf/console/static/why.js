// What led to one item in one slot, step by step.

import { art, pictureOf } from "./art.js";
import { choice, drawing, element, exceptions, number, panel, percent, say, segmentName } from "./dom.js";

import { timelineOf } from "./timeline.js";
import { t } from "./words.js";

const WIDTH = 600,
  HEIGHT = 150,
  POINTS = 160;

// The density of a Beta up to a factor; only its shape is drawn.
function density(mean, weight, top) {
  const a = Math.max(1e-6, mean * weight),
    b = Math.max(1e-6, (1 - mean) * weight);
  const xs = Array.from({ length: POINTS }, (_, at) => ((at + 0.5) / POINTS) * top);
  const logs = xs.map((x) => (a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x)),
    high = Math.max(...logs);
  return xs.map((x, at) => [(x / top) * WIDTH, HEIGHT - 4 - Math.exp(logs[at] - high) * (HEIGHT - 14)]);
}

const path = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function shapes(arm) {
  const top = Math.min(1, Math.max(arm.high, arm.prior.click_rate * 2, ...arm.draws) * 1.15);
  const after = density(arm.click_rate, arm.prior.strength + arm.retained * arm.examined, top),
    before = density(arm.prior.click_rate, arm.prior.strength, top);
  const dots = arm.draws.map((draw) =>
    drawing("line", { x1: (draw / top) * WIDTH, x2: (draw / top) * WIDTH, y1: HEIGHT - 12, y2: HEIGHT, class: "draw" }),
  );
  const made = drawing(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      class: "chart tall",
      role: "img",
      "aria-label": t("why.shape"),
    },
    [
      drawing("path", { d: `${path(after)}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`, class: "wash" }),
      drawing("path", { d: path(before), class: "before" }),
      drawing("path", { d: path(after), class: "line" }),
      ...dots,
    ],
  );
  return [
    made,
    element("div", "plot-time small soft", [element("span", "", "0%"), element("span", "", percent(top))]),
    element("p", "legend flat small soft", [
      element("i", "prior"),
      t("why.prior-mark"),
      element("i", "after"),
      t("why.posterior-mark"),
      element("i", "draw-mark"),
      t("why.drawn"),
    ]),
  ];
}

function step(title, text, value, more = []) {
  return element("li", "", [
    element("div", "", [element("b", "", title), element("p", "soft small", text), ...[more].flat()]),
    element("span", "number value", value),
  ]);
}

const FEATURES = ["price", "age", "category", "brand", "segment"];

// What is known of an item: a quantity, or a label with its kind before it.
function featureName(name) {
  const [kind, ...label] = name.split("=");
  const known = FEATURES.includes(kind) ? t(`feature.${kind}`) : kind;
  return label.length ? `${known}: ${label.join("=")}` : known;
}

// On a page with shelves slots are looked at by row and column, and each shelf adds to that.
const lookedAt = (arm) => (Object.keys(arm.shelves).length ? t("why.full-looks", arm) : t("why.probable-looks", arm));

function steps(arm, content) {
  const { prior } = arm,
    features = Object.entries(prior.features)
      .filter(([, part]) => Math.abs(part) > 0.005)
      .sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const chips = element(
    "p",
    "chips",
    features
      .slice(0, 12)
      .map(([name, part]) =>
        element("span", `tag ${part > 0 ? "on" : ""}`, `${featureName(name)} ×${number(Math.exp(part), 2)}`),
      ),
  );
  const found = [step(t("why.base"), t("why.base-note"), percent(prior.base, 2))];
  if (features.length || prior.text || prior.picture)
    found.push(
      step(
        t("why.features"),
        [
          t("why.odds"),
          ...(prior.text ? [t("why.odds-text", { factor: number(Math.exp(prior.text), 2) })] : []),
          ...(prior.picture ? [t("why.odds-picture", { factor: number(Math.exp(prior.picture), 2) })] : []),
        ].join(" · "),
        "",
        chips,
      ),
    );
  if (prior.variance !== 1) found.push(step(t("why.doubt"), t("why.doubt-note"), `×${number(prior.variance, 2)}`));
  if (prior.factor !== 1) found.push(step(t("why.elsewhere"), t("why.elsewhere-note"), `×${number(prior.factor, 2)}`));
  found.push(step(t("why.prior"), t("why.prior-note", { strength: prior.strength }), percent(prior.click_rate, 2)));
  found.push(
    step(
      t("why.data"),
      t(arm.retained < 0.995 ? "why.data-faded" : "why.data-note", {
        impressions: arm.impressions,
        looks: lookedAt(arm),
        share: percent(arm.retained, 0),
      }),
      t("some-clicks", { number: arm.clicks }),
    ),
  );
  found.push(
    step(
      t("why.posterior"),
      t("why.posterior-note", { low: percent(arm.low, 2), high: percent(arm.high, 2) }),
      percent(arm.click_rate, 2),
    ),
  );
  if (arm.value)
    found.push(
      step(t("why.worth"), t("why.buy", { share: percent(arm.value.purchase_rate) }), number(arm.value.total, 2)),
    );
  const places = Object.entries(arm.slots)
    .sort((a, b) => b[1] - a[1])
    .map(([slot, share]) => `${slot} ${percent(share, 0)}`)
    .join(" · ");
  found.push(
    step(
      t("why.stands"),
      places || t("why.nobody"),
      percent(arm.slots[content.slot] ?? 0, 0),
      arm.baseline ? element("p", "soft small", t("why.for-holdout", { slot: arm.baseline })) : [],
    ),
  );
  const shelves = Object.entries(arm.shelves).sort((a, b) => b[1] - a[1]);
  if (shelves.length)
    found.push(
      step(
        t("why.shelves"),
        t("why.may-show", {
          shelves: shelves.map(([name, share]) => (share ? `${name} ${percent(share, 0)}` : name)).join(" · "),
        }),
        "",
      ),
    );
  for (const rule of arm.rules) found.push(step(t("why.rule"), rule, ""));
  return found;
}

// What follows the clicks of the page and segment, and what is left out of it: the lines of `reshelf explain`.
const stageSteps = (stages) =>
  stages.map((stage) => step(stage.title, stage.text, stage.share === null ? "" : percent(stage.share, 2)));

function listed(one, content, now) {
  const picture = element("span", "thumb", pictureOf(one)),
    words = element("span", "cut", one.title);
  const button = element("button", "pick", [
    picture,
    words,
    element("span", "number small soft", one.share === undefined ? "" : percent(one.share, 0)),
  ]);
  button.setAttribute("aria-pressed", one.item === content.arm?.item);
  button.addEventListener("click", () => now.go({ slot: content.slot, item: one.item }));
  return button;
}

function listedShelf(one, content, now) {
  const button = element("button", "pick", [
    element("span", "thumb", art(one.kind, one.title)),
    element("span", "cut", one.title),
    element("span", "number small soft", percent(one.share, 0)),
  ]);
  button.setAttribute("aria-pressed", one.shelf === content.shelf?.shelf);
  button.addEventListener("click", () => now.go({ shelf: one.shelf, slot: "", item: "" }));
  return button;
}

export const why = {
  title: t("why.tab"),
  content: "why",
  every: 2000,
  icon: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14z M8 8a2 2 0 1 1 2.6 1.9c-.4.2-.6.5-.6 1v.4 M10 13.6v.1",
  query: (now) => ({
    page: now.page,
    segment: now.segment,
    slot: now.slot ?? "",
    item: now.item ?? "",
    shelf: now.shelf ?? "",
  }),

  open(root, now) {
    const slots = element("select"),
      told = element("p", "soft small"),
      notes = element("div", "notes"),
      standing = element("div", "picks"),
      others = element("div", "picks"),
      shelves = element("div", "picks"),
      story = element("ol", "steps", element("li", "loading", t("why.loading"))),
      shape = element("div"),
      answer = element("p", "verdict"),
      trials = element("div"),
      small = element("p", "small soft"),
      visits = element("ol", "steps"),
      stages = element("ol", "steps");
    slots.setAttribute("aria-label", t("why.slot"));
    slots.addEventListener("change", () => now.go({ slot: slots.value, shelf: "" }));
    const title = element("span"),
      arm = element("section", "panel", [element("h2", "", title), small, answer, trials, shape, story]),
      above = panel(t("why.above"), visits, t("why.above-note")),
      here = panel(t("why.here"), standing, t("why.seen-by")),
      likely = panel(t("why.others"), others),
      modules = panel(t("why.modules"), shelves, t("why.seen-by")),
      past = panel(t("timeline.title"), [], t("timeline.note")),
      chain = panel(t("why.stages"), stages, t("why.stages-note"));
    root.append(
      element("div", "head", [element("h1", "", t("why.title")), told]),
      element("div", "tools", [
        choice(t("page"), Object.keys(now.pages), now.page, (page) => now.go({ page, slot: "", item: "", shelf: "" })),
        choice(
          t("segment"),
          now.pages[now.page] ?? [],
          now.segment,
          (segment) => now.go({ segment, slot: now.slot ?? "", item: now.item ?? "" }),
          segmentName,
        ),
        slots,
      ]),
      notes,
      element("div", "why", [
        element("div", "side", [modules, here, likely]),
        element("div", "side", [arm, past, above, chain]),
      ]),
    );
    let pastOf = "",
      listedFor = "",
      stagesFor = "",
      shelvesFor = "";

    // The facts of a shelf, in place of those of an item.
    function showShelf(content) {
      say(told, t("why.shelf-facts", { kind: content.shelf.kind, version: content.published ?? "–" }));
      title.className = "arm-title";
      say(title, content.shelf.title);
      say(answer, t("why.shelf-seen", { share: percent(content.shelf.share, 0) }));
      say(small, content.shelf.shelf);
      shape.replaceChildren();
      trials.replaceChildren();
      story.replaceChildren(...content.shelf.facts.map((fact) => step(fact.title, fact.text, fact.value)));
    }

    return (content) => {
      if (slots.length !== content.slots.length)
        slots.replaceChildren(...content.slots.map((name) => new Option(name, name)));
      slots.value = content.slot ?? "";
      const modulesOf = JSON.stringify([content.shelves, content.shelf?.shelf]);
      if (modulesOf !== shelvesFor)
        shelves.replaceChildren(...content.shelves.map((one) => listedShelf(one, content, now)));
      shelvesFor = modulesOf;
      modules.hidden = !content.shelves.length;
      for (const box of [here, likely]) box.hidden = Boolean(content.shelf);
      if (content.shelf) {
        above.hidden = chain.hidden = past.hidden = true;
        notes.replaceChildren(...exceptions(content));
        showShelf(content);
        return;
      }
      say(
        told,
        t(content.shelves.length ? "why.slot-in-view" : "why.slot-facts", {
          policy: content.policy,
          slot: content.slot,
          share: percent(content.examination, 0),
        }),
      );
      notes.replaceChildren(...exceptions(content));
      const lists = JSON.stringify([content.standing, content.others, content.arm?.item]);
      if (lists !== listedFor) {
        standing.replaceChildren(...content.standing.map((one) => listed(one, content, now)));
        others.replaceChildren(...content.others.map((one) => listed(one, content, now)));
        listedFor = lists;
      }
      const rows = JSON.stringify([content.stages, content.visits]);
      if (rows !== stagesFor) {
        chain.hidden = !content.stages.length;
        stages.replaceChildren(...stageSteps(content.stages));
        above.hidden = !content.visits.length;
        visits.replaceChildren(...stageSteps(content.visits));
        stagesFor = rows;
      }
      if (!content.arm) {
        say(title, t("why.no-items"));
        return;
      }
      title.className = "arm-title";
      say(title, content.arm.title);
      say(answer, content.answer ?? "");
      trials.replaceChildren(...content.trials.map((text) => element("p", "", text)));
      say(small, content.arm.item);
      past.hidden = false;
      if (pastOf !== content.arm.item) {
        past.querySelector("ol")?.remove();
        past.append(timelineOf(now.page, now.segment, content.arm.item));
      }
      pastOf = content.arm.item;
      shape.replaceChildren(...shapes(content.arm));
      story.replaceChildren(...steps(content.arm, content));
    };
  },
};
