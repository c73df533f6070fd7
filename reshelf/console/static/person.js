// Who one is: by the token where it names somebody, else by the name that one gives.

import { element } from "./dom.js";

let person = { person: "", roles: ["publish"] };

export function become({ person: name = "", roles = ["publish"] }) {
  person = { person: name, roles };
}

export const mayPublish = () => person.roles.includes("publish");

// A field for a name, which is filled in and closed where a token says it.
export function nameField() {
  const input = element("input");
  input.value = person.person || (localStorage.getItem("reshelf-author") ?? "");
  input.readOnly = Boolean(person.person);
  input.autocomplete = "name";
  return input;
}

export function rememberName(input) {
  if (!input.readOnly) localStorage.setItem("reshelf-author", input.value);
}
