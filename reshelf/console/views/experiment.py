"""Learned layouts against the holdout, as a page shows it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from policy.defaults import LEVEL
from policy.experiments.sequence import METRICS, Uplift
from reshelf.console.live_view import LiveView, State
from reshelf.console.monitor import MOMENTS
from reshelf.inspect.experiment import health_as_json, over_time


async def experiment(view: LiveView, state: State, page: str, now_ms: int) -> dict[str, Any]:
    """How the experiment of a page stands, and its uplifts over time: by time bucket, then as the console saw them."""
    settings, monitor = state.settings, view.monitor
    health = monitor.health.get(page)
    if health is None:
        return {"page": page, "known": False}
    bins = await state.reader.read_bins(page)
    by_bucket = over_time(bins, settings.experiment.since_ms, settings.fold.bucket_ms, LEVEL)
    measurements = monitor.uplifts.get(page, ())
    begin = measurements[0][0] if measurements else now_ms
    lines = {
        name: [(bucket.until, bucket.uplift) for bucket in by_bucket[name] if bucket.until < begin]
        + [(at, health.uplifts[name]) for at, health in measurements if name in health.uplifts]
        for name in by_bucket
    }
    return {
        "page": page,
        "known": True,
        "level": LEVEL,
        "currency": settings.fold.currency,
        "fallback": settings.experiment.fallback,
        "since": settings.experiment.since_ms,
        "tolerated_loss": {name: getattr(settings.experiment, f"tolerated_loss_{name}") for name in METRICS},
        "over_time": {name: _line(points) for name, points in lines.items()},
        **health_as_json(health),
    }


def _line(points: Iterable[tuple[int, Uplift]]) -> list[list[float]]:
    line = [[at, uplift.uplift, uplift.low, uplift.high] for at, uplift in points if math.isfinite(uplift.high)]
    step = max(1, math.ceil(len(line) / MOMENTS))
    return line[::-step][::-1]
