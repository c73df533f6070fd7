// Campaigns of all pages: rules that begin or end at a date, on one axis of time.

import { day, element, panel, table } from "./dom.js";
import { t } from "./words.js";

const DAY_MS = 86_400_000,
  OPEN = 4e12;
const begins = (one) => (one.starts_at ? day(one.starts_at) : t("calendar.open"));
const ends = (one) => (one.ends_at < OPEN ? day(one.ends_at) : t("calendar.open"));

// From a week ago to a fortnight ahead, or further where campaigns do.
function range(campaigns, now) {
  const dates = campaigns.flatMap((one) => [one.starts_at, one.ends_at]).filter((at) => at && at < OPEN);
  return [Math.min(now - 7 * DAY_MS, ...dates), Math.max(now + 14 * DAY_MS, ...dates)];
}

function bar(one, [first, last]) {
  const at = (time) => ((Math.min(last, Math.max(first, time)) - first) / (last - first)) * 100,
    made = element("i", one.state);
  made.style.left = `${at(one.starts_at || first)}%`;
  made.style.width = `${Math.max(0.5, at(one.ends_at) - at(one.starts_at || first))}%`;
  const track = element("div", "campaign-track", made);
  track.title = t("calendar.time", { rule: one.rule, page: one.page, begins: begins(one), ends: ends(one) });
  const today = element("i", "today");
  today.style.left = `${at(Date.now())}%`;
  track.append(today);
  return track;
}

function row(one, dates) {
  const link = element("a", "", one.rule),
    kind = { now: "on", coming: "warn" }[one.state] ?? "";
  link.href = `#rules?${new URLSearchParams({ page: one.page })}`;
  return [
    link,
    one.page,
    bar(one, dates),
    begins(one),
    ends(one),
    element("span", `tag ${kind}`, t(one.state === "over" ? "calendar.past" : `calendar.${one.state}`)),
    one.segments.join(", ") || t("calendar.everybody"),
  ];
}

export const calendar = {
  title: t("calendar.tab"),
  content: "calendar",
  every: 15_000,
  icon: "M3 5h14v12H3z M3 9h14 M7 3v4 M13 3v4",
  query: () => ({}),

  open(root) {
    const body = element("div", "", element("p", "loading", t("calendar.loading"))),
      past = element("input"),
      choice = element("label", "check", [past, t("calendar.over")]);
    let content = null;
    past.type = "checkbox";
    past.addEventListener("change", () => content && show(content));
    root.append(
      element("div", "head", element("h1", "", t("calendar.title"))),
      element("div", "tools", choice),
      panel(t("calendar.title"), body, t("calendar.note")),
    );

    function show(answer) {
      content = answer;
      const those = answer.campaigns.filter((one) => past.checked || one.state !== "over"),
        dates = range(those, Date.now());
      const head = ["rule", "page", "time", "begins", "ends", "state", "for"].map((name) =>
        name === "time" ? t("calendar.today") : name === "page" ? t("page") : t(`calendar.${name}`),
      );
      body.replaceChildren(
        those.length
          ? table(
              head,
              those.map((one) => row(one, dates)),
              head.length,
            )
          : element("p", "soft", t("calendar.none")),
      );
    }
    return show;
  },
};
