// What keys do, and what words mean; opened by `?`.

import { element } from "./dom.js";
import { openDialog } from "./popup.js";

const keys = [
  ["1 to 9", "open the pages"],
  ["Alt and an arrow", "moves the card, or the shelf, that has the focus, and pins it there"],
  ["Tab, Enter", "go on, and open; Escape closes"],
  ["?", "opens this"],
];
const words = [
  ["pin", "The item stands in this slot for everybody whom the rule is for."],
  ["boost, lower", "Its score is multiplied: above 1 it comes up more often, below 1 less, with 0 never."],
  ["segment", "A group of visitors, as the shop names it, or as Reshelf learned it from what they look at."],
  ["visitors who see it here", "The exact share of visitors outside the holdout whose page has the item in this slot."],
  ["holdout", "Visitors who always get the shop's own order, for comparison."],
  ["gives way", "A rule that cannot hold everywhere beside those that go before it."],
  ["between … and …", "The truth is in this range in 95 of 100 such cases, however often one looks."],
];

const list = (pairs) =>
  element(
    "dl",
    "glossary",
    pairs.flatMap(([word, text]) => [element("dt", "", word), element("dd", "", text)]),
  );

export const openHelp = () =>
  openDialog("Keys and words", [element("h3", "", "Keys"), list(keys), element("h3", "", "Words"), list(words)]);
