// Drafts by name: kept, looked at, and published by somebody else who approves them.

import { ask, send } from "./answer.js";
import { block, choice, day, element, panel, say, table } from "./dom.js";
import { t } from "./words.js";

function field(name, label, large = false) {
  const input = element(large ? "textarea" : "input", large ? "mono" : "");
  input.placeholder = label;
  input.setAttribute("aria-label", label);
  input.name = name;
  return input;
}

function button(text, act, kind = "") {
  const node = element("button", kind, text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

function stateOf(draft) {
  if (draft.in_force !== draft.version)
    return t("drafts.made-from", { version: draft.version, in_force: draft.in_force });
  return t(draft.asked ? "drafts.waits" : "drafts.under-work");
}

export const drafts = {
  title: t("drafts.tab"),
  content: "drafts",
  every: 15_000,
  icon: "M5 3h7l3 3v11H5z M8 9h4 M8 12h4",
  query: () => ({}),

  open(root, now) {
    const list = element("div"),
      opened = element("div"),
      said = element("p", "said"),
      told = element("p", "soft small"),
      name = field("draft", t("drafts.name")),
      author = field("author", t("your-name-hint")),
      reason = field("reason", t("drafts.why")),
      text = field("text", t("drafts.text"), true),
      wish = element("input");
    let seen = null,
      content = null;
    said.setAttribute("role", "status");
    wish.type = "checkbox";
    text.rows = 16;
    text.spellcheck = false;
    reason.className = "grow";

    async function act(path, body, done) {
      try {
        const answer = await send(`drafts/${path}`, { author: author.value, ...body });
        say(said, done(answer));
        seen = null;
        opened.replaceChildren();
        update((await ask("drafts", {})).content);
      } catch (error) {
        say(said, error.message);
      }
    }

    function save() {
      const body = { draft: name.value, page: now.page, reason: reason.value, text: text.value, asked: wish.checked };
      const { page, revision, version } = seen ?? {};
      const base = seen?.draft === name.value.trim() ? { page, revision, version } : {};
      act("save", { ...body, ...base }, (kept) =>
        kept.wrong.length
          ? t("drafts.kept-wrong", { revision: kept.revision, ...kept.wrong[0] })
          : t(kept.asked ? "drafts.kept-waits" : "drafts.kept", { revision: kept.revision }),
      );
    }

    function publishedAs(answer) {
      const [version] = answer.published;
      return version ? t("drafts.published", version) : t("nothing-differs");
    }

    async function look(draft) {
      try {
        seen = (await ask("drafts", { draft })).content;
      } catch (error) {
        say(said, error.message);
        return;
      }
      const { revision } = seen;
      [name.value, reason.value, text.value, wish.checked] = [seen.draft, seen.reason, seen.text, seen.asked];
      const mine = seen.author === content?.person;
      const acts = [
        button(t("drafts.delete"), () => act("delete", { draft, revision }, () => t("drafts.deleted", { draft }))),
      ];
      if (seen.asked && !mine && content?.roles.includes("approve"))
        acts.unshift(button(t("drafts.approve"), () => act("approve", { draft, revision }, publishedAs), "main"));
      const wrong = seen.wrong.map((one) => element("li", "", t("drafts.line", one)));
      opened.replaceChildren(
        panel(
          t("drafts.revision", { draft: seen.draft, revision }),
          [
            element(
              "p",
              "",
              t("drafts.by", { author: seen.author || t("drafts.nobody"), reason: seen.reason || t("no-reason") }),
            ),
            element("p", "soft", stateOf(seen)),
            wrong.length ? element("ul", "", wrong) : block("mono", seen.changes.join("\n") || t("nothing-differs")),
            element("div", "tools", acts),
          ],
          t("drafts.would-change"),
        ),
      );
    }

    const asks = element("label", "", [wish, " ", t("drafts.ask")]);
    root.append(
      element("div", "head", [element("h1", "", t("drafts.tab")), told]),
      element("div", "tools", [choice(t("page"), Object.keys(now.pages), now.page, (page) => now.go({ page }))]),
      said,
      panel(t("drafts.kept-title"), list, t("drafts.waiting-first")),
      opened,
      panel(t("drafts.save"), [
        element("div", "tools", [name, author, reason]),
        element("div", "editor", [element("div", "gutter"), text]),
        element("div", "tools", [asks, button(t("drafts.save"), save, "main")]),
      ]),
    );

    function update(answer) {
      content = answer;
      author.hidden = answer.person !== "";
      say(told, answer.two_people ? t("drafts.two-people") : "");
      const rows = answer.drafts.map((draft) => [
        button(draft.draft, () => look(draft.draft)),
        draft.page,
        draft.author,
        stateOf(draft),
        day(draft.saved_at),
      ]);
      list.replaceChildren(
        rows.length
          ? table(
              ["draft", "page", "by", "state", "saved"].map((name) => t(`drafts.head-${name}`)),
              rows,
              5,
            )
          : element("p", "soft", t("drafts.none")),
      );
    }
    return update;
  },
};
