"""The learner: a rate that it is given, then a backlog as fast as it can."""

from __future__ import annotations

import time
from typing import Any

from bench.shop.child import Part
from bench.shop.report import blank, memory
from bench.shop.traffic import Traffic
from bench.shop.workplace import Workplace
from schemas.topics import CLICKS, IMPRESSIONS

READERS = ((IMPRESSIONS.name, ""), (CLICKS.name, ""))
LOOK_S, LONGEST_S = 0.05, 120.0


def measure(at: Workplace) -> dict[str, Any]:
    """Ready, at rest, under traffic; then again with a backlog that waits for it."""
    found, traffic = blank("learner"), Traffic(at.settings.kafka, at.shop, f"{at.shop.seed}-learner")
    with at.part("learner") as part:
        found["ready_s"] = part.wait_ready(at.options.ready_s)
        rest = part.rss_mb
        if found["ready_s"] is not None:
            found |= _under_traffic(at, part, traffic)
        found |= memory(part, rest)
    if not at.options.backlog:
        found["events_per_s"] = found.get("sent_per_s")
    elif not found["ended"]:
        with_backlog = _backlog(at, traffic)
        found["rss_mb"]["peak"] = max(found["rss_mb"]["peak"], with_backlog.pop("peak_mb"))
        found |= with_backlog
    return found | {"redis_mb": at.redis().mb, "quota_letters": at.quota_letters()}


def _under_traffic(at: Workplace, part: Part, traffic: Traffic) -> dict[str, Any]:
    options = at.options
    traffic.start(options.rate)
    traffic.publish_until(time.perf_counter() + options.warm_up_s)
    began, sent, cpu, redis = time.perf_counter(), traffic.sent, part.cpu_s(), at.redis()
    traffic.publish_until(began + options.seconds)
    took = time.perf_counter() - began
    cpu_share, redis_share = (part.cpu_s() - cpu) / took, (at.redis().cpu_s - redis.cpu_s) / took
    reached = (traffic.sent - sent) / took
    traffic.settle()
    lag, lag_s = at.settled_lag(READERS, part)
    return {
        "lag": lag,
        "lag_s": lag_s,
        "sent_per_s": round(reached),
        "cpu": round(cpu_share, 3),
        "redis_cpu": round(redis_share, 3),
    }


def _backlog(at: Workplace, traffic: Traffic) -> dict[str, Any]:
    """Events a second from the first that the state takes over to the last."""
    at.say(f"learner: {at.options.backlog:,} events wait for it")
    traffic.publish(at.options.backlog)
    waiting = at.lag(READERS)
    with at.part("learner") as part:
        first: tuple[float, int] | None = None
        until = time.monotonic() + LONGEST_S
        left = waiting
        while part.alive and left and time.monotonic() < until:
            left, now = at.lag(READERS), time.monotonic()
            if first is None and left < waiting:
                first = now, left
            time.sleep(LOOK_S)
        rate = None
        if first is not None and now > first[0]:
            rate = round((first[1] - left) / (now - first[0]))
        return {"events_per_s": rate, "peak_mb": round(part.peak_mb), "ended": part.ended()}
