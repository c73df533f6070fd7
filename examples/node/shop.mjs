// A small web tier: shows pages as their layouts say, and publishes what visitors saw, did and bought.

import { randomUUID, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, Events, follow } from "./kafka.mjs";
import { Layouts } from "./layouts.mjs";
import { consents, contextOf, kept, tastesOf, withItems } from "./tastes.mjs";

const BROKERS = process.env.RESHELF_KAFKA__BOOTSTRAP ?? "127.0.0.1:9092";
const PREFIX = process.env.RESHELF_KAFKA__PREFIX ?? "reshelf-";
const PORT = Number(process.env.PORT ?? 8790);
const MOST_BYTES = 65_536;
const MOST_VISIBLE_MS = 3_600_000;
const SCRIPT = readFileSync(new URL("../web/visible.js", import.meta.url));
/** What a page shows without a layout: slot to item. @type {Record<string, Record<string, string>>} */
const FALLBACK = JSON.parse(process.env.FALLBACK ?? '{"home": {"home-1": "bestseller", "home-2": "novelty"}}');
/** The slots of rows whose slots are not named row.1, row.2 and so on: page to row to slots. @type {Record<string, Record<string, string[]>>} */
const ROWS = JSON.parse(process.env.ROWS ?? "{}");
/** What variants have in common, such as their parent: item to family; a real shop asks its catalog. @type {Record<string, string>} */
const FAMILIES = JSON.parse(process.env.FAMILIES ?? "{}");
/** The header that the back office sends; without a token nobody may report returns. */
const BACK_OFFICE = process.env.BACK_OFFICE ? Buffer.from(`Bearer ${process.env.BACK_OFFICE}`) : null;
/** The unit of each order: a return comes without one. A real shop keeps it in the order's row of its database. @type {Map<string, string>} */
const units = new Map();

const layouts = new Layouts();
const kafka = connect(BROKERS);
const events = new Events(kafka, PREFIX);

/** What is wrong with a request, for its sender. */
class Wrong extends Error {}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);
}

/** @param {string} slot @param {string} item */
function link(slot, item) {
  return `<a href="#" data-slot="${escaped(slot)}" data-item="${escaped(item)}">${escaped(item)}</a>`;
}

/** The slots of a row that have items, in rendered order. @param {string} page @param {string} row @param {Record<string, string>} slate */
function slotsOf(page, row, slate) {
  const slots = ROWS[page]?.[row] ?? Object.keys(slate).filter((slot) => slot.replace(/\.[^.]*$/, "") === row);
  return slots.filter((slot) => slot in slate);
}

/** The rows that have a shelf, each with the shelf's title; a row or slot without anything is left out.
 * @param {string} page @param {import("./layouts.mjs").Shown} shown */
function sections(page, { slate, rows, shelves }) {
  return Object.entries(rows).map(([row, shelf]) => {
    const title = shelves[shelf]?.title;
    const head = title ? `<h2>${escaped(title)}</h2>` : "";
    const links = slotsOf(page, row, slate).map((slot) => link(slot, slate[slot]));
    return `<section data-row="${escaped(row)}" data-shelf="${escaped(shelf)}">${head}${links.join("")}</section>`;
  });
}

/** A page of HTML; slots that the slate of a flat page leaves out are filled from the fallback.
 * @param {string} page @param {string} segment @param {string} unit */
function shown(page, segment, unit) {
  const fallback = FALLBACK[page] ?? {};
  const choice = layouts.show(page, segment, unit, Date.now(), fallback);
  const { variant, version, slate, rows } = choice;
  const slots = Object.keys(rows).length
    ? sections(page, choice)
    : Object.entries({ ...fallback, ...slate }).map(([slot, item]) => link(slot, item));
  const data = { page, segment, view: randomUUID(), version: String(version), variant: String(variant) };
  const attributes = Object.entries(data).map(([name, value]) => `data-${name}="${escaped(value)}"`);
  return `<!doctype html><title>${escaped(page)}</title><link rel="icon" href="data:,">
<style>a { display: block; margin: 1em; padding: 6em 2em; border: 1px solid }</style>
<main ${attributes.join(" ")}>${slots.join("")}</main><script type="module" src="/visible.js"></script>`;
}

/** Which shelf stands in which row, as far as rows came into view; nothing on a flat page.
 * @param {any} rows */
