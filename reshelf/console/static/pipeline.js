// How events flow: rates, lag, watermarks, workers, Redis, dead letters.

import { line } from "./chart.js";
import { block, bytes, clock, element, number, panel, say, span, table } from "./dom.js";
import { t } from "./words.js";

function tile(title, note) {
  const value = element("b", "number"),
    chart = element("div"),
    under = element("p", "soft small", note);
  const made = element("section", "panel tile", [element("h2", "", title), value, under, chart]);
  return {
    made,
    show: (text, points, said = note) => {
      say(value, text);
      say(under, said);
      if (points) chart.replaceChildren(line(points));
    },
  };
}

function partitions(standings) {
  const topics = Map.groupBy ? Map.groupBy(standings, (one) => one.topic) : grouped(standings);
  return [...topics].map(([topic, ones]) => {
    const lag = ones.reduce((sum, one) => sum + one.lag, 0),
      end = ones.reduce((sum, one) => sum + one.end, 0);
    const bars = element(
      "div",
      "partitions",
      ones.map((one) => {
        const bar = element("i");
        bar.title = t("pipeline.partition", one);
        bar.style.setProperty("--done", one.end ? one.applied / one.end : 1);
        return bar;
      }),
    );
    const newest = Math.max(...ones.map((one) => one.append_time));
    return [topic, bars, number(end), number(end - lag), number(lag), newest ? clock(newest) : "–"];
  });
}

function grouped(standings) {
  const found = new Map();
  for (const one of standings) found.set(one.topic, [...(found.get(one.topic) ?? []), one]);
  return found;
}

function workerRows(workers) {
  return workers.map((one) => {
    const held = one.members.reduce((sum, member) => sum + member.partitions, 0);
    const state = element("span", one.state === "stable" ? "tag on" : "tag bad", one.said);
    return [one.role, state, one.members.length ? number(one.members.length) : "–", held ? number(held) : "–"];
  });
}

function serverRows(servers) {
  return servers.map((one) => [
    one.name.replace("Redis", one.kind),
    one.persisted ? one.version : t("pipeline.no-file", { version: one.version }),
    bytes(one.used),
    bytes(one.peak),
    one.limit ? bytes(one.limit) : t("pipeline.none"),
    number(one.commands_per_s),
  ]);
}

function sourceRows(samples) {
  return samples.flatMap((sample) => {
    const sources = Object.entries(sample.ahead_ms);
    return (sources.length ? sources : [["", null]]).map(([source, ahead]) => [
      sample.topic,
      source || "–",
      ahead === null ? "–" : t("seconds", { number: number(ahead / 1000, 2) }),
      number(sample.records),
      number(sample.misplaced),
    ]);
  });
}

function letter(one) {
  const inside = [
    element("p", "", one.detail),
    element(
      "dl",
      "small",
      [
        [t("pipeline.record"), `${one.topic} ${one.place}`],
        [t("pipeline.key"), one.key ?? t("pipeline.none")],
        ...one.headers,
      ].flatMap(([name, text]) => [element("dt", "soft", name), element("dd", "mono", text ?? "")]),
    ),
    block("mono", one.value ?? t("pipeline.no-value")),
  ];
  return element("details", "letter", [
    element("summary", "", [
      element("span", "tag warn", one.reason),
      element("span", "soft small number", clock(one.at)),
      element("span", "small cut", `${one.topic}: ${one.detail}`),
    ]),
    ...inside,
  ]);
}

const heads = (...names) => names.map((name) => t(`pipeline.${name}`));

export const pipeline = {
  title: t("pipeline.tab"),
  content: "pipeline",
  every: 1000,
  icon: "M2 10h4l2-6 4 12 2-6h4",
  query: () => ({}),

  open(root) {
    const tiles = {
      events: tile(t("pipeline.events"), t("pipeline.events-note")),
      lag: tile(t("pipeline.lag"), t("pipeline.lag-note")),
      age: tile(t("pipeline.age"), t("pipeline.age-note")),
      layouts: tile(t("pipeline.layouts"), t("pipeline.layouts-note")),
      letters: tile(t("pipeline.letters"), t("pipeline.letters-note")),
      memory: tile(t("pipeline.memory"), ""),
    };
    const told = element("p", "soft small"),
      warnings = element("div", "said"),
      logs = element("div"),
      workers = element("div"),
      servers = element("div"),
      sources = element("div"),
      reasons = element("div"),
      last = element("div", "letters");
    root.append(
      element("div", "head", [element("h1", "", t("pipeline.tab")), told]),
      warnings,
      element(
        "div",
        "tiles",
        Object.values(tiles).map((one) => one.made),
      ),
      panel(t("pipeline.logs"), logs, t("pipeline.logs-note")),
      element("div", "two", [
        panel(t("pipeline.workers"), workers, t("pipeline.workers-note")),
        panel(t("pipeline.servers"), servers),
      ]),
      panel(t("pipeline.sources"), sources, t("pipeline.sources-note")),
      panel(t("pipeline.by-reason"), reasons),
      panel(t("pipeline.last"), last, t("pipeline.open-one")),
    );
    let held = "";

    return (content) => {
      const beats = content.beats,
        now = beats.at(-1) ?? { events: 0, lag: 0, age_ms: 0, layouts: 0 },
        over = (name) => beats.map((one) => [one.at, one[name]]);
      const { name, namespace, pages, items, layouts } = content,
        state = namespace === name ? namespace : t("pipeline.alias", { namespace, name });
      say(told, t("pipeline.facts", { namespace: state, pages, items, layouts }));
      warnings.replaceChildren(
        ...content.warnings.map((text) => element("p", `notice ${text === content.away ? "bad" : "warn"}`, text)),
      );
      tiles.events.show(number(now.events), over("events"));
      tiles.lag.show(number(now.lag), over("lag"));
      tiles.age.show(span(now.age_ms), over("age_ms"));
      tiles.layouts.show(number(now.layouts, 1), over("layouts"));
      tiles.letters.show(
        number(content.letters.total),
        null,
        content.letters.reasons.length ? t("pipeline.most-often", content.letters.reasons[0]) : t("pipeline.all-valid"),
      );
      const used = content.servers.reduce((sum, one) => sum + one.used, 0);
      tiles.memory.show(
        content.servers.length ? bytes(used) : "–",
        null,
        content.servers.map((one) => t("pipeline.peak", { kind: one.kind, size: bytes(one.peak) })).join(", "),
      );
      logs.replaceChildren(
        table(heads("topic", "partitions", "end", "applied", "behind", "until"), partitions(content.standings), 2),
      );
      workers.replaceChildren(table(heads("role", "state", "workers", "partitions"), workerRows(content.workers), 2));
      servers.replaceChildren(
        table(heads("server", "version", "used", "peak-head", "limit", "commands"), serverRows(content.servers), 2),
      );
      sources.replaceChildren(
        table(heads("topic", "source", "clock", "records", "misplaced"), sourceRows(content.sources), 2),
      );
      const letters = JSON.stringify(content.letters);
      if (letters === held) return;
      held = letters;
      const rows = content.letters.reasons.map((one) => [
        element("span", "tag warn", one.reason),
        one.topic,
        one.remedy,
        number(one.letters),
      ]);
      reasons.replaceChildren(
        rows.length
          ? table(heads("reason", "topic", "remedy", "letters-head"), rows, 3)
          : element("p", "soft", t("pipeline.no-letters")),
      );
      last.replaceChildren(...content.letters.last.slice(0, 50).map(letter));
      if (!content.letters.last.length) last.replaceChildren(element("p", "soft", t("pipeline.no-letter")));
    };
  },
};
