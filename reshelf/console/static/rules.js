// Rules of a page: edit, check, publish, go back.  Who, when and why is kept with every version.

import { ask, send } from "./answer.js";
import { dateAfter } from "./dates.js";
import { block, choice, day, element, gain, money, number, panel, percent, quantity, say } from "./dom.js";
import { discard, draftOf, looked, write } from "./draft.js";
import { mayPublish, nameField, rememberName } from "./person.js";
import { openPreview, takeBack } from "./preview.js";
import { t } from "./words.js";

// A date as the shop's clocks show it: in a rule, dates are the shop's.
let timeZone = "UTC";
const templates = {
  pin: (page) => ["- kind: pin", "  name: new pin", "  item: ITEM", `  slot: ${page.slot}`],
  boost: () => ["- kind: boost", "  name: new boost", "  match: {categories: [CATEGORY]}", "  factor: 1.5"],
  campaign: () => [
    "- kind: boost",
    "  name: new campaign",
    "  match: {tags: [TAG]}",
    "  factor: 2",
    `  starts_at: ${dateAfter(0, timeZone)}`,
    `  ends_at: ${dateAfter(7, timeZone)}`,
  ],
  cap: () => ["- kind: cap", "  name: new cap", "  by: category", "  most: 3"],
  spacing: () => ["- kind: spacing", "  name: new spacing", "  by: category", "  distance: 2"],
};

function withRule(text, lines) {
  const trimmed = text.trimEnd();
  return /^rules:\s*$/m.test(trimmed)
    ? `${trimmed}\n${lines.join("\n")}\n`
    : `${trimmed.replace(/^rules: *\[\] *$/m, "").trimEnd()}\nrules:\n${lines.join("\n")}\n`;
}

// A rule with what it goes by in words.
const attributed = (rule) => ({ ...rule, by: rule.by === "all" ? "" : t(`attribute.${rule.by}`) });

// What a rule asks for, in words, items by their titles; times tell whether it holds now.
function summary(rule, titles) {
  const match =
    Object.values(rule.match ?? {})
      .flat()
      .filter((one) => one && typeof one !== "number")
      .map((one) => titles[one] ?? one)
      .join(", ") || t("rules.all-items");
  const words = {
    pin: () =>
      t(rule.or_above ? "rules.in-slot-or-above" : "rules.in-slot", {
        item: titles[rule.item] ?? rule.item,
        slot: rule.slot,
      }),
    boost: () => `${match} ×${rule.factor}`,
    cap: () => t(rule.by === "all" ? "rules.at-most-all" : "rules.at-most", { ...attributed(rule), item: match }),
    spacing: () => t("rules.apart", attributed(rule)),
    exposure: () => t("rules.exposed", { item: match, least: percent(rule.least, 0), most: percent(rule.most, 0) }),
    place: () => t("rules.alone", { item: match, slots: rule.slots.join(", ") }),
    sponsored: () => t("rules.paid", { item: match, slot: rule.slot, number: rule.impressions }),
    bid: () => t("rules.bid", { item: match, sponsor: rule.sponsor || rule.name, amount: number(rule.amount, 2) }),
    complements: () => t("rules.complements", { factor: String(rule.factor) }),
    "not-above": () => t("rules.not-above", rule),
    "not-below": () => t("rules.not-below", rule),
    "most-of-kind": () => t("rules.most-of-kind", { most: rule.most, kind: rule.shelf_kind }),
    "least-exposure": () => t("rules.shelf-exposed", { shelf: rule.shelf, least: percent(rule.least, 0) }),
  };
  return words[rule.kind]?.() ?? "";
}

// What a rule cost or earned so far, in money where orders are known, else in clicks.
function soFar(rule, report) {
  const one = report?.rules?.find((each) => each.name === rule.name),
    name = one?.change?.revenue ? "revenue" : "clicks",
    range = one?.change?.[name]?.so_far;
  if (!range) return "";
  const said = (value) =>
    name === "revenue"
      ? money(Math.abs(value), report.currency)
      : t("some-clicks", { number: quantity(Math.abs(value)) });
  const values = { mean: said(range.mean), low: said(range.low), high: said(range.high) },
    [key, kind] = range.low > 0 ? ["earned", "good"] : range.high < 0 ? ["cost", "bad"] : ["open", "soft"];
  return element("span", `${kind} small`, ` · ${t(`rules.${key}`, values)}`);
}

