// Moving what stands in boxes to other places: by pointer, or with Alt and the arrow keys.

const FAR = 6;

const inside = (box, x, y) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;

// `boxes` gives the elements in their order; `drop` is told from where to where. `grip` says where a pointer may begin.
export function rearrange(root, boxes, grip, drop) {
  let held = null;

  const over = (event) =>
    boxes().findIndex((box, at) => at !== held.at && inside(box.getBoundingClientRect(), event.clientX, event.clientY));

  function end(event, dropped) {
    const { box, at, moved, target } = held;
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", release);
    removeEventListener("pointercancel", cancel);
    removeEventListener("keydown", stop, true);
    box.classList.remove("held");
    box.style.transform = "";
    boxes()[target]?.classList.remove("target");
    held = null;
    root.classList.remove("moving");
    if (!moved) return;
    // The click that follows belongs to the move.
    const swallow = (click) => click.preventDefault();
    box.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => box.removeEventListener("click", swallow, { capture: true }), 0);
    event.preventDefault();
    if (dropped && target >= 0) drop(at, target);
  }

  function move(event) {
    const { box, x, y } = held,
      [right, down] = [event.clientX - x, event.clientY - y];
    if (!held.moved && Math.hypot(right, down) < FAR) return;
    if (!held.moved) {
      held.moved = true;
      box.classList.add("held");
      root.classList.add("moving");
    }
    box.style.transform = `translate(${right}px, ${down}px)`;
    const target = over(event);
    if (target === held.target) return;
    boxes()[held.target]?.classList.remove("target");
    boxes()[target]?.classList.add("target");
    held.target = target;
  }

  const release = (event) => end(event, true),
    cancel = (event) => end(event, false),
    stop = (event) => event.key === "Escape" && end(event, false);

  root.addEventListener("pointerdown", (event) => {
    const at = boxes().findIndex((box) => box.contains(event.target));
    if (at < 0 || event.button || held || !grip(event)) return;
    held = { at, box: boxes()[at], x: event.clientX, y: event.clientY, moved: false, target: -1 };
    addEventListener("pointermove", move);
    addEventListener("pointerup", release);
    addEventListener("pointercancel", cancel);
    addEventListener("keydown", stop, true);
  });

  root.addEventListener("keydown", (event) => {
    const all = boxes(),
      at = all.findIndex((box) => box.contains(event.target));
    // What has a head is moved by its head: keys within it may be meant for what it holds.
    if (!event.altKey || at < 0 || event.target.closest(".grip") !== all[at].querySelector(".grip")) return;
    const here = all[at].getBoundingClientRect(),
      middle = here.left + here.width / 2;
    const beside = (step) => {
      for (let next = at + step; next >= 0 && next < all.length; next += step) {
        const box = all[next].getBoundingClientRect();
        if (Math.abs(box.top - here.top) > 8 && box.left <= middle && middle <= box.right) return next;
      }
      return -1;
    };
    const target = {
      ArrowLeft: () => at - 1,
      ArrowRight: () => at + 1,
      ArrowUp: () => beside(-1),
      ArrowDown: () => beside(1),
    }[event.key]?.();
    if (target === undefined) return;
    event.preventDefault();
    if (target >= 0 && target < all.length) drop(at, target);
  });

  return () => Boolean(held?.moved);
}
