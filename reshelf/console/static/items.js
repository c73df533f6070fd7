// What is believed of each item.  Only the rows in sight exist, so a thousand items cost what thirty do.

import { hueOf } from "./art.js";
import { choice, drawing, element, number, panel, percent, say, segmentName, span } from "./dom.js";
import { t } from "./words.js";

const ROW = 40,
  SPARE = 4;
const columns = [
  ["title", t("items.item"), "words"],
  ["mean", t("items.attractiveness"), "wide"],
  ["value", t("items.mean"), "number"],
  ["prior", t("items.prior"), "number"],
  ["clicks", t("items.clicks"), "number"],
  ["examined", t("items.looked-at"), "number"],
  ["sold", t("items.sold"), "number"],
  ["placed", t("items.seen-by"), "number"],
];

function rowOf() {
  const dot = element("i", "dot"),
    title = element("span", "cut"),
    low = element("i", "band"),
    mean = element("i", "mean"),
    prior = element("i", "prior");
  const cells = columns.map(([, , kind]) => element("div", `cell ${kind}`));
  cells[0].append(dot, title);
  cells[1].append(element("div", "axis", [low, prior, mean]));
  const made = element("div", "row", cells);
  made.setAttribute("role", "row");
  for (const cell of cells) cell.setAttribute("role", "cell");
  return { made, dot, title, low, mean, prior, cells };
}

function fill(row, data, arm, top) {
  const place = (value) => `${((value / top) * 100).toFixed(2)}%`;
  say(row.title, data.title[arm]);
  row.title.title = data.item[arm];
  row.dot.style.background = `hsl(${hueOf(data.category[arm])} 45% 55%)`;
  row.low.style.left = place(data.low[arm]);
  row.low.style.width = `${Math.max(0.3, ((data.high[arm] - data.low[arm]) / top) * 100).toFixed(2)}%`;
  row.mean.style.left = place(data.mean[arm]);
  row.prior.style.left = place(data.prior[arm]);
  const texts = [
    percent(data.mean[arm], 2),
    percent(data.prior[arm], 2),
    number(data.clicks[arm]),
    number(data.examined[arm]),
    number(data.sold[arm]),
    data.placed[arm] ? percent(data.placed[arm], 0) : "",
  ];
  for (const [at, text] of texts.entries()) say(row.cells[at + 2], text);
}

// The scale holds the longest interval, with a little room.
function scaleOf(data) {
  const top = data.high.reduce((most, high) => Math.max(most, high), 1e-4) * 1.02;
  const step = 10 ** Math.floor(Math.log10(top));
  return (Math.ceil((top / step) * 2) / 2) * step;
}

function curve(slots) {
  const width = 100 / Math.max(1, slots.length);
  const bars = slots.map((slot, at) => {
    const bar = drawing("rect", {
      x: at * width + width * 0.12,
      y: 60 - slot.examination * 58,
      width: width * 0.76,
      height: slot.examination * 58,
      rx: 0.8,
    });
    bar.append(drawing("title", {}, t("items.slot-look", { slot: slot.slot, share: percent(slot.examination, 0) })));
    return bar;
  });
  const made = drawing(
    "svg",
    {
      viewBox: "0 0 100 60",
      preserveAspectRatio: "none",
      class: "curve",
      role: "img",
      "aria-label": t("items.looks-label"),
    },
    bars,
  );
  const names = element(
    "div",
    "curve-names small soft",
    slots.map((slot) => element("span", "number", percent(slot.examination, 0))),
  );
  return [made, names];
}

let sort = ["mean", -1],
  sought = "";

