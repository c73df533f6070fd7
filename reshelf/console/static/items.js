// What is believed of each item.  Only the rows in sight exist, so a thousand items cost what thirty do.

import { hueOf } from "./art.js";
import { choice, drawing, element, number, panel, percent, say, segmentName, span } from "./dom.js";

const ROW = 40,
  SPARE = 4;
const columns = [
  ["title", "Item", "words"],
  ["mean", "Attractiveness", "wide"],
  ["value", "Mean", "number"],
  ["prior", "Prior", "number"],
  ["clicks", "Clicks", "number"],
  ["examined", "Looked at", "number"],
  ["sold", "Sold", "number"],
  ["placed", "Seen by", "number"],
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
    bar.append(drawing("title", {}, `${slot.slot}: looked at with probability ${percent(slot.examination, 0)}`));
    return bar;
  });
  const made = drawing(
    "svg",
    {
      viewBox: "0 0 100 60",
      preserveAspectRatio: "none",
      class: "curve",
      role: "img",
      "aria-label": "Probability that each slot is looked at",
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
  title: "Items",
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
    view.setAttribute("role", "table");
    view.setAttribute("aria-label", "Items");
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
    const search = element("input");
    search.type = "search";
    search.placeholder = "Find an item";
    search.setAttribute("aria-label", "Find an item");
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
        "95 % interval",
        element("i", "mean"),
        "posterior mean",
        element("i", "prior"),
        "prior",
        axis,
      ]);
    const slots = panel("How likely each slot is looked at", looks, "fitted from clicks, by position");
    root.append(
      element("div", "head", [element("h1", "", `Items of ${now.page || "…"}`), told]),
      element("div", "tools", [
        choice("Page", Object.keys(now.pages), now.page, (page) => now.go({ page })),
        choice("Segment", now.pages[now.page] ?? [], now.segment, (segment) => now.go({ segment }), segmentName),
        search,
      ]),
      slots,
      element("section", "panel arms", [legend, head, view]),
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
      view.setAttribute("aria-rowcount", order.length);
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
      say(axis, `scale: 0 to ${percent(scale, 1)}`);
      say(
        told,
        `${number(data.item.length)} items · parameters ${data.fitted_at ? `fitted ${span(Date.now() - data.fitted_at)} ago` : "not fitted yet"}`,
      );
      const seen = JSON.stringify(data.slots);
      if (seen !== looked) looks.replaceChildren(...curve(data.slots));
      looked = seen;
      arrange();
    };
  },
};
