// How events flow: rates, lag, watermarks, workers, Redis, dead letters.

import { line } from "./chart.js";
import { bytes, clock, element, number, panel, say, span, table } from "./dom.js";

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
        bar.title = `partition ${one.partition}: ${number(one.applied)} of ${number(one.end)}, ${number(one.lag)} behind`;
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
    const state = element("span", one.state === "stable" ? "tag on" : "tag bad", one.state);
    return [one.role, state, one.members.length ? number(one.members.length) : "–", held ? number(held) : "–"];
  });
}

function serverRows(servers) {
  return servers.map((one) => [
    one.name.replace("Redis", one.kind),
    `${one.version}${one.persisted ? "" : ", no append-only file"}`,
    bytes(one.used),
    bytes(one.peak),
    one.limit ? bytes(one.limit) : "none",
    number(one.commands_per_s),
  ]);
}

function sourceRows(samples) {
  return samples.flatMap((sample) => {
    const sources = Object.entries(sample.ahead_ms);
    return (sources.length ? sources : [["", null]]).map(([source, ahead]) => [
      sample.topic,
      source || "–",
      ahead === null ? "–" : `${number(ahead / 1000, 2)} s`,
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
      [["record", `${one.topic} ${one.place}`], ["key", one.key ?? "none"], ...one.headers].flatMap(([name, text]) => [
        element("dt", "soft", name),
        element("dd", "mono", text ?? ""),
      ]),
    ),
    element("pre", "mono", one.value ?? "no value"),
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

export const pipeline = {
  title: "Pipeline",
  content: "pipeline",
  every: 1000,
  icon: "M2 10h4l2-6 4 12 2-6h4",
  query: () => ({}),

  open(root) {
    const tiles = {
      events: tile("Events per second", "appended to the event topics"),
      lag: tile("Lag", "records not applied yet"),
      age: tile("Age", "of the oldest event that waits"),
      layouts: tile("Layouts per second", "published"),
      letters: tile("Dead letters", "dead-lettered"),
      memory: tile("Memory", ""),
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
      element("div", "head", [element("h1", "", "Pipeline"), told]),
      warnings,
      element(
        "div",
        "tiles",
        Object.values(tiles).map((one) => one.made),
      ),
      panel("Log and watermarks", logs, "a bar is a partition; filled as far as every state group has applied it"),
      element("div", "two", [panel("Workers", workers, "as the broker knows them"), panel("Redis or Valkey", servers)]),
      panel("Who sends events", sources, "the last records of each topic; a right clock is a little below 0"),
      panel("Dead letters by reason", reasons),
      panel("The last dead letters", last, "open one to look inside"),
    );
    let held = "";

    return (content) => {
      const beats = content.beats,
        now = beats.at(-1) ?? { events: 0, lag: 0, age_ms: 0, layouts: 0 },
        over = (name) => beats.map((one) => [one.at, one[name]]);
      const swapped = content.namespace === content.name ? "" : `, which ${content.name} stands for`;
      say(
        told,
        `state ${content.namespace}${swapped} · ${number(content.pages)} pages · ${number(content.items)} items · ${number(content.layouts)} layouts in force`,
      );
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
        content.letters.reasons.length ? `most often: ${content.letters.reasons[0].reason}` : "nothing was invalid",
      );
      const used = content.servers.reduce((sum, one) => sum + one.used, 0);
      tiles.memory.show(
        content.servers.length ? bytes(used) : "–",
        null,
        content.servers.map((one) => `${one.kind}, peak ${bytes(one.peak)}`).join(", "),
      );
      logs.replaceChildren(
        table(
          ["Topic", "Partitions", "End of the log", "Applied", "Behind", "Reflects until"],
          partitions(content.standings),
          2,
        ),
      );
      workers.replaceChildren(table(["Role", "State", "Workers", "Partitions"], workerRows(content.workers), 2));
      servers.replaceChildren(
        table(["Server", "Version", "Used", "Peak", "Limit", "Commands/s"], serverRows(content.servers), 2),
      );
      sources.replaceChildren(
        table(["Topic", "Source", "Clock to log", "Records", "In another partition"], sourceRows(content.sources), 2),
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
          ? table(["Reason", "Topic", "What to do", "Letters"], rows, 3)
          : element("p", "soft", "No record was dead-lettered."),
      );
      last.replaceChildren(...content.letters.last.slice(0, 50).map(letter));
      if (!content.letters.last.length) last.replaceChildren(element("p", "soft", "There is none."));
    };
  },
};
