// In the browser: reports what a visitor really sees, and clicks.
// A slot counts once, when half of it was in view for a second without a break.

const SHARE = 0.5;
const LASTING_MS = 1000;
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
let waiting = []; // events that the web tier has not confirmed
let number = 0;
const timers = new Map();
const unseen = new Set(page.querySelectorAll("[data-slot]"));

const placed = (element) => ({ slot: element.dataset.slot, item: element.dataset.item });

/** Send what is waiting.  An event keeps its event_id however often it is sent. */
async function send() {
  if (seen.length) {
    number += 1;
    waiting.push({ kind: "impression", event_id: `i-${origin.page_view_id}-${number}`, ...origin, slots: seen });
    seen = [];
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
      clearTimeout(timers.get(target));
      if (intersectionRatio < SHARE) continue;
      const note = () => {
        watcher.unobserve(target);
        unseen.delete(target);
        seen.push(placed(target));
      };
      timers.set(target, setTimeout(note, LASTING_MS));
    }
  },
  { threshold: [SHARE] },
);

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
    waiting.push({ kind: "click", event_id: `c-${origin.page_view_id}-${number}`, ...origin, ...placed(element) });
    send();
  });
}
setInterval(send, SEND_MS);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") {
    watch();
  } else {
    for (const timer of timers.values()) clearTimeout(timer);
    send();
  }
});
