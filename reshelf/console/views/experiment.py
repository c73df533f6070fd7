"""Learned layouts against the holdout, as a page shows it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from policy.defaults import LEVEL
from policy.experiments.decision import guard_rails
from policy.experiments.sequence import METRICS
from reshelf.console.live_view import LiveView, State
from reshelf.console.uplift_lines import MOMENTS, Moment, UpliftLines
from reshelf.inspect.experiment import LEARNED_NOTE, PageStanding, Point, health_as_json, over_time
from reshelf.words.read import crossed


async def experiment(view: LiveView, state: State, page: str, now_ms: int) -> dict[str, Any]:
    """How the experiment of a page stands, and its uplifts over time: by time bucket, then as the console saw them."""
    settings, monitor = state.settings, view.monitor
    health = monitor.health.get(page)
    if health is None:
        return {"page": page, "known": False}
    bins = await state.reader.read_bins(page)
    by_bucket = over_time(bins, settings.experiment.since_ms, settings.fold.bucket_ms, LEVEL)
    tolerated = {name: getattr(settings.experiment, f"tolerated_loss_{name}") for name in METRICS}
    lines = monitor.uplifts.get(page, UpliftLines())
    begin = now_ms if lines.begin is None else lines.begin
    return {
        "page": page,
        "known": True,
        "level": LEVEL,
        "currency": settings.fold.currency,
        "fallback": settings.experiment.fallback,
        "since": settings.experiment.since_ms,
        "tolerated_loss": tolerated,
        "over_time": {
            name: _thinned([*_points(bucket for bucket in by_bucket[name] if bucket.until < begin), *lines.line(name)])
            for name in by_bucket
        },
        **health_as_json(health),
        "guard_rail": crossed(health.guard_rail),
        **decided(monitor.pages.get(page)),
        "by_segment": LEARNED_NOTE if view.catalog.rules[page].has_learned_segments else None,
        "rails": guard_rails(
            health, {name: getattr(settings.experiment, f"tolerated_loss_{name}") for name in METRICS}
        ),
        "published": [
            {"at": rules.published_at, "version": rules.version, "reason": rules.reason}
            for rules in view.rules_history.versions(view.catalog.rules[page])
            if rules.published_at
        ],
    }


def decided(standing: PageStanding | None) -> dict[str, Any]:
    """What follows from a page's experiment, and the money that it is about, of a day or of 1,000 page views."""
    if standing is None:
        return {"decision": None, "earned": None}
    return {
        "decision": standing.decision._asdict(),
        "earned": standing.earned and standing.earned._asdict() | {"per": "day" if standing.of_a_day else "views"},
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
