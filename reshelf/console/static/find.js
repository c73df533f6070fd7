// Items by words of their titles, while somebody types.

import { ask } from "./answer.js";
import { pictureOf } from "./art.js";
import { element, money } from "./dom.js";
import { t } from "./words.js";

const PAUSE_MS = 120;
let ids = 0;

export function find(page, label, pick) {
  ids += 1;
  const input = element("input"),
    list = element("ul", "found"),
    box = element("div", "find", [input, list]);
  input.type = "search";
  input.placeholder = label;
  input.autocomplete = "off";
  list.id = `found-${ids}`;
  list.hidden = true;
  for (const [name, value] of Object.entries({
    role: "combobox",
    "aria-label": label,
    "aria-controls": list.id,
    "aria-expanded": "false",
    "aria-autocomplete": "list",
  }))
    input.setAttribute(name, value);
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", label);
  let timer = 0,
    round = 0,
    options = [],
    at = -1;

  function mark(next) {
    at = options.length ? (next + options.length) % options.length : -1;
    for (const [number, { made }] of options.entries()) made.setAttribute("aria-selected", number === at);
    if (at >= 0) {
      input.setAttribute("aria-activedescendant", options[at].made.id);
      options[at].made.scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function show(nodes) {
    list.replaceChildren(...nodes);
    list.hidden = !nodes.length;
    input.setAttribute("aria-expanded", String(nodes.length > 0));
  }

  function choose(card) {
    input.value = "";
    options = [];
    show([]);
    pick(card);
  }

  async function look(mine) {
    const query = input.value.trim();
    if (!query) return show([]);
    try {
      const { content } = await ask("items", { page, q: query });
      if (mine !== round) return;
      options = content.items.map((card, number) => {
        const price = card.price === null ? "" : money(card.price, card.currency || "EUR"),
          note = card.may ? price : t("find.not-allowed");
        const made = element("li", card.may ? "" : "off", [
          element("span", "thumb", pictureOf(card)),
          element("span", "", [element("b", "", card.title), element("span", "small soft", ` ${card.item}`)]),
          element("span", "small soft", note),
        ]);
        made.id = `${list.id}-${number}`;
        made.setAttribute("role", "option");
        made.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          choose(card);
        });
        return { made, card };
      });
      show(options.length ? options.map((one) => one.made) : [element("li", "soft", t("find.nothing", { query }))]);
      mark(0);
    } catch (error) {
      if (mine === round) show([element("li", "bad", error.message)]);
    }
  }

  input.addEventListener("input", () => {
    round += 1;
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE_MS, round);
  });
  input.addEventListener("blur", () => show([]));
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") mark(at + 1);
    else if (event.key === "ArrowUp") mark(at - 1);
    else if (event.key === "Enter" && at >= 0 && !list.hidden) choose(options[at].card);
    else if (event.key === "Escape" && !list.hidden) show([]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return box;
}