// What was measured of a rule on trial, in clicks, for each of its branches, and of how many page views since when.
function measured(rule, report) {
  const one = report?.rules?.find((each) => each.name === rule.name),
    began = report?.trials_counted_since ?? 0,
    counted = began > Date.now() ? "begins" : began ? "views" : "all",
    since = day(began);
  return Object.values(one?.trials ?? {}).map(({ uplift, views }) => {
    const { low, high } = uplift.clicks ?? {};
    const known = low !== null && high !== null && low !== undefined,
      [key, kind] = !known
        ? ["unknown", "soft"]
        : low > 0
          ? ["gains", "good"]
          : high < 0
            ? ["loses", "bad"]
            : ["open", "soft"];
    return element(
      "span",
      `${kind} small`,
      ` · ${t(`rules.trial-${key}`, known ? { low: gain(low), high: gain(high) } : {})} ${t(`rules.trial-${counted}`, { views, since })}`,
    );
  });
}

function inForce(rule, titles, report) {
  const now = Date.now(),
    over = rule.ends_at <= now,
    early = rule.starts_at > now,
    open = rule.ends_at > 4e12;
  const when = over
    ? [t("rules.ended"), ""]
    : early
      ? [t("rules.starts", { day: day(rule.starts_at) }), "warn"]
      : open
        ? [t("rules.holds"), "on"]
        : [t("rules.until", { day: day(rule.ends_at) }), "on"];
  return element("li", "", [
    element("span", "tag", t(`kind.${rule.or_above ? "soft-pin" : rule.kind}`)),
    element("span", "", [
      element("b", "", rule.name),
      element(
        "span",
        "soft small",
        ` ${summary(rule, titles)}${rule.segments.length ? ` · ${t("rules.for", { segments: rule.segments.join(", ") })}` : ""}`,
      ),
      soFar(rule, report),
      ...measured(rule, report),
    ]),
    element("span", `tag ${when[1]}`, when[0]),
  ]);
}

function changed(differences) {
  return block(
    "mono diff",
    differences.map((line) =>
      element("span", line[0] === "+" ? "plus" : line[0] === "-" ? "minus" : "soft", `${line}\n`),
    ),
  );
}

