// What follows from an experiment, in one sentence, and the money that it is about: for the start page and its own.

import { money } from "./dom.js";
import { t } from "./words.js";

const per = (earned) => (earned.per === "day" ? t("a-day") : t("in-page-views", { views: 1000 }));
const sums = (earned, currency) =>
  [earned.mean, earned.low, earned.high].map((value) => money(Math.abs(value), currency));

// [what they earn or cost in words, good, bad or neither]; nothing where that is not known.
export function earnings(earned, currency, who = t("learned-layouts")) {
  if (!earned) return ["", ""];
  const [mean, low, high] = sums(earned, currency);
  const values = { who, mean, low, high, per: per(earned) };
  if (earned.low > 0) return [t("earned.more", values), "good"];
  if (earned.high < 0) return [t("earned.less", values), "bad"];
  return [t("earned.open", values), ""];
}

// [sentence, good, bad, warn or neither].
export function decided(decision) {
  const { verdict, outcome: name, days } = decision ?? { verdict: "nothing" },
    outcome = name ? t(name) : "";
  switch (verdict) {
    case "keep":
      return [t("decided.keep", { outcome }), "good"];
    case "stop":
      return [t("decided.stop", { outcome }), "bad"];
    case "invalid":
      return [t("decided.invalid"), "bad"];
    case "wait":
      if (days === null) return [t("decided.no-difference", { outcome }), ""];
      return [days < 1.5 ? t("decided.one-day", { outcome }) : t("decided.days", { outcome, days }), ""];
    default:
      return [t("decided.nothing"), ""];
  }
}
