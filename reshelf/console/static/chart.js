// Lines over time, drawn into an SVG that stretches with its panel.

import { drawing } from "./dom.js";

const WIDTH = 600;

function path(points, x, y) {
  return points.map((one, at) => `${at ? "L" : "M"}${x(one[0]).toFixed(1)} ${y(one[1]).toFixed(1)}`).join("");
}

// Points are [time, value]; the area under the line is washed.
export function line(points, height = 56) {
  const made = drawing("svg", {
    viewBox: `0 0 ${WIDTH} ${height}`,
    preserveAspectRatio: "none",
    class: "chart",
    "aria-hidden": "true",
  });
  if (points.length < 2) return made;
  const first = points[0][0],
    last = points.at(-1)[0],
    top = Math.max(1e-9, ...points.map((one) => one[1])) * 1.08;
  const x = (at) => ((at - first) / Math.max(1, last - first)) * WIDTH,
    y = (value) => height - 2 - (value / top) * (height - 6);
  const drawn = path(points, x, y);
  made.append(
    drawing("path", { d: `${drawn}L${WIDTH} ${height}L0 ${height}Z`, class: "wash" }),
    drawing("path", { d: drawn, class: "line" }),
  );
  return made;
}

// Points are [time, value, low, high]; zero is dashed.  Gives the drawing and the scale it has.
export function interval(points, height = 220) {
  const made = drawing("svg", {
    viewBox: `0 0 ${WIDTH} ${height}`,
    preserveAspectRatio: "none",
    class: "chart",
    role: "img",
  });
  if (!points.length) return { made, low: 0, high: 0 };
  const end = points.at(-1),
    reach = Math.max(0.05, end[3] - end[2]);
  const high = Math.max(0, end[3] + reach * 0.6),
    low = Math.min(0, end[2] - reach * 0.6);
  const shown = points.length > 1 ? points : [[end[0] - 1, ...end.slice(1)], end];
  const first = shown[0][0],
    last = shown.at(-1)[0],
    clip = (value) => Math.max(low, Math.min(high, value));
  const x = (at) => ((at - first) / Math.max(1, last - first)) * WIDTH,
    y = (value) => height - 4 - ((clip(value) - low) / (high - low)) * (height - 8);
  const edge = (at) => shown.map((one) => [one[0], one[at]]);
  const back = path(edge(3).reverse(), x, y).replace("M", "L");
  made.append(
    drawing("path", { d: `${path(edge(2), x, y)}${back}Z`, class: "wash" }),
    drawing("line", { x1: 0, x2: WIDTH, y1: y(0), y2: y(0), class: "zero" }),
    drawing("path", { d: path(edge(1), x, y), class: "line" }),
  );
  return { made, low, high };
}
