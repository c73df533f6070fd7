"""Attribution: a rate that it is given, then a backlog of clicks and what remembering each costs."""

from __future__ import annotations

import time
from typing import Any

from bench.shop.parts.learner import caught_up, measured
from bench.shop.traffic import Traffic
from bench.shop.workplace import Workplace
from reshelf.drill.watch import ATTRIBUTED


def measure(at: Workplace) -> dict[str, Any]:
    """Ready, at rest, under traffic; then a backlog of clicks and orders alone."""
    return measured(at, "attribution", ATTRIBUTED, _backlog)


def _backlog(at: Workplace, traffic: Traffic, before: dict[str, Any]) -> dict[str, Any]:
    """Clicks and purchases a second, and bytes of memory for each click: in the process, and in Redis."""
    clicks = at.options.backlog
    at.say(f"attribution: {clicks:,} clicks and purchases wait for it")
    traffic.publish_clicks(clicks)
    redis = at.redis()
    with at.part("attribution") as part:
        rate = caught_up(at, part, ATTRIBUTED)
        time.sleep(at.options.settle_s if part.alive else 0.0)
        grown = {"process": (part.peak_mb - (before["rest"] or 0)), "redis": at.redis().mb - redis.mb}
        return {
            "events_per_s": rate,
            "bytes_per_click": {name: round(mb * 2**20 / clicks) for name, mb in grown.items()},
            "rss_mb": {**before, "peak": max(before["peak"], round(part.peak_mb))},
            "ended": part.ended(),
        }
