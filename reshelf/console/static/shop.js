// A page of the shop as one visitor sees it, to work on: cards are moved, pinned, boosted; nothing is in force before it is published.

import { cardOf, dress, emptyCard, oldestOf } from "./card.js";
import { choice, clock, element, exceptions, panel, percent, say, segmentName, span } from "./dom.js";
import { find } from "./find.js";
import { openMenu } from "./popup.js";
import { rearrange } from "./rearrange.js";
import { asFilled, boostStep, pinStep, ruleForm } from "./rule_form.js";
import { t } from "./words.js";
import { workbench } from "./workbench.js";

const FRESH_MS = 4000,
  MOVE_MS = 550;
const still = matchMedia("(prefers-reduced-motion: reduce)");

// Where cards were, they glide from; what is new fades in.  What has the focus keeps it.
function move(grid, last, cards, rows, now, menu) {
  const before = new Map(last.map((card) => [card.made, card.made.getBoundingClientRect()]));
  const places = cards.map((card) => card.made),
    focused = grid.contains(document.activeElement) ? document.activeElement : null;
  grid.className = rows.length ? "shelves" : "shelf";
  grid.replaceChildren(
    ...(rows.length ? rows.map((row) => shelfOf(row, places.splice(0, row.slots.length), now, menu)) : places),
  );
  const same = (one) =>
    one.className === focused.className && one.href === focused.href && one.ariaLabel === focused.ariaLabel;
  if (focused)
    (focused.isConnected ? focused : [...grid.querySelectorAll("a, button")].find(same))?.focus({
      preventScroll: true,
    });
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
function shelfOf(row, cards, now, menu) {
  const link = element("a", "", row.title),
    more = element("button", "more", "⋯");
  link.href = `#why?${new URLSearchParams({ page: now.page, segment: now.segment, shelf: row.shelf })}`;
  link.draggable = false;
  more.type = "button";
  more.setAttribute("aria-haspopup", "menu");
  more.setAttribute("aria-label", t("shop.what-shelf", { title: row.title }));
  more.addEventListener("click", () => menu(more, row));
  const head = element("h2", "grip", [
    link,
    element("span", "soft small", t("shop.shelf", { row: row.row, kind: row.kind, share: percent(row.share, 0) })),
    row.pinned
      ? element("span", `tag ${row.drafted ? "drafted" : "on"}`, t(row.drafted ? "pinned-draft" : "pinned"))
      : "",
    more,
  ]);
  return element("section", "shelf-row", [head, element("div", "shelf", cards)]);
}

function facts(content) {
  if (!content.version) return t("shop.no-layout");
  const who = content.holdout
    ? t("shop.holdout")
    : t("shop.variant", { variant: content.variant + 1, variants: content.variants });
  return t("shop.facts", { who, policy: content.policy, age: span(Date.now() - content.produced_at) });
}

function changeRow(change) {
  return element("li", "", [
    element("span", "soft number small", clock(change.at)),
    element("span", "slot cut", change.slot),
    element("span", "words small", [
      element("b", "", change.after || t("shop.empty")),
      element("span", "soft", change.before ? ` ${t("shop.instead", { before: change.before })}` : ""),
    ]),
  ]);
}

function noticesOf(content) {
  const notes = [];
  if (content.version && content.of !== content.segment)
    notes.push(element("p", "notice", t("shop.of-other", { segment: segmentName(content.of) })));
  return [...notes, ...exceptions(content)];
}

// What a menu offers for a card; all of it goes into the draft.
function cardMenu(now, bench, at, slots) {
  const slot = slots[at],
    own = bench.rules.filter((rule) => (rule.item ?? rule.match?.items?.[0]) === slot.item),
    pin = own.find((rule) => rule.kind === "pin"),
    boosts = own.filter((rule) => rule.kind === "boost"),
    about = { card: slot, slots: slots.map((one) => one.slot), slot: slot.slot, zone: bench.zone, rules: bench.rules };
  about.segments = (now.pages[now.page] ?? []).filter((name) => name !== "*");
  const put = (step) => bench.change(step, [slot]),
    form =
      (kind, more = {}) =>
      () =>
        ruleForm(kind, { ...about, ...more }, put);
  const drop = (rule, words) => [
    words,
    () =>
      put({
        say: t("shop.item-taken", { title: slot.title, rule: rule.name }),
        edits: [{ do: "drop", name: rule.name }],
      }),
    rule.name,
  ];
  const changing = (rule) => ({ rule: asFilled(rule, bench.zone), slot: rule.slot ?? slot.slot, factor: rule.factor });
  return [
    ...(pin
      ? [[t("shop.change-pin"), form("pin", changing(pin)), pin.name], drop(pin, t("shop.unpin"))]
      : [
          [t("shop.pin-here"), () => put(pinStep(slot, slot.slot, about.slots, bench.rules))],
          [t("shop.pin-above"), () => put(pinStep(slot, slot.slot, about.slots, bench.rules, { or_above: true }))],
          [t("shop.pin-elsewhere"), form("pin")],
        ]),
    ...boosts.flatMap((rule) => [
      ...(rule.factor
        ? [[t("shop.change-factor"), form(rule.factor < 1 ? "lower" : "boost", changing(rule)), rule.name]]
        : []),
      drop(rule, t(rule.factor ? "shop.drop-boost" : "shop.let-on")),
    ]),
    ...(boosts.length
      ? []
      : [
          [t("shop.boost"), form("boost")],
          [t("shop.lower"), form("lower")],
          [t("shop.keep-off"), () => put(boostStep(slot, 0, bench.rules))],
        ]),
    [
      t("shop.why-here"),
      () => {
        location.hash = `why?${new URLSearchParams({ page: now.page, segment: now.segment, slot: slot.slot, item: slot.item })}`;
      },
    ],
  ];
}

// As wide as a device of a visitor; a card keeps its slot.
const widths = ["wide", "tablet", "phone"],
  widthOf = (now) => (widths.includes(now.width) ? now.width : widths[0]);

// Gives the field of whose page it is: the console names somebody where nobody is asked for.
function head(root, now, bench, parts) {
  const unit = element("input", "unit");
  unit.value = now.unit;
  unit.id = "unit";
  unit.maxLength = 128;
  unit.addEventListener("change", () => now.go({ unit: unit.value }));
  const another = element("button", "", t("shop.another"));
  another.addEventListener("click", () => now.go({ unit: `visitor-${Math.floor(Math.random() * 1e5)}` }));
  const label = element("label", "", t("shop.visitor"));
  label.htmlFor = "unit";
  const place = find(now.page, t("shop.find"), (card) => {
    const slots = parts.slots();
    ruleForm(
      "pin",
      {
        card,
        slots: slots.map((one) => one.slot),
        slot: slots[0]?.slot,
        segments: (now.pages[now.page] ?? []).filter((name) => name !== "*"),
        zone: bench.zone,
        rules: bench.rules,
      },
      (step) => bench.change(step, [card]),
    );
  });
  root.append(
    element("div", "head", [element("h1", "", t("shop.title", { page: now.page || "…" })), parts.told]),
    element("div", "tools", [
      choice(t("page"), Object.keys(now.pages), now.page, (page) => now.go({ page })),
      choice(t("segment"), now.pages[now.page] ?? [], now.segment, (segment) => now.go({ segment }), segmentName),
      choice(
        t("shop.width"),
        widths,
        widthOf(now),
        (width) => now.go({ width }),
        (name) => t(`shop.width-${name}`),
      ),
      place,
      element("div", "field", [label, unit, another]),
    ]),
  );
  return unit;
}

export const shop = {
  title: t("shop.tab"),
  content: "shop",
  every: 500,
  icon: "M3 8h14v9H3z M3 8l2-5h10l2 5 M8 17v-5h4v5",
  query: (now) => ({ page: now.page, segment: now.segment, unit: now.unit }),

  open(root, now) {
    const told = element("p", "soft small facts-line"),
      notes = element("div", "notes"),
      heading = element("h2", "unseen", t("shop.cards")),
      grid = element("div", "shelf", element("p", "loading", t("shop.loading"))),
      log = element("ol", "log");
    grid.setAttribute("aria-live", "off");
    log.tabIndex = 0;
    let cards = [],
      order = "",
      latest = "",
      noted = "",
      live = null,
      slots = [],
      rows = [];
    const bench = workbench(now, () => live && paint());
    const unit = head(root, now, bench, { told, slots: () => slots });
    const changes = panel(t("shop.changed"), log, t("shop.for-visitor"));
    changes.classList.add("changes");
    root.append(heading, notes, element("div", `shop ${widthOf(now)}`, [grid, changes]), bench.bar);

    const pinAt = (from, to) => {
      const card = slots[from],
        pin = bench.rules.find((rule) => rule.kind === "pin" && rule.item === card.item);
      const names = slots.map((slot) => slot.slot);
      return bench.change(pinStep(card, slots[to].slot, names, bench.rules, pin && asFilled(pin, bench.zone)), [card]);
    };
    const moving = rearrange(
      grid,
      () => cards.map((card) => card.made),
      (event) => !event.target.closest(".more") && (event.pointerType !== "touch" || event.target.closest(".place")),
      (from, to) => slots[from]?.item && pinAt(from, to),
    );
    const moveShelf = (shelf, row) =>
      bench.change({
        say: row ? t("shop.shelf-stands", { title: shelf.title, row }) : t("shop.shelf-free", { title: shelf.title }),
        edits: [{ do: "pin-shelf", shelf: shelf.shelf, row }],
      });
    rearrange(
      grid,
      () => [...grid.querySelectorAll(".shelf-row")],
      (event) => event.pointerType !== "touch" && event.target.closest(".grip") && !event.target.closest(".more"),
      (from, to) => moveShelf(rows[from], rows[to].row),
    );
    const shelfMenu = (button, row) =>
      openMenu(button, row.title, [
        ...(row.pinned
          ? [[t("shop.let-move"), () => moveShelf(row, "")]]
          : [[t("shop.pin-here"), () => moveShelf(row, row.row)]]),
        ...rows
          .filter((other) => other.row !== row.row)
          .map((other) => [
            t("shop.pin-in", { row: other.row }),
            () => moveShelf(row, other.row),
            t("shop.where", { title: other.title }),
          ]),
        [
          t("shop.why-here"),
          () => {
            location.hash = `why?${new URLSearchParams({ page: now.page, segment: now.segment, shelf: row.shelf })}`;
          },
        ],
      ]);
    grid.addEventListener("click", (event) => {
      const at = cards.findIndex((card) => card.more && card.more === event.target);
      if (at >= 0) openMenu(cards[at].more, slots[at].title, cardMenu(now, bench, at, slots));
    });
    bench.learn();

    function arrange(content) {
      const columns = rows.flatMap((row) => row.slots.map((_, at) => at)),
        standing = JSON.stringify([rows, slots.map((slot) => slot.item)]);
      if (standing !== order || !cards.length) {
        const oldest = oldestOf(slots),
          last = cards,
          held = new Map(cards.filter((card) => card.item).map((card) => [card.item, card]));
        cards = slots.map((slot) => (slot.item ? (held.get(slot.item) ?? cardOf(slot, oldest)) : emptyCard()));
        move(grid, last, cards, rows, now, shelfMenu);
        order = standing;
      }
      const changed = new Map(
        content.changes
          .filter((one) => Date.now() - one.at < FRESH_MS)
          .map((one) => [one.slot, one.before])
          .reverse(),
      );
      for (const [at, slot] of slots.entries()) dress(cards[at], slot, columns[at] ?? at, changed, now);
      if (!slots.length)
        grid.replaceChildren(element("p", "empty", t(content.version ? "shop.no-slots" : "shop.not-published")));
    }

    function paint() {
      ({ rows, slots } = bench.shown(live));
      arrange(live);
    }

    return (content) => {
      live = content;
      if (document.activeElement !== unit) unit.value ||= content.unit;
      bench.heard(content);
      say(told, facts(content));
      const notices = JSON.stringify([content.of, content.relaxed, content.guard_rail]);
      if (notices !== noted) notes.replaceChildren(...noticesOf(content));
      noted = notices;
      // Who drags a card finds the others where they were.
      if (!moving()) paint();
      const newest = JSON.stringify(content.changes[0] ?? null);
      if (newest !== latest) {
        const rows = content.changes.map(changeRow);
        log.replaceChildren(...(rows.length ? rows : [element("li", "soft", t("shop.nothing-changed"))]));
      }
      latest = newest;
    };
  },
};
