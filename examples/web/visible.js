// In the browser: reports what a visitor really sees, and clicks.
// A slot counts once, when half of it was in view for a second without a break.  It is reported with how long
// that view lasted, so when the view is over: the slot was scrolled away, the page is left or hidden, the visitor
// clicks, or ten seconds are over.  Longer views say little more, and layouts should not wait for them.

const SHARE = 0.5;
const LASTING_MS = 1000;
const LONGEST_MS = 10_000;
const SEND_MS = 1000;

const page = document.querySelector("[data-view]");
const origin = {
  page: page.dataset.page,
  segment: page.dataset.segment,
  page_view_id: page.dataset.view,
  layout_version: Number(page.dataset.version),
  variant: Number(page.dataset.variant),
};
let seen = []; // slots that no event lists yet
let rows = {}; // the rows of these slots, each with the shelf that stands there
let waiting = []; // events that the web tier has not confirmed
let number = 0;
const views = new Map(); // slots in view, and since when
const unseen = new Set(page.querySelectorAll("[data-slot]"));

const rowOf = (element) => element.closest("[data-row]")?.dataset;

/** The slot and its item; the row, too, where the slot is not named after it: row.1, row.2 and so on. */
function placed(element) {
  const { slot, item } = element.dataset;
  const row = rowOf(element)?.row;
  const named = row !== undefined && slot.startsWith(`${row}.`) && /^[1-9]\d*$/.test(slot.slice(row.length + 1));
  return row === undefined || named ? { slot, item } : { slot, item, row };
}

/** Send what is waiting.  An event keeps its event_id however often it is sent. */
async function send() {
  if (seen.length) {
    number += 1;
    const arranged = Object.keys(rows).length ? { rows } : {};
    const event_id = `i-${origin.page_view_id}-${number}`;
    waiting.push({ kind: "impression", event_id, ...origin, slots: seen, ...arranged });
    seen = [];
    rows = {};
  }
  const events = waiting;
  if (!events.length) return;
  try {
    const body = JSON.stringify(events);
    const answer = await fetch("/events", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      keepalive: true,
    });
    // What the web tier calls wrong stays wrong; anything else may pass.
    if (answer.ok || answer.status === 400) waiting = waiting.filter((event) => !events.includes(event));
  } catch {
    // The next round sends them again.
  }
}

const watcher = new IntersectionObserver(
  (changes) => {
    for (const { target, intersectionRatio } of changes) {
      if (intersectionRatio < SHARE) end(target);
      else if (unseen.has(target) && !views.has(target)) views.set(target, performance.now());
    }
  },
  { threshold: [SHARE] },
);

/** The view of a slot is over, if it was in view; a view that lasted is the one that counts. */
function end(element) {
  const since = views.get(element);
  if (!views.delete(element)) return;
  const visible_ms = Math.min(Math.round(performance.now() - since), LONGEST_MS);
  if (visible_ms < LASTING_MS) return;
  watcher.unobserve(element);
  unseen.delete(element);
  seen.push({ ...placed(element), visible_ms });
  const row = rowOf(element);
  if (row) rows[row.row] = row.shelf;
}

/** Tell of each slot that was not seen yet whether it is in view now. */
function watch() {
  for (const element of unseen) {
    watcher.unobserve(element);
    watcher.observe(element);
  }
}

watch();
for (const element of unseen) {
  element.addEventListener("click", () => {
    number += 1;
    const event_id = `c-${origin.page_view_id}-${number}`;
    const { slot, item } = element.dataset;
    const shelf = rowOf(element)?.shelf;
    waiting.push({ kind: "click", event_id, ...origin, slot, item, ...(shelf ? { shelf } : {}) });
    end(element);
    send();
  });
}
setInterval(() => {
  for (const [element, since] of views) if (performance.now() - since >= LONGEST_MS) end(element);
  send();
}, SEND_MS);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") {
    watch();
  } else {
    for (const element of views.keys()) end(element);
    send();
  }
});