export const items = {
  title: t("items.tab"),
  content: "arms",
  every: 500,
  icon: "M4 5h8 M4 10h12 M4 15h6 M12 3v4 M16 8v4 M10 13v4",
  query: (now) => ({ page: now.page, segment: now.segment }),

  open(root, now) {
    let data = null,
      order = [],
      scale = 0;
    const rows = [],
      pool = element("div", "pool"),
      space = element("div", "space", pool),
      view = element("div", "arms-view", space);
    view.tabIndex = 0;
    view.setAttribute("role", "rowgroup");
    const heads = columns.map(([name, title, kind]) => {
      const button = element("button", "plain", title),
        cell = element("div", `cell ${kind}`, button);
      cell.setAttribute("role", "columnheader");
      button.addEventListener("click", () => {
        const by = name === "value" ? "mean" : name;
        sort = [by, sort[0] === by ? -sort[1] : by === "title" ? 1 : -1];
        arrange();
      });
      return cell;
    });
    const head = element("div", "row header", heads),
      axis = element("span", "small soft");
    head.setAttribute("role", "row");
    const grid = element("div", "", [head, view]);
    grid.setAttribute("role", "table");
    grid.setAttribute("aria-label", t("items.tab"));
    const search = element("input");
    search.type = "search";
    search.placeholder = t("items.find");
    search.setAttribute("aria-label", t("items.find"));
    search.value = sought;
    search.addEventListener("input", () => {
      sought = search.value;
      view.scrollTop = 0;
      arrange();
    });
    const told = element("p", "soft small"),
      looks = element("div"),
      legend = element("p", "legend small soft", [
        element("i", "band"),
        t("items.interval"),
        element("i", "mean"),
        t("items.posterior-mean"),
        element("i", "prior"),
        t("items.prior-mark"),
        axis,
      ]);
    const slots = panel(t("items.slots"), looks, t("items.slots-note"));
    root.append(
      element("div", "head", [element("h1", "", t("items.title", { page: now.page || "…" })), told]),
      element("div", "tools", [
        choice(t("page"), Object.keys(now.pages), now.page, (page) => now.go({ page })),
        choice(t("segment"), now.pages[now.page] ?? [], now.segment, (segment) => now.go({ segment }), segmentName),
        search,
      ]),
      slots,
      element("section", "panel arms", [legend, grid]),
    );
    view.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
    const sized = new ResizeObserver(() => (view.isConnected ? draw() : sized.disconnect()));
    sized.observe(view);

    function arrange() {
      if (!data) return;
      const [by, way] = sort,
        column = data[by];
      order = data.item.map((_, at) => at);
      const words = sought.toLowerCase();
      if (words)
        order = order.filter((at) =>
          `${data.title[at]} ${data.item[at]} ${data.category[at]}`.toLowerCase().includes(words),
        );
      order.sort(
        (a, b) => way * (by === "title" ? column[a].localeCompare(column[b]) : column[a] - column[b]) || a - b,
      );
      heads.forEach((cell, at) => {
        const here = columns[at][0] === (by === "mean" ? "value" : by);
        cell.setAttribute("aria-sort", here ? (way > 0 ? "ascending" : "descending") : "none");
      });
      space.style.height = `${order.length * ROW}px`;
      grid.setAttribute("aria-rowcount", order.length);
      draw();
    }

    function draw() {
      if (!data) return;
      const first = Math.max(0, Math.floor(view.scrollTop / ROW) - SPARE);
      const count = Math.min(order.length - first, Math.ceil(view.clientHeight / ROW) + 2 * SPARE);
      while (rows.length < count) {
        rows.push(rowOf());
        pool.append(rows.at(-1).made);
      }
      pool.style.transform = `translateY(${first * ROW}px)`;
      rows.forEach((row, at) => {
        row.made.hidden = at >= count;
        if (at < count) fill(row, data, order[first + at], scale);
      });
    }

    let looked = "";
    return (content) => {
      data = content;
      scale = scaleOf(data);
      say(axis, t("items.scale", { top: percent(scale, 1) }));
      say(
        told,
        data.fitted_at
          ? t("items.facts", { count: data.item.length, age: span(Date.now() - data.fitted_at) })
          : t("items.facts-unfitted", { count: data.item.length }),
      );
      const seen = JSON.stringify(data.slots);
      if (seen !== looked) looks.replaceChildren(...curve(data.slots));
      looked = seen;
      arrange();
    };
  },
};
