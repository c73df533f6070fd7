// Learned segments: sizes, words, what sets them apart, who moved with each version, and what they gain.

import { day, element, gain, number, panel, percent, say, table } from "./dom.js";

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
    element("span", "", [element("b", "", one.name), ` ${one.words.join(", ") || "no words set it apart"}`]),
    element("span", "number", [percent(one.share), element("span", "soft small", ` ${number(one.units)} visitors`)]),
    element("div", "", meter(one.share)),
    element(
      "p",
      "small soft",
      one.items.length ? `set apart by ${one.items.map((item) => item.title).join(" · ")}` : "",
    ),
  ]);

// While the split of visitors is off, no gain is called good or bad.
function verdict(one, trusted) {
  if (!trusted) return ["not to be trusted: the split of visitors is off", "soft"];
  if (one.high === null || one.low === null) return ["too few outcomes yet", "soft"];
  if (one.low > 0) return ["they pay", "good"];
  if (one.high < 0) return ["they cost", "bad"];
  return ["no difference stands out yet", "soft"];
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
        outcome,
        element("span", kind, said),
        gain(one.uplift),
        known ? `${gain(one.low)} to ${gain(one.high)}` : "–",
      ];
    }),
  );

function earned(pages) {
  if (!pages.length)
    return [element("p", "soft", "No page goes by learned segments yet: one does that says `segments: learned`.")];
  const without = pages.filter((page) => !page.gains.length).map((page) => page.page),
    rows = pages.flatMap(gains);
  return [
    rows.length ? table(["Page", "Outcome", "So far", "Gain", "Between"], rows, 3) : "",
    without.length
      ? element(
          "p",
          "soft small",
          `What segments gain on ${without.join(", ")} cannot be told: a branch with \`segment: "*"\` compares them with one layout for all.`,
        )
      : "",
  ];
}

const versions = (rows) =>
  table(
    ["Published", "Segments", "Visitors", "Moved", "Likelier"],
    rows.map((one) => [
      day(one.published_at),
      `${one.names.join(" ") || "none"} (generation ${number(one.generation)}${one.attribute ? `, with ${one.attribute}` : ""})`,
      number(one.units),
      percent(one.moved),
      gain(one.likelier),
    ]),
    2,
  );

export const segments = {
  title: "Segments",
  content: "segments",
  every: 5000,
  icon: "M10 3a7 7 0 1 0 7 7h-7z M13 3.7V7h3.3A7 7 0 0 0 13 3.7z",
  query: () => ({}),

  open(root) {
    const said = element("p", "soft", "…"),
      shown = element("div", "", element("p", "loading", "Reading the model…")),
      paid = element("div"),
      past = element("div");
    root.append(
      element("div", "head", element("h1", "", "Learned segments")),
      said,
      panel("Segments", shown, "names mean nothing by themselves"),
      panel("What they gain", paid, "beside one layout for all; look as often as you like"),
      panel("Versions", past, "moved: who is in another segment than before; likelier: items that were held out"),
    );
    return (content) => {
      say(said, content.heading);
      shown.replaceChildren(
        content.segments.length
          ? element("ul", "news", content.segments.map(segment))
          : element("p", "soft", "There are none now."),
      );
      paid.replaceChildren(...earned(content.pages));
      past.replaceChildren(content.versions.length ? versions(content.versions) : element("p", "soft", "None yet."));
    };
  },
};
