// Pictures of items: their own where it may be loaded, else one from category and title: the same words, the same picture.

import { drawing, element } from "./dom.js";

function numbers(text) {
  let seed = 2166136261;
  for (const letter of text) seed = Math.imul(seed ^ letter.codePointAt(0), 16777619) >>> 0;
  return () => {
    seed = Math.imul(seed ^ (seed >>> 15), 2246822519) >>> 0;
    seed = Math.imul(seed ^ (seed >>> 13), 3266489917) >>> 0;
    return seed / 2 ** 32;
  };
}

const tone = (hue, chroma, light) => `hsl(${hue.toFixed(0)} ${chroma}% ${light}%)`;

const motifs = [
  (next, hue) =>
    [0, 1, 2].map((at) =>
      drawing("circle", {
        cx: 40 + next() * 160,
        cy: 30 + next() * 90,
        r: 22 + next() * 30,
        fill: tone(hue + at * 14, 42, 62 - at * 9),
        opacity: ".8",
      }),
    ),
  (next, hue) =>
    [0, 1, 2].map((at) => {
      const y = 55 + at * 28 + next() * 14,
        lift = 18 + next() * 22;
      return drawing("path", {
        d: `M0 ${y} Q60 ${y - lift} 120 ${y} T240 ${y} V150 H0Z`,
        fill: tone(hue + at * 8, 36, 58 - at * 11),
      });
    }),
  (next, hue) =>
    [0, 1, 2, 3, 4].map((at) => {
      const height = 34 + next() * 82;
      return drawing("rect", {
        x: 26 + at * 39,
        y: 138 - height,
        width: 31,
        height,
        rx: 6,
        fill: tone(hue + (at % 3) * 12, 38, 42 + next() * 26),
      });
    }),
  (next, hue) =>
    [0, 1, 2].map((at) => {
      const x = 60 + at * 58 + next() * 14,
        y = 118 - next() * 12,
        size = 38 + next() * 22;
      return drawing("path", {
        d: `M${x} ${y} C${x - size} ${y - size * 0.5} ${x - size * 0.4} ${y - size * 1.6} ${x} ${y - size * 1.7} C${x + size * 0.4} ${y - size * 1.6} ${x + size} ${y - size * 0.5} ${x} ${y}Z`,
        fill: tone(hue + at * 10, 38, 46 + at * 10),
      });
    }),
  (next, hue) => {
    const x = 60 + next() * 120;
    return [74, 52, 31, 13].map((r, at) =>
      drawing("circle", { cx: x, cy: 80, r, fill: tone(hue + at * 9, 40, at % 2 ? 74 : 46 + at * 3) }),
    );
  },
  (next, hue) =>
    [0, 1, 2].map((at) => {
      const x = 20 + at * 62 + next() * 20,
        size = 58 + next() * 46;
      return drawing("path", {
        d: `M${x} 132 L${x + size / 2} ${132 - size} L${x + size} 132Z`,
        fill: tone(hue + at * 10, 36, 44 + at * 9),
      });
    }),
];

export function art(category, title) {
  const kind = numbers(category || "content"),
    next = numbers(title);
  const hue = kind() * 360,
    motif = motifs[Math.floor(kind() * motifs.length)],
    shift = hue + (next() - 0.5) * 24;
  const ground = drawing("rect", { width: 240, height: 150, fill: tone(shift, 34, 84) });
  return drawing("svg", { viewBox: "0 0 240 150", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" }, [
    ground,
    ...motif(next, shift),
  ]);
}

export const hueOf = (category) => (numbers(category || "content")() * 360).toFixed(0);

// Hosts that the console's policy lets browsers load pictures from.
let hosts = [];
export function allowImages(names) {
  hosts = names;
}

export function pictureOf(card) {
  const drawn = () => art(card.category, card.title);
  const url = card.image && URL.canParse(card.image) ? new URL(card.image) : null;
  if (!url || !hosts.includes(url.host)) return drawn();
  const image = element("img");
  Object.assign(image, { alt: "", loading: "lazy", decoding: "async", draggable: false, src: url.href });
  image.addEventListener("error", () => image.replaceWith(drawn()));
  return image;
}
