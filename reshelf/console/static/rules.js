// Rules of a page: edit, check, publish, go back.  Who, when and why is kept with every version.

import { ask, send } from "./answer.js";
import { choice, dateAfter, day, element, money, number, panel, say } from "./dom.js";
import { discard, draftOf, looked, write } from "./draft.js";
import { mayPublish, nameField, rememberName } from "./person.js";
import { openPreview, takeBack } from "./preview.js";

// A date as the shop's clocks show it: in a rule, dates are the shop's.
let timeZone = "UTC";
const templates = {
  Pin: (page) => ["- kind: pin", "  name: new pin", "  item: ITEM", `  slot: ${page.slot}`],
  Boost: () => ["- kind: boost", "  name: new boost", "  match: {categories: [CATEGORY]}", "  factor: 1.5"],
  Campaign: () => [
    "- kind: boost",
    "  name: new campaign",
    "  match: {tags: [TAG]}",
    "  factor: 2",
    `  starts_at: ${dateAfter(0, timeZone)}`,
    `  ends_at: ${dateAfter(7, timeZone)}`,
  ],
  Cap: () => ["- kind: cap", "  name: new cap", "  by: category", "  most: 3"],
  Spacing: () => ["- kind: spacing", "  name: new spacing", "  by: category", "  distance: 2"],
};

function withRule(text, lines) {
  const trimmed = text.trimEnd();
  return /^rules:\s*$/m.test(trimmed)
    ? `${trimmed}\n${lines.join("\n")}\n`
    : `${trimmed.replace(/^rules: *\[\] *$/m, "").trimEnd()}\nrules:\n${lines.join("\n")}\n`;
}

