// A page of the shop as one visitor sees it; cards move to their new places.

import { art } from "./art.js";
import { choice, clock, element, exceptions, money, panel, percent, say, segmentName, span } from "./dom.js";

const FRESH_MS = 4000,
  NEW_MS = 120_000,
  LATER_MS = 5000,
  MOVE_MS = 550;
const still = matchMedia("(prefers-reduced-motion: reduce)");

function cardOf(slot, oldest) {
  const link = element("a", "", slot.title),
    share = element("i"),
    was = element("p", "was small soft cut"),
    place = element("span", "place");
  const facts = element("p", "facts small", [
    element("span", "soft cut", slot.category || "content"),
    element("b", "", money(slot.price, slot.currency || "EUR")),
  ]);
  const picture = element("div", "picture", [art(slot.category, slot.title), place]);
  if (slot.created_at > oldest + LATER_MS && Date.now() - slot.created_at < NEW_MS)
    picture.append(element("span", "tag new", "new"));
  const made = element("article", "card", [
    picture,
    element("div", "words", [element("h3", "", link), facts, element("div", "meter", share), was]),
  ]);
  return { made, share, was, place, link, item: slot.item };
}

function emptyCard() {
  const place = element("span", "place");
  return {
    made: element("article", "card none", [place, element("p", "soft small", "left to the renderer")]),
    place,
    item: "",
  };
}

// Where cards were, they glide from; what is new fades in.
function move(grid, last, cards, rows, now) {
  const before = new Map(last.map((card) => [card.made, card.made.getBoundingClientRect()]));
  const places = cards.map((card) => card.made);
  grid.className = rows.length ? "shelves" : "shelf";
  grid.replaceChildren(
    ...(rows.length ? rows.map((row) => shelfOf(row, places.splice(0, row.slots.length), now)) : places),
  );
  if (still.matches || !before.size) return;
  for (const { made } of cards) {
    const from = before.get(made),
      to = made.getBoundingClientRect();
    if (!from)
      made.animate(
        [
          { opacity: 0, transform: "scale(.96)" },
          { opacity: 1, transform: "none" },
        ],
        { duration: MOVE_MS, easing: "ease-out" },
      );
    else if (from.x !== to.x || from.y !== to.y)
      made.animate([{ transform: `translate(${from.x - to.x}px, ${from.y - to.y}px)` }, { transform: "none" }], {
        duration: MOVE_MS,
        easing: "cubic-bezier(.2,.7,.2,1)",
      });
  }
}

// A row of the page: the title of its shelf above its cards.
function shelfOf(row, cards, now) {
  const link = element("a", "", row.title);
  link.href = `#why?${new URLSearchParams({ page: now.page, segment: now.segment, shelf: row.shelf })}`;
  const head = element("h2", "", [
    link,
    element("span", "soft small", `${row.row} · ${row.kind} · in ${percent(row.share, 0)} of the slates`),
  ]);
  return element("section", "shelf-row", [head, element("div", "shelf", cards)]);
}

function facts(content) {
  if (!content.version) return "no layout: the renderer shows its own fallback";
  const who = content.holdout
    ? "in the holdout, so always the baseline"
    : `slate ${content.variant + 1} of ${content.variants}`;
  return `${who} · ${content.policy} · made ${span(Date.now() - content.produced_at)} ago · version ${content.version}`;
}

function changeRow(change) {
  return element("li", "", [
    element("span", "soft number small", clock(change.at)),
    element("span", "slot cut", change.slot),
    element("span", "words small", [
      element("b", "", change.after || "empty"),
      element("span", "soft", change.before ? ` for ${change.before}` : ""),
    ]),
  ]);
}

export const shop = {
  title: "Shop",
  content: "shop",
  every: 500,
  icon: "M3 8h14v9H3z M3 8l2-5h10l2 5 M8 17v-5h4v5",
  query: (now) => ({ page: now.page, segment: now.segment, unit: now.unit || "visitor-1" }),

  open(root, now) {
    const unit = element("input", "unit");
    unit.value = now.unit || "visitor-1";
    unit.id = "unit";
    unit.maxLength = 128;
    unit.addEventListener("change", () => now.go({ unit: unit.value }));
    const another = element("button", "", "Another visitor");
    another.addEventListener("click", () => now.go({ unit: `visitor-${Math.floor(Math.random() * 1e5)}` }));
    const label = element("label", "", "Visitor");
    label.htmlFor = "unit";
    const told = element("p", "soft small facts-line"),
      notes = element("div", "notes"),
      grid = element("div", "shelf"),
      log = element("ol", "log");
    grid.setAttribute("aria-live", "off");
    const changes = panel("What changed", log, "for this visitor");
    changes.classList.add("changes");
    root.append(
      element("div", "head", [element("h1", "", `Page ${now.page || "…"}`), told]),
      element("div", "tools", [
        choice("Page", Object.keys(now.pages), now.page, (page) => now.go({ page })),
        choice("Segment", now.pages[now.page] ?? [], now.segment, (segment) => now.go({ segment }), segmentName),
        element("div", "field", [label, unit, another]),
      ]),
      notes,
      element("div", "shop", [grid, changes]),
    );
    let cards = [],
      order = "",
      latest = "";

    return (content) => {
      say(told, facts(content));
      notes.replaceChildren(...noticesOf(content));
      const changed = new Map(
        content.changes
          .filter((one) => Date.now() - one.at < FRESH_MS)
          .map((one) => [one.slot, one.before])
          .reverse(),
      );
      const rows = content.rows ?? [],
        columns = rows.flatMap((row) => row.slots.map((_, at) => at));
      const standing = JSON.stringify([rows, content.slots.map((slot) => slot.item)]);
      if (standing !== order || !cards.length) {
        const oldest = Math.min(...content.slots.filter((slot) => slot.created_at).map((slot) => slot.created_at));
        const last = cards,
          held = new Map(cards.filter((card) => card.item).map((card) => [card.item, card]));
        cards = content.slots.map((slot) => (slot.item ? (held.get(slot.item) ?? cardOf(slot, oldest)) : emptyCard()));
        move(grid, last, cards, rows, now);
        order = standing;
      }
      for (const [at, slot] of content.slots.entries()) dress(cards[at], slot, columns[at] ?? at, changed, now);
      if (!content.slots.length)
        grid.replaceChildren(
          element(
            "p",
            "empty",
            content.version ? "This page has no slots." : "No layout has been published for this page yet.",
          ),
        );
      const newest = JSON.stringify(content.changes[0] ?? null);
      if (newest !== latest) log.replaceChildren(...content.changes.map(changeRow));
      latest = newest;
      if (!content.changes.length) say(log, "Nothing yet since the console was opened.");
    };
  },
};

function dress(card, slot, at, changed, now) {
  say(card.place, String(at + 1));
  if (!card.item) return;
  card.share.style.width = `${slot.share * 100}%`;
  const fresh = changed.has(slot.slot);
  card.made.classList.toggle("fresh", fresh);
  card.made.dataset.slot = slot.slot;
  card.link.href = `#why?${new URLSearchParams({ page: now.page, segment: now.segment, slot: slot.slot, item: slot.item })}`;
  say(
    card.was,
    fresh && changed.get(slot.slot) ? `was ${changed.get(slot.slot)}` : `in ${percent(slot.share, 0)} of the slates`,
  );
}

function noticesOf(content) {
  const notes = [];
  if (content.version && content.of !== content.segment)
    notes.push(
      element("p", "notice", `This segment has no layout of its own: it gets that of ${segmentName(content.of)}.`),
    );
  return [...notes, ...exceptions(content)];
}
