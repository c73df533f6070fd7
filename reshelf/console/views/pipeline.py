"""How the pipeline runs, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reshelf.console.live_view import Sight
from reshelf.console.monitor import Beat

WINDOW = 5
"""Beats that a rate is taken over."""
LONG_MS = 30_000
"""Events that wait for longer are worth a warning, once they did so for a whole window."""


def warnings(sight: Sight, now_ms: int) -> list[str]:
    """What is not as it should be; up to a colon it is short enough for the head of every page."""
    pulse = sight.pulse
    away = [pulse.away] if pulse.away else []
    if sight.state is None:
        return away or ["no state yet: no worker has made it; start `reshelf worker`"]
    return [*away, *_without_workers(sight), *_expired(sight, now_ms), *_waiting(list(pulse.beats)[-WINDOW:])]


def _without_workers(sight: Sight) -> Iterator[str]:
    idle = [one["role"] for one in sight.pulse.workers if one["state"] in ("empty", "dead")]
    if idle:
        who = "worker" if len(idle) == len(sight.pulse.workers) else " or ".join(idle)
        yield f"no {who} runs: the broker knows of none; start `reshelf worker`"


def _expired(sight: Sight, now_ms: int) -> Iterator[str]:
    ends = [layout.expires_at for key, layout in sight.past.newest.items() if key.page in sight.catalog.rules]
    if over := sum(end <= now_ms for end in ends):
        yield f"{over:,} of {len(ends):,} layouts expired: renderers show their fallback; does a layout producer run?"


def _waiting(beats: Sequence[Beat]) -> Iterator[str]:
    if beats and min(beat.age_ms for beat in beats) > LONG_MS:
        yield f"{beats[-1].lag:,} events wait: the oldest for {beats[-1].age_ms / 1000:,.0f} s; does a learner keep up?"


def pipeline(sight: Sight, now_ms: int) -> dict[str, Any]:
    """Rates and lag of the last minutes, watermarks, workers, Redis and dead letters."""
    pulse = sight.pulse
    beats = list(pulse.beats)
    return {
        "name": sight.settings.redis.namespace,
        "namespace": sight.namespace,
        "state": sight.state is not None,
        "away": pulse.away,
        "warnings": warnings(sight, now_ms),
        "beats": [_moment(beats, at) for at in range(1, len(beats))],
        "standings": [one._asdict() | {"lag": one.lag} for one in pulse.standings],
        "workers": pulse.workers,
        "servers": pulse.servers,
        "layouts": sum(layout.expires_at > now_ms for layout in sight.past.newest.values()),
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
