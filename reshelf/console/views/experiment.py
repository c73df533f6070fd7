"""Learned layouts against the holdout, as a page shows it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from policy.defaults import LEVEL
from policy.experiments.sequence import METRICS
from reshelf.console.live_view import LiveView, State
from reshelf.console.uplift_lines import MOMENTS, Moment, UpliftLines
from reshelf.inspect.experiment import Point, health_as_json, over_time


async def experiment(view: LiveView, state: State, page: str, now_ms: int) -> dict[str, Any]:
    """How the experiment of a page stands, and its uplifts over time: by time bucket, then as the console saw them."""
    settings, monitor = state.settings, view.monitor
    health = monitor.health.get(page)
    if health is None:
        return {"page": page, "known": False}
    bins = await state.reader.read_bins(page)
    by_bucket = over_time(bins, settings.experiment.since_ms, settings.fold.bucket_ms, LEVEL)
    lines = monitor.uplifts.get(page, UpliftLines())
    begin = now_ms if lines.begin is None else lines.begin
    return {
        "page": page,
        "known": True,
        "level": LEVEL,
        "currency": settings.fold.currency,
        "fallback": settings.experiment.fallback,
        "since": settings.experiment.since_ms,
        "tolerated_loss": {name: getattr(settings.experiment, f"tolerated_loss_{name}") for name in METRICS},
        "over_time": {
            name: _thinned([*_points(bucket for bucket in by_bucket[name] if bucket.until < begin), *lines.line(name)])
            for name in by_bucket
        },
        **health_as_json(health),
    }


def _points(buckets: Iterable[Point]) -> Iterator[Moment]:
    """As those that the console saw; without what is not known yet."""
    for bucket in buckets:
        uplift = bucket.uplift
        if math.isfinite(uplift.high):
            yield bucket.until, uplift.uplift, uplift.low, uplift.high


def _thinned(line: list[Moment]) -> list[Moment]:
    step = max(1, math.ceil(len(line) / MOMENTS))
    return line[::-step][::-1]
