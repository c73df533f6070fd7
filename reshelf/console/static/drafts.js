// Drafts by name: kept, looked at, and published by somebody else who approves them.

import { ask, send } from "./answer.js";
import { choice, day, element, panel, say, table } from "./dom.js";

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
  if (draft.in_force !== draft.version) return `made from version ${draft.version}; ${draft.in_force} is in force`;
  return draft.asked ? "waits for approval" : "under work";
}

export const drafts = {
  title: "Drafts",
  content: "drafts",
  every: 15_000,
  icon: "M5 3h7l3 3v11H5z M8 9h4 M8 12h4",
  query: () => ({}),

  open(root, now) {
    const list = element("div"),
      opened = element("div"),
      said = element("p", "said"),
      told = element("p", "soft small"),
      name = field("draft", "name of the draft"),
      author = field("author", "your name"),
      reason = field("reason", "why it is to be published"),
      text = field("text", "the page's file as YAML", true),
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
          ? `Kept as revision ${kept.revision}. Line ${kept.wrong[0].line}: ${kept.wrong[0].text}`
          : `Kept as revision ${kept.revision}${kept.asked ? "; it waits for somebody's approval" : ""}.`,
      );
    }

    function publishedAs(answer) {
      const [version] = answer.published;
      return version ? `Published as version ${version.version} of ${version.page}.` : "Nothing differs.";
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
      const acts = [button("Delete", () => act("delete", { draft, revision }, () => `Deleted ${draft}.`))];
      if (seen.asked && !mine && content?.roles.includes("approve"))
        acts.unshift(button("Approve and publish", () => act("approve", { draft, revision }, publishedAs), "main"));
      const wrong = seen.wrong.map((one) => element("li", "", `Line ${one.line}: ${one.text}`));
      opened.replaceChildren(
        panel(
          `${seen.draft}, revision ${revision}`,
          [
            element("p", "", `${seen.author || "Nobody by name"}: ${seen.reason || "no reason given"}`),
            element("p", "soft", stateOf(seen)),
            wrong.length
              ? element("ul", "", wrong)
              : element("pre", "mono", seen.changes.join("\n") || "Nothing differs."),
            element("div", "tools", acts),
          ],
          "what it would change",
        ),
      );
    }

    const asks = element("label", "", [wish, " ask for approval"]);
    root.append(
      element("div", "head", [element("h1", "", "Drafts"), told]),
      element("div", "tools", [choice("Page", Object.keys(now.pages), now.page, (page) => now.go({ page }))]),
      said,
      panel("Kept", list, "those that wait for approval first"),
      opened,
      panel("Save", [
        element("div", "tools", [name, author, reason]),
        element("div", "editor", [element("div", "gutter"), text]),
        element("div", "tools", [asks, button("Save", save, "main")]),
      ]),
    );

    function update(answer) {
      content = answer;
      author.hidden = answer.person !== "";
      say(told, answer.two_people ? "nobody publishes alone: somebody else approves a draft" : "");
      const rows = answer.drafts.map((draft) => [
        button(draft.draft, () => look(draft.draft)),
        draft.page,
        draft.author,
        stateOf(draft),
        day(draft.saved_at),
      ]);
      list.replaceChildren(
        rows.length
          ? table(["draft", "page", "by", "state", "saved"], rows, 5)
          : element("p", "soft", "There are no drafts."),
      );
    }
    return update;
  },
};
