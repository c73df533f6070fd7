"""The learner: a rate that it is given, then a backlog as fast as it can."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.shop.child import Part
from bench.shop.report import blank, memory
from bench.shop.traffic import Traffic
from bench.shop.workplace import Readers, Workplace
from reshelf.drill.watch import LEARNED

LOOK_S, LONGEST_S = 0.1, 120.0
Backlog = Callable[[Workplace, Traffic, dict[str, Any]], dict[str, Any]]
"""What a worker does with events that wait for it, given its memory before."""


def measure(at: Workplace) -> dict[str, Any]:
    """Ready, at rest, under traffic; then again with a backlog that waits for it."""
    return measured(at, "learner", LEARNED, _backlog)


def measured(at: Workplace, role: str, readers: Readers, with_backlog: Backlog) -> dict[str, Any]:
    """A worker that reads events: ready, at rest, under traffic; then `with_backlog`, where one is asked for."""
    figures, traffic = blank(role), Traffic(at.settings.kafka, at.shop, f"{at.shop.seed}-{role}")
    with at.part(role) as part:
        figures |= part.started(at.options.ready_s)
        rest = part.rss_mb
        if figures["ready_s"] is not None:
            figures |= under_traffic(at, part, traffic, readers)
        figures |= memory(part, rest)
    if not at.options.backlog:
        figures["events_per_s"] = figures.get("sent_per_s")
    elif not figures["ended"]:
        figures |= with_backlog(at, traffic, figures["rss_mb"])
    return figures | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}


def under_traffic(at: Workplace, part: Part, traffic: Traffic, readers: Readers) -> dict[str, Any]:
    """Its share of a core at the rate that was asked for, that of Redis, and the lag when it is over."""
    options = at.options
    traffic.start(options.rate)
    traffic.publish_until(time.perf_counter() + options.warm_up_s)
    began, sent, cpu, redis = time.perf_counter(), traffic.sent, part.cpu_s(), at.redis()
    traffic.publish_until(began + options.seconds)
    took = time.perf_counter() - began
    cpu_share, redis_share = (part.cpu_s() - cpu) / took, (at.redis().cpu_s - redis.cpu_s) / took
    reached = (traffic.sent - sent) / took
    traffic.settle()
    lag, lag_s = at.settled_lag(readers, part)
    return {
        "lag": lag,
        "lag_s": lag_s,
        "sent_per_s": round(reached),
        "cpu": round(cpu_share, 3),
        "redis_cpu": round(redis_share, 3),
    }


def caught_up(at: Workplace, part: Part, readers: Readers) -> int | None:
    """Records a second, from the first that it has done with to the last that waited."""
    first: tuple[float, int] | None = None
    ends = at.ends(readers)
    left = waiting = at.left(readers, ends)
    until = time.monotonic() + LONGEST_S
    now = time.monotonic()
    while part.alive and left and now < until:
        left, now = at.left(readers, ends), time.monotonic()
        if first is None and left < waiting:
            first = now, left
        time.sleep(LOOK_S)
    if first is None or now <= first[0]:
        return None
    return round((first[1] - left) / (now - first[0]))


def _backlog(at: Workplace, traffic: Traffic, before: dict[str, Any]) -> dict[str, Any]:
    """Events a second, and processor time of the learner and of Redis for each."""
    events = at.options.backlog
    at.say(f"learner: {events:,} events wait for it")
    traffic.publish(events)
    redis = at.redis()
    with at.part("learner") as part:
        start_cpu = part.started(at.options.ready_s)["ready_cpu_s"] or 0.0
        rate = caught_up(at, part, LEARNED)
        spent = {"learner": part.cpu_s() - start_cpu, "redis": at.redis().cpu_s - redis.cpu_s}
        return {
            "events_per_s": rate,
            "us_per_event": {name: round(seconds / events * 1e6, 1) for name, seconds in spent.items()},
            "rss_mb": {**before, "peak": max(before["peak"], round(part.peak_mb))},
            "ended": part.ended(),
        }