// What a rule asks for, in words, items by their titles; times tell whether it holds now.
function summary(rule, titles) {
  const match =
    Object.values(rule.match ?? {})
      .flat()
      .filter((one) => one && typeof one !== "number")
      .map((one) => titles[one] ?? one)
      .join(", ") || "all arms";
  const words = {
    pin: () => `${titles[rule.item] ?? rule.item} in ${rule.slot}`,
    boost: () => `${match} ×${rule.factor}`,
    cap: () => `at most ${rule.most} by ${rule.by}`,
    spacing: () => `one ${rule.by}, ${rule.distance} apart`,
    exposure: () => `${match} in ${number(rule.least * 100)} to ${number(rule.most * 100)} % of what visitors see`,
    place: () => `${match} in ${rule.slots.join(", ")} alone`,
    sponsored: () => `${match} in ${rule.slot}, ${number(rule.impressions)} a day`,
    complements: () => `complements ×${rule.factor}`,
    "not-above": () => `${rule.shelf} not above ${rule.row}`,
    "not-below": () => `${rule.shelf} not below ${rule.row}`,
    "most-of-kind": () => `at most ${rule.most} of ${rule.shelf_kind}`,
    "least-exposure": () => `${rule.shelf} in at least ${number(rule.least * 100)} % of what visitors see`,
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
    name === "revenue" ? money(Math.round(Math.abs(value)), report.currency) : `${number(Math.abs(value))} clicks`;
  if (range.low > 0) return element("span", "good small", ` · earned about ${said(range.mean)} so far`);
  if (range.high < 0) return element("span", "bad small", ` · cost about ${said(range.mean)} so far`);
  return element(
    "span",
    "soft small",
    ` · so far between a loss of ${said(range.low)} and a gain of ${said(range.high)}`,
  );
}

function inForce(rule, titles, report) {
  const now = Date.now(),
    over = rule.ends_at <= now,
    early = rule.starts_at > now,
    open = rule.ends_at > 4e12;
  const when = over
    ? ["ended", ""]
    : early
      ? [`from ${day(rule.starts_at)}`, "warn"]
      : open
        ? ["holds", "on"]
        : [`until ${day(rule.ends_at)}`, "on"];
  return element("li", "", [
    element("span", "tag", rule.kind),
    element("span", "", [
      element("b", "", rule.name),
      element(
        "span",
        "soft small",
        ` ${summary(rule, titles)}${rule.segments.length ? ` · for ${rule.segments.join(", ")}` : ""}`,
      ),
      soFar(rule, report),
    ]),
    element("span", `tag ${when[1]}`, when[0]),
  ]);
}

function changed(lines) {
  return element(
    "pre",
    "mono diff",
    lines.map((line) => element("span", line[0] === "+" ? "plus" : line[0] === "-" ? "minus" : "soft", `${line}\n`)),
  );
}

export const rules = {
  title: "Rules",
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
      check = element("button", "", "Check"),
      price = element("button", "", "Preview"),
      publish = element("button", "main", "Publish");
    editor.id = "rules-text";
    editor.spellcheck = false;
    editor.setAttribute("aria-label", "Rules as YAML");
    editor.wrap = "off";
    author.placeholder = "your name";
    author.setAttribute("aria-label", "Your name");
    reason.placeholder = "why";
    reason.setAttribute("aria-label", "Why");
    reason.className = "grow";
    said.setAttribute("role", "status");
    const adds = Object.entries(templates).map(([name, make]) => {
      const button = element("button", "", `+ ${name}`);
      button.addEventListener("click", () => {
        editor.value = withRule(editor.value, make({ slot: held?.text.match(/^slots:\s*\n- (.+)$/m)?.[1] ?? "SLOT" }));
        edited();
        editor.scrollTop = editor.scrollHeight;
        editor.focus();
      });
      return button;
    });
    root.append(
      element("div", "head", [element("h1", "", `Rules of ${now.page || "…"}`), told]),
      element("div", "tools", [choice("Page", Object.keys(now.pages), now.page, (page) => now.go({ page }))]),
      element("div", "rules", [
        panel(
          "Edit",
          [
            element("div", "tools adds", adds),
            element("div", "editor", [gutter, editor]),
            said,
            element("div", "tools", [author, reason, check, price, publish]),
          ],
          "YAML; nothing is in force before it is published",
        ),
        element("div", "side", [panel("In force", list), panel("History", history, "who, when and why")]),
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
        tell(found.wrong.map((one) => element("p", "notice bad", `line ${one.line}: ${one.text}`)));
        return false;
      }
      tell([
        ...found.warnings.map((text) => element("p", "notice warn", text)),
        found.changes.length
          ? changed(found.changes)
          : element("p", "notice", "It fits, and nothing differs from what is in force."),
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
          one
            ? `Published as version ${one.version}. The next layouts follow it.`
            : "Nothing differs from what is in force.",
          one ? undo(one.version) : "",
        ]),
      );
    }

    // Goes back to what was in force before, unless somebody published meanwhile.
    function undo(version) {
      const button = element("button", "", "Undo"),
        base = held.history.find((one) => one.version < version)?.version;
      button.hidden = base === undefined;
      button.addEventListener("click", () =>
        guarded(async () => {
          const made = await takeBack(now.page, { version, base, author: author.value });
          await settled(made.published[0].version);
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
        const away = element("button", "", "Discard");
        away.addEventListener("click", () => {
          discard(now.page);
          held = null;
          tell([]);
          show(content, true);
        });
        const count = draft.steps.length,
          said = count ? `${count} ${count === 1 ? "change" : "changes"} of the page of the shop` : "Your text";
        tell(element("p", "notice between", [`${said}, not published.`, away]));
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
        openPreview(now, draft, async (one) => {
          await settled(one.version);
          await refresh({ published: [one] });
        });
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
        await settled(made.published[0]?.version ?? held.version);
        await refresh(made);
      }),
    );

    // The console hears of what it published on the topic, like everybody else.
    async function settled(version) {
      for (let tries = 0; tries < 40; tries += 1) {
        if ((await ask("rules", { page: now.page })).content.version >= version) return;
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
    }

    function back(one, base) {
      const button = element("button", "", "Go back to this");
      button.addEventListener("click", () =>
        guarded(async () => {
          const made = await send("rules/roll-back", {
            page: now.page,
            version: one.version,
            base,
            author: author.value,
            reason: reason.value,
          });
          await settled(made.published[0].version);
          await refresh(made);
        }),
      );
      return button;
    }

    function versionRow(one, at, base) {
      const head = element("summary", "", [
        element("b", "number", String(one.version)),
        element("span", "cut", one.reason || "no reason given"),
        element(
          "span",
          "soft small",
          `${one.author || "unknown"}${one.published_at ? `, ${day(one.published_at)}` : ""}`,
        ),
      ]);
      return element("details", "letter", [
        head,
        one.changes.length ? changed(one.changes) : element("p", "soft small", "The first version that is kept."),
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
        tell(
          element(
            "p",
            "notice warn",
            `Version ${content.version} was published meanwhile; your text was made from version ${held.version}.`,
          ),
        );
      say(told, `version ${content.version} is in force`);
      timeZone = content.time_zone;
      list.replaceChildren(...content.rules.map((rule) => inForce(rule, content.titles ?? {}, content.so_far)));
      if (!content.rules.length) list.replaceChildren(element("li", "soft", "No rule: the policy alone decides."));
      // Who has opened a version keeps it open.
      const versions = content.history.map((one) => one.version).join();
      if (versions !== listed)
        history.replaceChildren(...content.history.map((one, at) => versionRow(one, at, content.version)));
      listed = versions;
    }

    return show;
  },
};
