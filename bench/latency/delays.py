"""How long clicks took to come back as layouts: pure functions of what was noted on all sides.

A click is reflected by the first layout that was decided past its place in the log.
Where that was published, the time runs until a renderer has it.  Where it was as
the one before, renderers have had the right one all along: such clicks are counted
apart, with the time until that was decided.  So are clicks by which too little came for
another layout: they wait for more.  All times are seconds of one steady clock.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import attrgetter
from typing import NamedTuple, TypeVar

import numpy as np

from schemas.errors import ReshelfError
from streams.catalog.page import Key

STAGES = ("asked", "turn", "read", "composed", "received")
"""From the click to the request for its key; to the key's turn; to its counts; to its layout; to a renderer."""


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that the broker took at this place of its topic; `produced_at` is when it was sent.

    `number` is that of a click among those of its key, from 0 on; -1 where they are not numbered.
    """

    key: Key
    partition: int
    offset: int
    produced_at: float
    number: int = -1


@dataclass(frozen=True, slots=True)
class Sighting:
    """A layout that reached a renderer; `positions` are the next offsets of events-clicks that it reflects."""

    received_at: float
    version: int
    positions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Decision:
    """A layout that was composed, and published if `changed`; `positions` as in Sighting.

    Its turn came, its counts were there, it was composed and its publication acknowledged at these times.
    """

    positions: Sequence[int]
    changed: bool
    taken_at: float
    read_at: float
    composed_at: float
    done_at: float


class Asked(NamedTuple):
    """A request after clicks: when it was there, its offset, and the clicks of its key up to it since the beginning."""

    received_at: float
    offset: int
    clicks: int


class Deferral(NamedTuple):
    """A request, by its offset, that did not make its key due."""

    request: int


@dataclass(frozen=True, slots=True)
class Observations:
    """What was noted of one page and segment, each in the order of time; `deferred` are offsets of requests."""

    asked: Sequence[Asked] = ()
    decisions: Sequence[Decision] = ()
    sightings: Sequence[Sighting] = ()
    deferred: frozenset[int] = frozenset()


NOTHING = Observations()
T = TypeVar("T", Decision, Sighting)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a click: how long until its layout was received, or decided to be as it was.

    Infinite where that took too long.  `stages` are the parts of it that STAGES names;
    where nothing had to be published there is no last one.  `deferred`: it was too little
    for another layout, and nothing of this counts.
    """

    changed: bool
    delay_s: float
    stages: Sequence[float] = ()
    deferred: bool = False


DEFERRED = Outcome(False, 0.0, deferred=True)


@dataclass(frozen=True, slots=True)
class Window:
    """What one counted stretch of a rate showed: clicks, layouts composed a second, and CPU in percent of one core.

    `counted` are seconds until events were counted, by kind.
    """

    reached_per_s: float
    clicks: Sequence[Outcome]
    composed_per_s: float
    learner_cpu: float
    layouts_cpu: float
    counted: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Latency:
    """One rate: `max_ms` and numbers of clicks over all rounds, the rest medians over the rounds.

    `counted_ms` are p50 and p99 from sending an event of a kind until it is counted.

    p50, p99 and maximum are of the clicks that changed their layout, or were not
    decided in time (`unseen`).  The latter weigh as if they had come at the limit: a
    lower bound, where leaving them out would flatter.  `deferred` clicks were too few for
    another layout.  `unchanged` clicks found their
    layout as it was; half and all but 1 % of them were decided within `unchanged_p50_ms` and
    `unchanged_p99_ms`.  `stages_ms` are p50 and p99 of each stage of clicks that changed a layout.
    """

    events_per_s: int
    reached_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    clicks: int
    unchanged: int
    unseen: int
    deferred: int
    unchanged_p50_ms: float
    unchanged_p99_ms: float
    stages_ms: Mapping[str, Sequence[float]]
    composed_per_s: float
    learner_cpu: float
    layouts_cpu: float
    counted_ms: Mapping[str, Sequence[float]]
    rounds: int


def outcomes(clicks: Iterable[SentEvent], observations: Mapping[Key, Observations], limit_s: float) -> list[Outcome]:
    """What became of each click within `limit_s` of it."""
    finder = _Finder(observations)
    return [_within(finder.outcome(click), limit_s) for click in clicks]


def _within(outcome: Outcome, limit_s: float) -> Outcome:
    return outcome if outcome.delay_s <= limit_s else Outcome(True, math.inf)


