"""One, two and four workers of a kind that share the work: what an event and a layout cost each of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from bench.shop.child import Part
from bench.shop.parts.layouts import QUIET_S
from bench.shop.report import blank
from bench.shop.traffic import Traffic
from bench.shop.workplace import Workplace
from reshelf.drill.watch import LEARNED

NUMBERS = (1, 2, 4)
LOOK_S = 0.25
LONGEST_S = 180.0


def measure(at: Workplace) -> dict[str, Any]:
    """Learners with a backlog, then layout workers that make all layouts; each number of them in turn."""
    figures, traffic = blank("workers"), Traffic(at.settings.kafka, at.shop, f"{at.shop.seed}-workers")
    measured = [_learners(at, traffic, number) for number in NUMBERS] + [_layouts(at, number) for number in NUMBERS]
    for number, some in zip(NUMBERS * 2, measured, strict=True):
        for name, figure in some.items():
            figures.setdefault(name, {})[str(number)] = figure
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}


def _learners(at: Workplace, traffic: Traffic, number: int) -> dict[str, Any]:
    """Events a second of all together once each is ready, and what an event costs them and Redis."""
    events = at.options.backlog
    at.say(f"workers: {events:,} events wait for {number} learners")
    traffic.publish(events)
    ends = at.ends(LEARNED)
    with _together(at, "learner", number) as learners:
        began, before, redis = time.monotonic(), _cpu_s(learners), at.redis()
        left = waiting = at.left(LEARNED, ends)
        while left and _work(learners) and time.monotonic() < began + LONGEST_S:
            time.sleep(LOOK_S)
            left = at.left(LEARNED, ends)
        took, done = time.monotonic() - began, max(1, waiting - left)
        return {
            "learners_events_per_s": round((waiting - left) / took),
            "learners_us_per_event": round((_cpu_s(learners) - before) / done * 1e6, 1),
            "redis_us_per_event": round((at.redis().cpu_s - redis.cpu_s) / done * 1e6, 1),
            "learners_rss_mb": max(round(learner.peak_mb) for learner in learners),
        }


def _layouts(at: Workplace, number: int) -> dict[str, Any]:
    """Seconds until all keys have been looked at, once each is ready, and milliseconds of processor for a layout."""
    at.say(f"workers: all layouts, by {number} layout workers")
    with _together(at, "layouts", number) as workers:
        before, first = _cpu_s(workers), _composed(workers)
        began = changed_at = time.monotonic()
        composed, most = first, began + LONGEST_S
        while time.monotonic() < min(changed_at + QUIET_S, most) and _work(workers):
            time.sleep(LOOK_S)
            if (now := _composed(workers)) != composed:
                composed, changed_at = now, time.monotonic()
        spent = _cpu_s(workers) - before
        return {
            "layouts_composed": composed,
            "layouts_s": round(changed_at - began, 1),
            "layouts_ms_each": round(spent / max(1.0, composed - first) * 1e3, 2),
            "layouts_rss_mb": max(round(worker.peak_mb) for worker in workers),
        }


@contextlib.contextmanager
def _together(at: Workplace, role: str, number: int) -> Iterator[list[Part]]:
    with contextlib.ExitStack() as stack:
        parts = [stack.enter_context(at.part(role)) for _ in range(number)]
        for part in parts:
            part.started(at.options.ready_s)
        yield parts


def _work(parts: Sequence[Part]) -> bool:
    return all(part.alive for part in parts)


def _cpu_s(parts: Sequence[Part]) -> float:
    return sum(part.cpu_s() for part in parts)


def _composed(workers: Sequence[Part]) -> float:
    return sum(worker.count("reshelf_layouts_total") for worker in workers)