export const rules = {
  title: t("rules.tab"),
  content: "rules",
  every: 5000,
  icon: "M3 6h7 M14 6h3 M3 14h3 M10 14h7 M12 4v4 M8 12v4",
  query: (now) => ({ page: now.page }),

  open(root, now) {
    let held = null,
      listed = null;
    const editor = element("textarea", "mono"),
      gutter = element("div", "gutter mono soft number"),
      said = element("div", "said"),
      list = element("ul", "in-force"),
      history = element("div", "history"),
      told = element("p", "soft small");
    const author = nameField(),
      reason = element("input"),
      check = element("button", "", t("check")),
      price = element("button", "", t("preview")),
      publish = element("button", "main", t("publish"));
    editor.id = "rules-text";
    editor.spellcheck = false;
    editor.setAttribute("aria-label", t("rules.as-yaml"));
    editor.wrap = "off";
    author.placeholder = t("your-name-hint");
    author.setAttribute("aria-label", t("your-name"));
    reason.placeholder = t("rules.why");
    reason.setAttribute("aria-label", t("why"));
    reason.className = "grow";
    said.setAttribute("role", "status");
    const adds = Object.entries(templates).map(([name, make]) => {
      const button = element("button", "", `+ ${t(`rules.${name}`)}`);
      button.addEventListener("click", () => {
        editor.value = withRule(editor.value, make({ slot: held?.text.match(/^slots:\s*\n- (.+)$/m)?.[1] ?? "SLOT" }));
        edited();
        editor.scrollTop = editor.scrollHeight;
        editor.focus();
      });
      return button;
    });
    root.append(
      element("div", "head", [element("h1", "", t("rules.title", { page: now.page || "…" })), told]),
      element("div", "tools", [choice(t("page"), Object.keys(now.pages), now.page, (page) => now.go({ page }))]),
      element("div", "rules", [
        panel(
          t("rules.edit"),
          [
            element("div", "tools adds", adds),
            element("div", "editor", [gutter, editor]),
            said,
            element("div", "tools", [author, reason, check, price, publish]),
          ],
          t("rules.edit-note"),
        ),
        element("div", "side", [
          panel(t("rules.in-force"), list),
          panel(t("rules.history"), history, t("rules.history-note")),
        ]),
      ]),
    );

    function lines(wrong = []) {
      const bad = new Map(wrong.map((one) => [one.line, one.text]));
      gutter.replaceChildren(
        ...editor.value.split("\n").map((_, at) => {
          const mark = element("div", bad.has(at + 1) ? "bad" : "", String(at + 1));
          mark.title = bad.get(at + 1) ?? "";
          return mark;
        }),
      );
      gutter.scrollTop = editor.scrollTop;
    }

    function tell(nodes) {
      said.replaceChildren(...[nodes].flat());
    }

    async function look() {
      const found = await send("rules/check", { text: editor.value });
      lines(found.wrong);
      if (found.wrong.length) {
        tell(found.wrong.map((one) => element("p", "notice bad", t("rules.line", one))));
        return false;
      }
      tell([
        ...found.warnings.map((text) => element("p", "notice warn", text)),
        found.changes.length ? changed(found.changes) : element("p", "notice", t("rules.fits")),
      ]);
      return found.changes.length > 0;
    }

    async function guarded(work) {
      check.disabled = price.disabled = publish.disabled = true;
      try {
        await work();
      } catch (error) {
        tell(element("p", "notice bad", error.message));
      }
      check.disabled = price.disabled = false;
      publish.disabled = !mayPublish();
    }

    async function refresh(made) {
      discard(now.page);
      show((await ask("rules", { page: now.page })).content, true);
      const [one] = made.published;
      tell(
        element("p", "notice between", [
          one ? t("rules.published", one) : t("rules.same"),
          one ? undo(one.version) : "",
        ]),
      );
    }

    // Goes back to what was in force before, unless somebody published meanwhile.
    function undo(version) {
      const button = element("button", "", t("undo")),
        base = held.history.find((one) => one.version < version)?.version;
      button.hidden = base === undefined;
      button.addEventListener("click", () =>
        guarded(async () => {
          const made = await takeBack(now.page, { version, base, author: author.value });
          await refresh(made);
        }),
      );
      return button;
    }

    // What is typed is the draft that the page of the shop shows, too.
    function edited() {
      lines();
      if (!held) return;
      if (editor.value === held.text) discard(now.page);
      else write(now.page, held.version, editor.value);
    }

    async function resume(draft, content) {
      try {
        const { text } = await looked(now.page, draft);
        held = { ...content, version: draft.version };
        editor.value = text;
        const away = element("button", "", t("discard"));
        away.addEventListener("click", () => {
          discard(now.page);
          held = null;
          tell([]);
          show(content, true);
        });
        const count = draft.steps.length,
          said = count ? t("rules.shop-changes", { count }) : t("rules.your-text");
        tell(element("p", "notice between", [said, away]));
      } catch (error) {
        tell(element("p", "notice bad", error.message));
      }
      lines();
    }

    editor.addEventListener("input", edited);
    editor.addEventListener("scroll", () => {
      gutter.scrollTop = editor.scrollTop;
    });
    check.addEventListener("click", () => guarded(look));
    price.addEventListener("click", () =>
      guarded(async () => {
        if (!(await look())) return;
        const draft = { version: held.version, text: editor.value, steps: [], cards: {} };
        openPreview(now, draft, (one) => refresh({ published: [one] }));
      }),
    );
    publish.addEventListener("click", () =>
      guarded(async () => {
        if (!(await look())) return;
        rememberName(author);
        const made = await send("rules/publish", {
          page: now.page,
          version: held.version,
          text: editor.value,
          author: author.value,
          reason: reason.value,
        });
        reason.value = "";
        await refresh(made);
      }),
    );

    function back(one, base) {
      const button = element("button", "", t("rules.go-back"));
      button.addEventListener("click", () =>
        guarded(async () => {
          const made = await send("rules/roll-back", {
            page: now.page,
            version: one.version,
            base,
            author: author.value,
            reason: reason.value,
          });
          await refresh(made);
        }),
      );
      return button;
    }

    function versionRow(one, at, base) {
      const head = element("summary", "", [
        element("b", "number", String(one.version)),
        element("span", "cut", one.reason || t("no-reason")),
        element(
          "span",
          "soft small",
          `${one.author || t("unknown")}${one.published_at ? `, ${day(one.published_at)}` : ""}`,
        ),
      ]);
      return element("details", "letter", [
        head,
        one.changes.length ? changed(one.changes) : element("p", "soft small", t("rules.first")),
        at ? back(one, base) : "",
      ]);
    }

    function show(content, anew = false) {
      const untouched = held === null || editor.value === held.text,
        draft = held === null && draftOf(now.page);
      if (draft) {
        held = content;
        resume(draft, content);
      } else if (anew || untouched) {
        editor.value = content.text;
        lines();
        held = content;
      } else if (content.version !== held.version)
        tell(element("p", "notice warn", t("rules.meanwhile", { version: content.version, mine: held.version })));
      say(told, t("rules.version", { version: content.version }));
      timeZone = content.time_zone;
      list.replaceChildren(...content.rules.map((rule) => inForce(rule, content.titles ?? {}, content.so_far)));
      if (!content.rules.length) list.replaceChildren(element("li", "soft", t("rules.none")));
      // Who has opened a version keeps it open.
      const versions = content.history.map((one) => one.version).join();
      if (versions !== listed)
        history.replaceChildren(...content.history.map((one, at) => versionRow(one, at, content.version)));
      listed = versions;
    }

    return show;
  },
};
