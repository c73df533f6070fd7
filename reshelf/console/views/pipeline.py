"""How the pipeline runs, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reshelf.console.live_view import LiveView
from reshelf.console.monitor import Beat
from reshelf.inspect import duplicate_window
from reshelf.inspect.attribution_window import NEXT_STEP, shortest, window_in_words
from reshelf.inspect.event_sample import faults, sample_as_json
from streams.state.clicks.progress import Window
from streams.state.limits.use import ALARM, QuotaUse

WINDOW = 5
"""Beats that a rate is taken over."""
FROZEN_S = 5.0
"""What does not answer for longer is told of, before its own time limit ends."""
LONG_MS = 30_000
"""Events that wait for longer are worth a warning, once they did so for a whole window."""


def warnings(view: LiveView, now_ms: int) -> list[str]:
    """What is not as it should be; up to a colon it is short enough for the head of every page."""
    monitor = view.monitor
    away = [monitor.away] if monitor.away else []
    if view.state is None:
        return away or ["no state yet: no worker has made it; start `reshelf worker`"]
    waiting = _waiting(list(monitor.beats)[-WINDOW:])
    return [
        *(away or _stuck(monitor.look_age_s)),
        *_without_workers(view),
        *_expired(view, now_ms),
        *waiting,
        *_short_window(monitor.windows),
        *(f"{fault.about}: {fault.detail}. {fault.remedy}" for fault in faults(monitor.events, view.settings)),
        *_quotas(monitor.quotas),
        *_short_duplicates(monitor.duplicates),
    ]


def _stuck(age_s: float) -> Iterator[str]:
    if age_s > FROZEN_S:
        yield f"figures are {age_s:,.0f} s old: Kafka or Redis takes long to answer"


def _without_workers(view: LiveView) -> Iterator[str]:
    idle = [worker["role"] for worker in view.monitor.workers if worker["state"] in ("empty", "dead")]
    if idle:
        who = "worker" if len(idle) == len(view.monitor.workers) else " or ".join(idle)
        yield f"no {who} runs: the broker knows of none; start `reshelf worker`"


def _expired(view: LiveView, now_ms: int) -> Iterator[str]:
    ends = [end for key, end in view.layout_history.newest.expiries() if key.page in view.catalog.rules]
    if over := sum(end <= now_ms for end in ends):
        yield f"{over:,} of {len(ends):,} layouts expired: renderers show their fallback; does a layout producer run?"


def _waiting(beats: Sequence[Beat]) -> Iterator[str]:
    if beats and min(beat.age_ms for beat in beats) > LONG_MS:
        yield f"{beats[-1].lag:,} events wait: the oldest for {beats[-1].age_ms / 1000:,.0f} s; does a learner keep up?"


def _quotas(uses: Iterable[QuotaUse]) -> Iterator[str]:
    for use in uses:
        if use.ratio >= ALARM:
            yield f"{use.ratio:.0%} of fold.{use.setting} is used: {use}. {use.remedy}"


def _short_window(covered: Mapping[int, Window]) -> Iterator[str]:
    least = shortest(covered)
    if least is not None and least[1].short:
        yield f"attribution window is {window_in_words(least[1])}: {NEXT_STEP}"


def _short_duplicates(tightest: duplicate_window.Tightest | None) -> Iterator[str]:
    if tightest is not None and tightest[1].ratio >= ALARM:
        words = duplicate_window.window_in_words(tightest)
        yield f"duplicate window is {words}: {duplicate_window.next_step(tightest)}"


def pipeline(view: LiveView, now_ms: int) -> dict[str, Any]:
    """Rates and lag of the last minutes, watermarks, workers, Redis and dead letters."""
    monitor = view.monitor
    beats = list(monitor.beats)
    return {
        "name": view.settings.redis.namespace,
        "namespace": view.namespace,
        "state": view.state is not None,
        "away": monitor.away,
        "warnings": warnings(view, now_ms),
        "beats": [_moment(beats, at) for at in range(1, len(beats))],
        "standings": [partition._asdict() | {"lag": partition.lag} for partition in monitor.standings],
        "workers": monitor.workers,
        "servers": monitor.servers,
        "sources": [sample_as_json(sample) for sample in monitor.events],
        "layouts": sum(end > now_ms for _, end in view.layout_history.newest.expiries()),
        "items": len(view.catalog.items),
        "pages": len(view.catalog.rules),
        "invalid": dict(view.catalog.invalid),
        "letters": view.dead_letters.as_json(),
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