function arranged(rows) {
  if (rows === undefined) return {};
  const named = typeof rows === "object" && rows !== null && !Array.isArray(rows);
  if (!named || !Object.values(rows).every((shelf) => typeof shelf === "string"))
    throw new Wrong("expected rows as an object: row to shelf");
  return { rows };
}

/** Whether a slot says for how long it was visible as the contract has it, or not at all.
 * @param {any} slot */
function timed(slot) {
  const time = slot?.visible_ms ?? 0;
  return Number.isInteger(time) && time >= 0 && time <= MOST_VISIBLE_MS;
}

/** An event as the browser tells it, with what the browser is not trusted with; `context` says whether segments may be
 * learned from it, and with what. @param {any} told @param {string} unit @param {Record<string, string>} context @returns {import("./kafka.mjs").Outgoing} */
function observed(told, unit, context) {
  if (typeof told !== "object" || told === null) throw new Wrong("expected events as objects");
  const { event_id, page, segment, page_view_id, layout_version, variant } = told;
  const origin = { event_id, occurred_at: Date.now(), unit, page, segment, page_view_id, layout_version, variant };
  if (told.kind === "click") {
    const { slot, item, shelf } = told;
    const event = { ...origin, slot, item, family: familyOf(item), context, ...(shelf ? { shelf } : {}) };
    return { topic: "events-clicks", event };
  }
  if (told.kind === "signal") {
    const { signal: kind, item } = told;
    const event = { event_id, occurred_at: origin.occurred_at, unit, kind, item, family: familyOf(item), context };
    return { topic: "events-signals", event };
  }
  if (told.kind === "impression" && !(Array.isArray(told.slots) && told.slots.every(timed)))
    throw new Wrong(`expected slots, visible for 0 to ${MOST_VISIBLE_MS} milliseconds`);
  if (told.kind === "impression")
    return { topic: "events-impressions", event: { ...origin, slots: told.slots, ...arranged(told.rows) } };
  throw new Wrong("expected events of the kinds impression, click and signal");
}

/** @param {string} item */
function familyOf(item) {
  return Object.hasOwn(FAMILIES, item) ? FAMILIES[item] : "";
}

/** An order, when it was placed; its id makes the event's, so that placing it again counts once.
 * @param {any} order @param {string} unit @returns {import("./kafka.mjs").Outgoing} */
function bought(order, unit) {
  if (typeof order !== "object" || order === null) throw new Wrong("expected an order as an object");
  const { order_id, currency, lines } = order;
  if (!Array.isArray(lines)) throw new Wrong("expected an order with lines");
  const own = lines.map((line) => ({ ...line, family: familyOf(line.item) }));
  const event = { event_id: `p-${order_id}`, occurred_at: Date.now(), unit, order_id, currency, lines: own };
  if (!units.has(order_id)) units.set(order_id, unit);
  return { topic: "events-purchases", event };
}

/** A return of an order that was placed here, under the order's unit; null where none was.
 * @param {any} told @returns {import("./kafka.mjs").Outgoing | null} */
function wentBack(told) {
  if (typeof told !== "object" || told === null) throw new Wrong("expected a return as an object");
  const { return_id, order_id, currency, lines } = told;
  const unit = units.get(order_id);
  if (unit === undefined) return null;
  const event = { event_id: `r-${return_id}`, occurred_at: Date.now(), unit, return_id, order_id, currency, lines };
  return { topic: "events-returns", event };
}

/** Whether the back office asks. @param {import("node:http").IncomingMessage} request */
function isBackOffice(request) {
  const sent = Buffer.from(request.headers.authorization ?? "");
  return BACK_OFFICE !== null && sent.length === BACK_OFFICE.length && timingSafeEqual(sent, BACK_OFFICE);
}

/** Publish what went back. @param {import("node:http").IncomingMessage} request @returns {Promise<Answer>} */
async function takeBack(request) {
  if (!isBackOffice(request)) return [403, "text/plain", "expected the token of the back office"];
  const event = wentBack(await body(request));
  if (event === null) return [404, "text/plain", "expected an order that was placed here"];
  await events.send([event]);
  return [204, "text/plain", ""];
}

