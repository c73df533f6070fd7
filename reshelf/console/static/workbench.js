// The draft of a page while somebody works on it: what is in force, what was changed, and the bar that says so.

import { ask } from "./answer.js";
import { element, span } from "./dom.js";
import { add, discard, draftOf, looked, rebase, undo } from "./draft.js";
import { openPreview, takeBack } from "./preview.js";
import { t } from "./words.js";

const button = (text, act, kind = "") => {
  const made = element("button", kind, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
};

// What rules of a draft make of the slots that are shown: as near as a browser can tell; a preview says exactly.
export function overlaid(slots, found, draft, segment) {
  if (!found || !draft) return slots;
  const now = Date.now(),
    holds = (rule) =>
      !rule.branches &&
      rule.starts_at <= now &&
      now < rule.ends_at &&
      (!rule.segments.length || rule.segments.includes(segment));
  const shown = slots.map((slot) => ({ ...slot, marks: slot.marks ?? [] }));
  for (const rule of found.rules.filter((one) => one.kind === "pin" && holds(one))) {
    const to = shown.findIndex((slot) => slot.slot === rule.slot),
      from = shown.findIndex((slot) => slot.item === rule.item);
    if (to < 0 || to === from || (rule.or_above && from >= 0 && from < to)) continue;
    const card = from >= 0 ? shown[from] : { ...draft.cards[rule.item], share: 0, created_at: 0, marks: [] };
    if (!card.item) continue;
    const other = shown[to];
    shown[to] = { ...card, slot: other.slot, share: 0 };
    if (from >= 0) shown[from] = { ...other, slot: card.slot, share: 0 };
  }
  const names = new Set(found.rules.map((rule) => rule.name));
  for (const slot of shown) {
    const own = found.rules.filter((rule) => (rule.item ?? rule.match?.items?.[0]) === slot.item && slot.item);
    slot.marks = slot.marks.filter((mark) => names.has(mark.name));
    for (const rule of own) {
      const before = found.before.find((one) => one.name === rule.name);
      if (before && JSON.stringify(before) === JSON.stringify(rule)) continue;
      slot.marks = slot.marks.filter((mark) => mark.name !== rule.name);
      slot.marks.push({
        kind: rule.kind,
        name: rule.name,
        ends_at: rule.ends_at,
        factor: rule.factor ?? 1,
        lowest_slot: rule.or_above ? rule.slot : "",
        on_trial: Boolean(rule.branches),
        drafted: true,
      });
    }
  }
  return shown;
}

const named = ({ shelf, title, kind, share }) => ({ shelf, title, kind, share });

// Rows with their shelves where a draft pins them, each shelf with its cards; those that it displaces change places.
export function reshelved(content, found, pinned) {
  const rows = (content.rows ?? []).map((row) => ({ ...row })),
    cells = new Map(content.slots.map((slot) => [slot.slot, slot])),
    drafted = found?.shelves ?? pinned;
  for (const [shelf, row] of Object.entries(drafted)) {
    const from = rows.find((one) => one.shelf === shelf),
      to = rows.find((one) => one.row === row);
    if (row === pinned[shelf] || !from || !to || from === to) continue;
    const held = from.slots.map((name) => cells.get(name));
    const lay = (names, cards) => {
      for (const [at, slot] of names.entries())
        cells.set(slot, { ...(cards[at] ?? { item: "", share: 0, marks: [] }), slot });
    };
    lay(
      from.slots,
      to.slots.map((name) => cells.get(name)),
    );
    lay(to.slots, held);
    const moved = named(from);
    Object.assign(from, named(to));
    Object.assign(to, moved);
  }
  for (const row of rows) {
    row.pinned = drafted[row.shelf] ?? "";
    row.drafted = row.pinned !== (pinned[row.shelf] ?? "");
  }
  return { rows, slots: content.slots.map((slot) => cells.get(slot.slot)) };
}

// `paint` is called when what is shown has changed.
export function workbench(now, paint) {
  const bar = element("section", "draft-bar");
  bar.hidden = true;
  bar.setAttribute("aria-label", t("bench.label"));
  bar.setAttribute("aria-live", "polite");
  let rules = null,
    found = null,
    wrong = [],
    publishing = null;

  const bench = {
    bar,
    get rules() {
      return found?.rules ?? rules?.rules ?? [];
    },
    get zone() {
      return rules?.time_zone ?? "UTC";
    },
    // The page as the draft would have it, as near as a browser can tell.
    shown(content) {
      const { rows, slots } = reshelved(content, found, rules?.shelves ?? {});
      return { rows, slots: overlaid(slots, found, draftOf(now.page), now.segment) };
    },
    async learn() {
      if (!now.page) return;
      try {
        rules = (await ask("rules", { page: now.page, brief: 1 })).content;
        await look();
      } catch (error) {
        told(element("p", "notice bad", error.message));
      }
    },
    async change(step, cards = []) {
      if (!rules) await bench.learn();
      if (!rules) return;
      publishing = null;
      add(now.page, rules.version, step, cards);
      await look();
    },
    // What a layout says of the version of rules that it was made with.
    heard(content) {
      if (!publishing || publishing.seen || content.rules_version < publishing.version) return;
      publishing.seen = Date.now();
      show();
    },
  };

  function told(node) {
    bar.hidden = false;
    bar.replaceChildren(node);
  }

  async function look() {
    const draft = draftOf(now.page);
    found = null;
    wrong = [];
    if (draft) {
      try {
        const answer = await looked(now.page, draft);
        wrong = answer.wrong;
        if (!wrong.length) found = { ...answer, before: rules.rules };
      } catch (error) {
        wrong = [{ line: 0, text: error.message }];
      }
    }
    show();
    paint();
  }

  function guarded(act) {
    return async () => {
      try {
        await act();
      } catch (error) {
        told(element("p", "notice bad", error.message));
      }
    };
  }

  function progress() {
    const one = publishing;
    const line = (done, text) => element("li", done ? "done" : "", text);
    return element("div", "published", [
      element("b", "", t("published-as", { version: one.version })),
      element("ol", "progress small", [
        line(true, t("bench.written")),
        line(one.seen, one.seen ? t("bench.composed", { age: span(one.seen - one.at) }) : t("bench.composing")),
      ]),
      button(
        t("undo"),
        guarded(async () => {
          const made = await takeBack(now.page, one);
          publishing = { version: made.published[0].version, base: one.version, author: one.author, at: Date.now() };
          rules = null;
          await bench.learn();
        }),
      ),
      button(
        "✕",
        () => {
          publishing = null;
          show();
        },
        "plain close",
      ),
    ]);
  }

  function unpublished(draft) {
    const count = draft.steps.length,
      overtaken = rules && draft.version !== rules.version;
    const last = draft.steps.at(-1)?.say ?? t("bench.by-hand");
    const notes = [
      overtaken &&
        element("p", "notice warn", [
          t("bench.meanwhile", { version: rules.version }),
          " ",
          draft.text
            ? ""
            : button(t("bench.rebase"), () => {
                rebase(now.page, rules.version);
                look();
              }),
        ]),
      ...wrong.slice(0, 3).map((one) => element("p", "notice bad", one.text)),
    ];
    const preview = button(t("bench.preview"), () => openPreview(now, draft, published), "main");
    preview.disabled = wrong.length > 0;
    const yaml = element("a", "button", t("bench.yaml"));
    yaml.href = `#rules?${new URLSearchParams({ page: now.page, segment: now.segment })}`;
    return [
      ...notes.filter(Boolean),
      element("div", "tools", [
        element("p", "grow", [
          element("b", "", count ? t("bench.changes", { count }) : t("bench.not-published")),
          element("span", "soft", ` · ${last}`),
        ]),
        count
          ? button(t("bench.undo-last"), () => {
              undo(now.page);
              look();
            })
          : "",
        button(t("discard"), () => {
          discard(now.page);
          look();
        }),
        yaml,
        preview,
      ]),
    ];
  }

  async function published(one) {
    discard(now.page);
    publishing = { ...one, at: Date.now() };
    rules = null;
    show();
    await bench.learn();
  }

  function show() {
    const draft = draftOf(now.page);
    bar.hidden = !draft && !publishing;
    bar.replaceChildren(...(draft ? unpublished(draft) : publishing ? [progress()] : []));
  }

  return bench;
}
