"""How the pipeline runs, as a page shows it."""

from __future__ import annotations

from typing import Any

from reshelf.console.pulse import Beat
from reshelf.console.sight import Sight

WINDOW = 5
"""Beats that a rate is taken over."""


def pipeline(sight: Sight) -> dict[str, Any]:
    """Rates and lag of the last minutes, watermarks, workers, Redis and dead letters."""
    pulse = sight.pulse
    beats = list(pulse.beats)
    return {
        "name": sight.settings.redis.namespace,
        "namespace": sight.namespace,
        "state": sight.state is not None,
        "away": pulse.away,
        "beats": [_moment(beats, at) for at in range(1, len(beats))],
        "standings": [one._asdict() | {"lag": one.lag} for one in pulse.standings],
        "workers": pulse.workers,
        "servers": pulse.servers,
        "layouts": len(sight.past.newest),
        "items": len(sight.catalog.items),
        "pages": len(sight.catalog.rules),
        "unfit": dict(sight.catalog.unfit),
        "letters": sight.letters.told(),
    }


def _moment(beats: list[Beat], at: int) -> dict[str, float]:
    now, before = beats[at], beats[max(0, at - WINDOW)]
    seconds = max(0.001, (now.at - before.at) / 1000)
    return {
        "at": now.at,
        "events": round((now.events - before.events) / seconds, 1),
        "applied": round((now.applied - before.applied) / seconds, 1),
        "layouts": round((now.layouts - before.layouts) / seconds, 2),
        "lag": now.lag,
        "age_ms": now.age_ms,
    }
