// What opens above a page: menus of buttons, and forms.

import { element } from "./dom.js";
import { t } from "./words.js";

let closeMenu = () => {};

// Entries are [text, what it does, note]; arrows move, Escape closes, and the focus goes back to the button.
export function openMenu(button, label, entries) {
  closeMenu();
  const menu = element("div", "menu"),
    around = button.getBoundingClientRect();
  menu.setAttribute("role", "menu");
  menu.setAttribute("aria-label", label);
  const items = entries.map(([text, act, note]) => {
    const item = element("button", "", [text, note ? element("span", "small soft", note) : ""]);
    item.setAttribute("role", "menuitem");
    item.addEventListener("click", () => {
      close();
      act();
    });
    return item;
  });
  menu.append(...items);
  const outside = (event) => menu.contains(event.target) || close();
  function close() {
    closeMenu = () => {};
    document.removeEventListener("pointerdown", outside);
    if (menu.contains(document.activeElement)) button.focus();
    menu.remove();
    button.setAttribute("aria-expanded", "false");
  }
  closeMenu = close;
  menu.addEventListener("keydown", (event) => {
    const at = items.indexOf(document.activeElement),
      next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (next !== undefined) items.at(next % items.length).focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
  });
  menu.addEventListener("focusout", (event) => event.relatedTarget && !menu.contains(event.relatedTarget) && close());
  document.addEventListener("pointerdown", outside);
  document.querySelector("main").append(menu);
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(around.right - width, innerWidth - width - 8))}px`;
  menu.style.top = `${around.bottom + height + 8 > innerHeight ? Math.max(8, around.top - height - 4) : around.bottom + 4}px`;
  button.setAttribute("aria-expanded", "true");
  items[0].focus();
}

export function openDialog(title, content, kind = "") {
  closeMenu();
  const close = element("button", "plain close", "✕"),
    head = element("h2", "", [title, close]),
    box = element("dialog", kind, [head, ...[content].flat()]);
  close.type = "button";
  close.setAttribute("aria-label", t("console.close"));
  close.addEventListener("click", () => box.close());
  box.setAttribute("aria-label", title);
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

export function field(label, input, hint = "") {
  const made = element("label", "stacked", [element("span", "", label), input]);
  if (hint) made.append(element("span", "small soft", hint));
  return made;
}

// Fields in a dialog; `act` may throw what is wrong, which is said there.
export function openForm(title, fields, done, act) {
  const said = element("div", "said"),
    button = element("button", "main", done),
    form = element("form", "", [...fields, said, element("div", "tools end", button)]);
  said.setAttribute("role", "alert");
  const box = openDialog(title, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await act();
      box.close();
    } catch (error) {
      said.replaceChildren(element("p", "notice bad", error.message));
    }
    button.disabled = false;
  });
  return box;
}