class _Finder:
    """Finds the first that is past a click's offset, by the largest offsets that were reached up to each."""

    def __init__(self, observations: Mapping[Key, Observations]) -> None:
        self._observations = observations
        self._reached: dict[tuple[int, int], list[int]] = {}

    def outcome(self, click: SentEvent) -> Outcome:
        observations = self._observations.get(click.key, NOTHING)
        request = _request_with(observations.asked, click)
        decision = self._first(observations.decisions, click)
        if request is not None and request.offset in observations.deferred and not _precedes(decision, request):
            return DEFERRED
        if decision is None:
            return Outcome(True, math.inf)
        requested_at = min(request.received_at, decision.taken_at) if request else decision.taken_at
        times = [click.produced_at, requested_at, decision.taken_at, decision.read_at, decision.composed_at]
        if not decision.changed:
            return Outcome(False, decision.done_at - click.produced_at, _steps(times))
        sighting = self._first(observations.sightings, click)
        if sighting is None:
            return Outcome(True, math.inf)
        return Outcome(True, sighting.received_at - click.produced_at, _steps([*times, sighting.received_at]))

    def _first(self, some: Sequence[T], click: SentEvent) -> T | None:
        place = id(some), click.partition
        if place not in self._reached:
            self._reached[place] = list(accumulate((_position(record, click.partition) for record in some), max))
        at = bisect_right(self._reached[place], click.offset)
        return some[at] if at < len(some) else None


def _request_with(asked: Sequence[Asked], click: SentEvent) -> Asked | None:
    """The request that a click went with: by its number, as one may have been under way when it was sent.

    Where clicks are not numbered it is the first that came after it.
    """
    if click.number < 0:
        at = bisect_left(asked, click.produced_at, key=attrgetter("received_at"))
    else:
        at = bisect_right(asked, click.number, key=attrgetter("clicks"))
    return asked[at] if at < len(asked) else None


def _precedes(decision: Decision | None, request: Asked) -> bool:
    """Whether a layout was begun, for other reasons, before this was asked for."""
    return decision is not None and decision.taken_at < request.received_at


def _steps(times: Sequence[float]) -> list[float]:
    return [end - begin for begin, end in pairwise(times)]


def _position(record: Decision | Sighting, partition: int) -> int:
    return record.positions[partition] if partition < len(record.positions) else 0


def summary(rate: int, windows: Sequence[Window], limit_s: float) -> Latency:
    """The rounds of a rate put together; raises `ReshelfError` where in a round no click changed a layout."""
    changed = [[outcome.delay_s for outcome in window.clicks if outcome.changed] for window in windows]
    if not all(changed):
        raise ReshelfError(
            f"in a round at {rate} events/s no click changed a layout: expected some; raise --seconds or --rate"
        )
    rest = [
        [outcome.delay_s for outcome in window.clicks if not (outcome.changed or outcome.deferred)]
        for window in windows
    ]
    quantiles = [_quantiles_ms(delays, limit_s) for delays in changed]
    quiet = [_quantiles_ms(delays, limit_s) for delays in rest if delays]
    return Latency(
        events_per_s=rate,
        reached_per_s=_median([window.reached_per_s for window in windows]),
        p50_ms=_median([p50 for p50, _, _ in quantiles]),
        p99_ms=_median([p99 for _, p99, _ in quantiles]),
        max_ms=round(max(most for _, _, most in quantiles), 1),
        clicks=sum(len(window.clicks) for window in windows),
        unchanged=sum(map(len, rest)),
        unseen=sum(math.isinf(delay) for delays in changed for delay in delays),
        deferred=sum(outcome.deferred for window in windows for outcome in window.clicks),
        unchanged_p50_ms=_median([p50 for p50, _, _ in quiet]) if quiet else 0.0,
        unchanged_p99_ms=_median([p99 for _, p99, _ in quiet]) if quiet else 0.0,
        stages_ms=_stages_ms(windows),
        composed_per_s=_median([window.composed_per_s for window in windows]),
        learner_cpu=_median([window.learner_cpu for window in windows]),
        layouts_cpu=_median([window.layouts_cpu for window in windows]),
        counted_ms=_counted_ms(windows, limit_s),
        rounds=len(windows),
    )


def _counted_ms(windows: Sequence[Window], limit_s: float) -> dict[str, list[float]]:
    """Of the kinds of which events were sent in each round."""
    counted_ms = {}
    for kind in windows[0].counted:
        if all(window.counted.get(kind) for window in windows):
            quantiles = [_quantiles_ms(window.counted[kind], limit_s) for window in windows]
            counted_ms[kind] = [_median([p50 for p50, _, _ in quantiles]), _median([p99 for _, p99, _ in quantiles])]
    return counted_ms


def _stages_ms(windows: Sequence[Window]) -> dict[str, list[float]]:
    stages = [outcome.stages for window in windows for outcome in window.clicks if len(outcome.stages) == len(STAGES)]
    if not stages:
        return {}
    quantiles = np.quantile(np.array(stages) * 1000, [0.5, 0.99], axis=0).T.round(1)
    return dict(zip(STAGES, quantiles.tolist(), strict=True))


def _quantiles_ms(delays: Sequence[float], limit_s: float) -> tuple[float, float, float]:
    p50, p99, most = np.quantile(np.minimum(delays, limit_s), [0.5, 0.99, 1.0]) * 1000
    return float(p50), float(p99), float(most)


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 1)
