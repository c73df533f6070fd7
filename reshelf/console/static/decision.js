// What follows from an experiment, in one sentence, and the money that it is about: for the start page and its own.

import { money, number } from "./dom.js";

const per = (earned) => (earned.per === "day" ? "a day" : "in 1,000 page views");
const sums = (earned, currency) =>
  [earned.mean, earned.low, earned.high].map((value) => money(Math.round(Math.abs(value)), currency));

// [what they earn or cost in words, good, bad or neither]; nothing where that is not known.
export function earnings(earned, currency, who = "Learned layouts") {
  if (!earned) return ["", ""];
  const [mean, low, high] = sums(earned, currency);
  if (earned.low > 0) return [`${who} earn about ${mean} ${per(earned)} more (between ${low} and ${high}).`, "good"];
  if (earned.high < 0) return [`${who} cost about ${mean} ${per(earned)} (between ${high} and ${low}).`, "bad"];
  return [`In money: between a loss of ${low} and a gain of ${high} ${per(earned)}.`, ""];
}

const days = (count) => (count === null ? "" : count < 1.5 ? "about one more day" : `about ${number(count)} more days`);

// [sentence, good, bad, warn or neither].
export function decided(decision) {
  const { verdict, outcome } = decision ?? { verdict: "nothing" };
  switch (verdict) {
    case "keep":
      return [`Keep the learned layouts: they bring more ${outcome}.`, "good"];
    case "stop":
      return [`Stop the learned layouts: they bring less ${outcome}.`, "bad"];
    case "invalid":
      return ["Decide nothing: visitors are not split as they should be.", "bad"];
    case "wait":
      return [
        decision.days === null
          ? `Not enough yet: no difference in ${outcome} stands out.`
          : `Not enough yet: a difference in ${outcome} as it looks now takes ${days(decision.days)}.`,
        "",
      ];
    default:
      return ["Not enough yet: too few visitors came to say anything.", ""];
  }
}
