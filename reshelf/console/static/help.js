// What keys do, and what words mean; opened by `?`.

import { element } from "./dom.js";
import { openDialog } from "./popup.js";
import { t } from "./words.js";

const keys = ["numbers", "arrows", "tab", "question"],
  words = ["pin", "boost", "segment", "seen", "holdout", "gives-way", "between"];

const list = (names, means) =>
  element(
    "dl",
    "glossary",
    names.flatMap((name) => [element("dt", "", t(`help.${name}`)), element("dd", "", t(`help.${name}-${means}`))]),
  );

export const openHelp = () =>
  openDialog(t("help.title"), [
    element("h3", "", t("help.keys")),
    list(keys, "does"),
    element("h3", "", t("help.words")),
    list(words, "means"),
  ]);
