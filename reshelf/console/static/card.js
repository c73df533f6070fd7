// An item as it stands on a page, with the rules that bear on it.

import { pictureOf } from "./art.js";
import { element, money, percent, say, until } from "./dom.js";
import { t } from "./words.js";

const NEW_MS = 120_000,
  LATER_MS = 5000;

export const oldestOf = (slots) => Math.min(...slots.filter((slot) => slot.created_at).map((slot) => slot.created_at));

export function cardOf(slot, oldest) {
  const link = element("a", "", slot.title),
    share = element("i"),
    was = element("p", "was small soft"),
    marks = element("p", "marks"),
    place = element("span", "place"),
    more = element("button", "more", "⋯");
  link.draggable = false;
  more.type = "button";
  more.setAttribute("aria-haspopup", "menu");
  more.setAttribute("aria-label", t("card.more", { title: slot.title }));
  const facts = element("p", "facts small", [
    element("span", "soft", slot.category || t("card.content")),
    element("b", "", slot.price === null ? "" : money(slot.price, slot.currency || "EUR")),
  ]);
  const picture = element("div", "picture", [pictureOf(slot), place, marks]);
  if (slot.created_at > oldest + LATER_MS && Date.now() - slot.created_at < NEW_MS)
    picture.append(element("span", "tag new", t("card.new")));
  const made = element("article", "card", [
    picture,
    more,
    element("div", "words", [element("h3", "", link), facts, element("div", "meter", share), was]),
  ]);
  return { made, share, was, place, link, marks, more, item: slot.item, marked: "" };
}

export function emptyCard() {
  const place = element("span", "place");
  return {
    made: element("article", "card none", [place, element("p", "soft small", t("card.left"))]),
    place,
    item: "",
  };
}

const words = {
  pin: ({ lowest_slot, slot }) =>
    !lowest_slot
      ? t("pinned")
      : lowest_slot === slot
        ? t("card.pinned-above")
        : t("card.pinned-soft", { slot: lowest_slot }),
  sponsored: () => t("card.sponsored"),
  exposure: () => t("card.exposure"),
  place: () => t("card.place"),
  boost: ({ factor }) =>
    factor === 0
      ? t("card.kept-off")
      : t(factor < 1 ? "card.lowered" : "card.boosted", { factor: String(Number(factor.toPrecision(3))) }),
};

function marked(one, mark) {
  if (one.relaxed) return t("card.gives-way", { mark });
  if (one.drafted) return t("card.drafted", { mark });
  if (one.on_trial) return t("card.on-trial", { mark });
  const day = until(one.ends_at);
  return day ? t("card.until", { mark, day }) : mark;
}

function tagOf(mark, slot) {
  const kind = mark.relaxed ? "warn" : mark.drafted ? "drafted" : "on";
  const made = element("span", `tag ${kind}`, marked(mark, words[mark.kind]?.({ ...mark, slot }) ?? mark.kind));
  made.title = mark.relaxed ? t("card.cannot-hold", { name: mark.name }) : mark.name;
  return made;
}

// What may change of a card that stays: only what did is written.
export function dress(card, slot, at, changed, now) {
  say(card.place, String(at + 1));
  if (!card.item) return;
  card.share.style.width = `${slot.share * 100}%`;
  const fresh = changed.has(slot.slot),
    href = `#why?${new URLSearchParams({ page: now.page, segment: now.segment, slot: slot.slot, item: slot.item })}`;
  card.made.classList.toggle("fresh", fresh);
  if (card.link.getAttribute("href") !== href) card.link.href = href;
  say(
    card.was,
    fresh && changed.get(slot.slot)
      ? t("card.was", { before: changed.get(slot.slot) })
      : slot.share
        ? t("card.seen", { share: percent(slot.share, 0) })
        : t("card.not-here"),
  );
  const marks = JSON.stringify([slot.slot, slot.marks]);
  if (marks === card.marked) return;
  card.marked = marks;
  card.marks.replaceChildren(...slot.marks.map((mark) => tagOf(mark, slot.slot)));
  card.made.classList.toggle(
    "leaving",
    slot.marks.some((mark) => mark.drafted && mark.factor === 0),
  );
}
