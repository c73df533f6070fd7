// What became of one item on one page: when its slots changed, and which rules named it.

import { ask } from "./answer.js";
import { clock, day, element, percent } from "./dom.js";
import { t } from "./words.js";

const SHOWN = 40,
  DAY_MS = 86_400_000;

function said(moment) {
  if (moment.slots !== null) {
    const slots = Object.entries(moment.slots).map(([slot, share]) =>
      t("timeline.slot", { slot, share: percent(share, 0) }),
    );
    return slots.length ? t("timeline.stands", { slots: slots.join(", ") }) : t("timeline.nowhere");
  }
  return moment.rules.length ? t("timeline.rules", { rules: moment.rules.join(", ") }) : t("timeline.no-rule");
}

function row(moment) {
  const who = moment.author || moment.reason;
  return element("li", "", [
    element("span", "number small soft", Date.now() - moment.at < DAY_MS ? clock(moment.at) : day(moment.at)),
    element("span", "", [
      said(moment),
      who
        ? element(
            "span",
            "small soft",
            ` ${t("timeline.by", { author: moment.author || t("unknown"), reason: moment.reason || t("no-reason") })}`,
          )
        : "",
    ]),
  ]);
}

// A list that fills itself; one is made for each item that is looked at.
export function timelineOf(page, segment, item) {
  const list = element("ol", "timeline", element("li", "loading", t("calendar.loading")));
  ask("timeline", { page, segment, item })
    .then(({ content }) => {
      const rows = content.moments.slice(-SHOWN).reverse().map(row);
      if (!rows.length) rows.push(element("li", "soft", t("timeline.none")));
      if (content.left_out) rows.push(element("li", "small soft", t("timeline.left-out", { count: content.left_out })));
      list.replaceChildren(...rows);
    })
    .catch((error) => list.replaceChildren(element("li", "bad", error.message)));
  return list;
}
