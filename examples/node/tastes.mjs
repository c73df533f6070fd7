// What a visitor looked at last and the segment they are in, in a first-party cookie that says nothing of who they are.
// It is kept with consent alone: the cookie `consent`, which the shop's own banner sets to `yes`.

const COOKIE = "tastes";
/** Items that the model looks at, the newest. */
const WINDOW = 16;
const MOST_BYTES = 2_000;
const MOST_LETTERS = 64;
const MONTH_S = 30 * 86_400;

/** @typedef {{segment: string, items: string[]}} Tastes */

/** @param {import("node:http").IncomingMessage} request @param {string} name */
function cookieOf(request, name) {
  return new RegExp(`(?:^|;\\s*)${name}=([^;]*)`).exec(request.headers.cookie ?? "")?.[1] ?? "";
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // not as it was set
  }
}

/** Whether the visitor agreed to have pages made for them. @param {import("node:http").IncomingMessage} request */
export function consents(request) {
  return cookieOf(request, "consent") === "yes";
}

/** What is known of the visit before it begins: for the events and, of one of these, for the segment. The country is what
 * the shop's own proxy says, and the channel what its landing pages keep in a cookie. Without consent nothing is told but that.
 * @param {import("node:http").IncomingMessage} request @returns {Record<string, string>} */
export function contextOf(request) {
  if (!consents(request)) return { consent: "no" };
  const device = (request.headers["user-agent"] ?? "").includes("Mobi") ? "phone" : "desktop";
  const told = {
    device,
    country: String(request.headers["x-country"] ?? ""),
    channel: decoded(cookieOf(request, "channel")),
  };
  return Object.fromEntries(
    Object.entries(told).flatMap(([name, value]) => (value ? [[name, value.slice(0, MOST_LETTERS)]] : [])),
  );
}

/** What the cookie says, the newest item last; nothing without consent.
 * @param {import("node:http").IncomingMessage} request @returns {Tastes} */
export function tastesOf(request) {
  const [segment = "", ...items] = consents(request) ? cookieOf(request, COOKIE).split(":").map(decoded) : [];
  const known = items.filter((item) => item !== "").slice(-WINDOW);
  return { segment: segment.slice(0, 64), items: known.map((item) => item.slice(0, 128)) };
}

/** The same after they looked at more: each item once, where it was looked at last. @param {Tastes} tastes @param {string[]} items @returns {Tastes} */
export function withItems(tastes, items) {
  const newest = [...new Set([...tastes.items, ...items].reverse())];
  return { segment: tastes.segment, items: newest.slice(0, WINDOW).reverse() };
}

/** The cookie's value, of bounded size: the oldest items are left out where names are long. @param {Tastes} tastes */
export function encoded({ segment, items }) {
  const names = items.map(encodeURIComponent);
  const value = () => [encodeURIComponent(segment), ...names].join(":");
  while (value().length > MOST_BYTES) names.shift();
  return value();
}

/** What has the browser keep it; without consent it is taken away. @param {import("node:http").IncomingMessage} request @param {Tastes} tastes */
export function kept(request, tastes) {
  const [value, age] = consents(request) ? [encoded(tastes), MONTH_S] : ["", 0];
  return `${COOKIE}=${value}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Lax`;
}