/** @param {import("node:http").IncomingMessage} request */
async function body(request) {
  let text = "";
  for await (const part of request.setEncoding("utf8")) {
    text += part;
    if (text.length > MOST_BYTES) throw new Wrong(`expected at most ${MOST_BYTES} characters`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Wrong("expected JSON");
  }
}

/** @param {import("node:http").IncomingMessage} request */
function unitOf(request) {
  const cookie = /(?:^|;\s*)unit=([^;]+)/.exec(request.headers.cookie ?? "");
  return cookie === null ? null : decodeURIComponent(cookie[1]);
}

/** The page of an item: whoever opens it looked at it, which is told and remembered.
 * @param {import("node:http").IncomingMessage} request @param {string} unit @param {string} item @returns {Promise<Answer>} */
async function showItem(request, unit, item) {
  if (item === "" || item.length > 128) return [404, "text/plain", "expected an item"];
  const about = { event_id: randomUUID(), occurred_at: Date.now(), unit, kind: "view" };
  const event = { ...about, item, family: familyOf(item), context: contextOf(request) };
  // The page is worth more than what it tells.
  if (consents(request)) await events.send([{ topic: "events-signals", event }]).catch(console.error);
  const html = `<!doctype html><title>${escaped(item)}</title>`;
  return [200, "text/html; charset=utf-8", html, kept(request, withItems(tastesOf(request), [item]))];
}

/** The items that a visitor looked at by these events: what they clicked on, and what their signals are about.
 * @param {import("./kafka.mjs").Outgoing[]} outgoing */
function lookedAt(outgoing) {
  return outgoing.flatMap((one) =>
    one.topic === "events-clicks" || one.topic === "events-signals" ? [one.event.item] : [],
  );
}

/** Status, type, content, and a cookie where one is set. @typedef {[number, string, string | Buffer, string?]} Answer */

/** @param {import("node:http").IncomingMessage} request @param {string} unit @returns {Promise<Answer>} */
async function answer(request, unit) {
  const { pathname, searchParams } = new URL(`http://localhost${request.url}`);
  if (request.method === "POST" && pathname === "/events") {
    const told = await body(request);
    if (!Array.isArray(told)) throw new Wrong("expected a list of events");
    const outgoing = told.map((one) => observed(one, unit, contextOf(request)));
    await events.send(outgoing);
    const items = lookedAt(outgoing);
    return [204, "text/plain", "", items.length ? kept(request, withItems(tastesOf(request), items)) : undefined];
  }
  if (request.method === "POST" && pathname === "/orders") {
    await events.send([bought(await body(request), unit)]);
    return [204, "text/plain", ""];
  }
  if (request.method !== "GET") return [405, "text/plain", "expected GET, or POST to /events, /orders or /returns"];
  if (pathname === "/visible.js") return [200, "text/javascript", SCRIPT];
  if (pathname.startsWith("/items/")) return showItem(request, unit, decodeURIComponent(pathname.slice(7)));
  const page = decodeURIComponent(pathname.slice(1)) || "home";
  const tastes = tastesOf(request);
  const segment = layouts.segmentOf(
    page,
    searchParams.get("segment") ?? "*",
    tastes.items,
    tastes.segment,
    contextOf(request),
  );
  return [200, "text/html; charset=utf-8", shown(page, segment, unit), kept(request, { ...tastes, segment })];
}

const server = createServer(async (request, response) => {
  const headers = { "cache-control": "no-store" };
  /** @type {string[]} */
  const cookies = [];
  try {
    let unit = unitOf(request);
    const returned = request.method === "POST" && request.url === "/returns";
    if (unit === null && !returned) {
      if (request.method === "POST") throw new Wrong("expected the cookie that pages set");
      unit = randomUUID();
      cookies.push(`unit=${unit}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax`);
    }
    const [status, type, content, cookie] = returned ? await takeBack(request) : await answer(request, unit ?? "");
    if (cookie !== undefined) cookies.push(cookie);
    response.writeHead(status, { ...headers, "content-type": type, "set-cookie": cookies }).end(content);
  } catch (error) {
    const wrong = error instanceof Wrong || error instanceof URIError;
    if (!wrong) console.error(error);
    response.writeHead(wrong ? 400 : 503).end(wrong ? error.message : "events could not be published");
  }
});

await events.open();
const reader = await follow(kafka, PREFIX, layouts);
server.listen(PORT, "127.0.0.1", () => {
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : PORT;
  console.log(`Serving at http://127.0.0.1:${port}/home?segment=*`);
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    server.close();
    await Promise.allSettled([reader.stop(), events.close()]);
    process.exit(0);
  });
}
