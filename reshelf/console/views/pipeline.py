"""How the pipeline runs, as a page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reshelf.console.live_view import LiveView
from reshelf.console.monitor import Beat
from reshelf.inspect import duplicate_window
from reshelf.inspect.attribution_window import NEXT_STEP, shortest, window_in_words
from reshelf.inspect.event_sample import Fault, faults, sample_as_json
from reshelf.inspect.quotas import next_step, use_in_words
from reshelf.numbers import number, share
from reshelf.words.said import joined, say
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
        return away or [say("pipeline.no-state")]
    waiting = _waiting(list(monitor.beats)[-WINDOW:])
    return [
        *(away or _stuck(monitor.look_age_s)),
        *_without_workers(view),
        *_expired(view, now_ms),
        *waiting,
        *_short_window(monitor.windows),
        *(_fault(each) for each in faults(monitor.events, view.settings)),
        *_quotas(monitor.quotas),
        *_short_duplicates(monitor.duplicates),
    ]


def _fault(fault: Fault) -> str:
    return say("pipeline.fault", about=fault.about, detail=fault.detail, remedy=fault.remedy)


def _stuck(age_s: float) -> Iterator[str]:
    if age_s > FROZEN_S:
        yield say("pipeline.stuck", age=number(age_s))


def _without_workers(view: LiveView) -> Iterator[str]:
    idle = [worker["role"] for worker in view.monitor.workers if worker["state"] in ("empty", "dead")]
    if idle:
        every = len(idle) == len(view.monitor.workers)
        yield say("pipeline.idle", role=say("pipeline.worker") if every else joined("join.or", idle))


def _expired(view: LiveView, now_ms: int) -> Iterator[str]:
    ends = [end for key, end in view.layout_history.newest.expiries() if key.page in view.catalog.rules]
    if over := sum(end <= now_ms for end in ends):
        yield say("pipeline.expired", expired=over, count=len(ends))


def _waiting(beats: Sequence[Beat]) -> Iterator[str]:
    if beats and min(beat.age_ms for beat in beats) > LONG_MS:
        yield say("pipeline.waiting", events=beats[-1].lag, age=number(beats[-1].age_ms / 1000))


def _quotas(uses: Iterable[QuotaUse]) -> Iterator[str]:
    for use in uses:
        if use.ratio >= ALARM:
            words = {"use": use_in_words(use), "remedy": next_step(use)}
            yield say("pipeline.quota", share=share(use.ratio, 0), setting=use.setting, **words)


def _short_window(covered: Mapping[int, Window]) -> Iterator[str]:
    least = shortest(covered)
    if least is not None and least[1].short:
        yield say("pipeline.window", covered=window_in_words(least[1]), next=NEXT_STEP)


def _short_duplicates(tightest: duplicate_window.Tightest | None) -> Iterator[str]:
    if tightest is not None and tightest[1].ratio >= ALARM:
        words = duplicate_window.window_in_words(tightest)
        yield say("pipeline.duplicates", covered=words, next=duplicate_window.next_step(tightest))


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
