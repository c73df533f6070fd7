"""How experiments stand: learned layouts against the holdout."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaException

from policy.defaults import LEVEL
from policy.experiments.decision import Decision, Earned, decide, earned
from policy.experiments.health import Health
from policy.experiments.planning import pace
from policy.experiments.sample_ratio import SampleRatio
from policy.experiments.sequence import METRICS, VIEWS, Sides, Uplift, outcomes_of, uplift_of
from reshelf.inspect.event_sample import TopicSample, sample_of_topic
from reshelf.namespaces.open_state import open_state
from reshelf.rules.topic import newest
from reshelf.settings import Settings
from reshelf.words.said import say
from schemas.errors import ReshelfError
from schemas.messages.pages import PageRules
from schemas.topics import DAY_MS, IMPRESSIONS
from streams.fold.deltas import Traffic
from streams.state.arrays.experiment_bins import BucketBins, health_of, periods, sides

PER_VIEWS = 1_000
"""Learned page views that money is told for where it is not known how many a day has."""
NET_REVENUE_NOTE = (
    "net revenue is without what was returned so far: young orders are not yet returned, so its last days look better "
    "than they will. Guard-rails go by clicks, orders and revenue."
)


LEARNED_NOTE = say("experiment.by-segment")


class Point(NamedTuple):
    """The uplift of what was counted from the beginning of a time bucket to the end of one, milliseconds."""

    since: int
    until: int
    uplift: Uplift


class Healths(NamedTuple):
    """How the experiment of each page stands, by page; and the settings that the state was made with.

    `views` are the page views that came last, None where the log cannot be read; `learned` are pages with segments that
    are learned.
    """

    pages: dict[str, Health]
    settings: Settings
    views: TopicSample | None
    learned: frozenset[str] = frozenset()


class PageStanding(NamedTuple):
    """What follows from a page's experiment; what it earns is of a day, or of `PER_VIEWS` where no day is known."""

    decision: Decision
    earned: Earned | None
    of_a_day: bool


class Counted(NamedTuple):
    """What was counted of a page in whole time buckets; the settings that the state was made with.

    `reduced` is the share of an uplift's variance that the pre-period takes away.
    """

    sides: Sides
    days: float
    reduced: float
    settings: Settings


async def healths(settings: Settings, page: str | None, level: float) -> Healths:
    """The experiment of each page that has counts, or of one; raises ReshelfError where there is none."""
    async with open_state(settings) as state:
        pages = sorted(await state.reader.segments())
        if page not in (None, *pages):
            raise ReshelfError(f"page {page!r} has no counts. Pages that have: {', '.join(pages) or 'none'}.")
        selection = [name for name in pages if page in (None, name)]
        bins = {name: await state.reader.read_bins(name) for name in selection}
    healths = {name: health(those, state.settings, level) for name, those in bins.items()}
    views, learned = await asyncio.to_thread(lambda: (_last_views(settings), _with_learned_segments(settings)))
    return Healths(healths, state.settings, views, learned)


def _with_learned_segments(settings: Settings) -> frozenset[str]:
    try:
        return frozenset(name for name, rules in newest(settings.kafka).items() if rules.has_learned_segments)
    except (ReshelfError, KafkaException):
        return frozenset()


def _last_views(settings: Settings) -> TopicSample | None:
    try:
        return sample_of_topic(settings, IMPRESSIONS)
    except (ReshelfError, KafkaException):
        return None


async def counted(settings: Settings, page: str, goal: str) -> Counted:
    """What a page's experiment can be planned by; raises ReshelfError where that is nothing yet."""
    async with open_state(settings) as state:
        pages = sorted(await state.reader.segments())
        bins = await state.reader.read_bins(page)
    if page not in pages:
        raise ReshelfError(f"page {page!r} has no counts. Pages that have: {', '.join(pages) or 'none'}.")
    width = state.settings.fold.bucket_ms
    if not width:
        raise ReshelfError(
            "fold.bucket_ms is 0, so all counts are in one time bucket, and what comes in a day is not known. "
            "Replay into a namespace with fold.bucket_ms of a day or less (docs/operating/replay.md)."
        )
    during, before = periods(bins, state.settings.experiment, width)
    reduced = uplift_of(goal, during, before=before).reduced
    return Counted(*whole_buckets(bins, width), reduced, state.settings)


def standing_of(health: Health, bins: BucketBins, settings: Settings) -> PageStanding:
    """What follows from a page's experiment; `settings` are those that the state was made with."""
    width = settings.fold.bucket_ms
    both, days = whole_buckets(bins, width) if width else (sides({}, 0), 0.0)
    paces = {name: pace(both, column, days) if days else None for name, column in METRICS.items()}
    views = float(both.learned[:, VIEWS].sum()) / days if days else PER_VIEWS
    decision = decide(health, paces, settings.layouts.holdout_share, days)
    return PageStanding(decision, earned(health, views), bool(days))


def whole_buckets(bins: BucketBins, width: int) -> tuple[Sides, float]:
    """Both sides over all time buckets but the first and the last, which may be cut off, and their days."""
    starts = sorted({bucket for bucket, traffic in bins if traffic is not Traffic.FALLBACK})[1:-1]
    if not starts:
        return sides({}, 0), 0.0
    return sides(bins, starts[0], starts[-1] + 1), (starts[-1] - starts[0] + width) / DAY_MS


def health(bins: BucketBins, settings: Settings, level: float = LEVEL) -> Health:
    """How a page's experiment stands; `settings` are those that the state was made with."""
    return health_of(bins, settings.experiment, settings.fold.bucket_ms, settings.layouts.holdout_share, level)


def over_time(bins: BucketBins, since: int, width: int, level: float) -> dict[str, list[Point]]:
    """For each outcome the always-valid uplift as it stood at the end of each time bucket."""
    starts = sorted({bucket for bucket, _ in bins if bucket >= since})
    weighted_counts = [(start + width, sides(bins, since, start + 1)) for start in starts]
    return {
        name: [Point(starts[0], until, uplift_of(name, total, level)) for until, total in weighted_counts]
        for name in outcomes_of(sides(bins, since))
    }


def with_rules(points: Sequence[Point], versions: Iterable[PageRules]) -> Iterator[tuple[Point, list[PageRules]]]:
    """Each point with the versions of the page's rules that were published since the one before."""
    marks = sorted((rules for rules in versions if rules.published_at), key=lambda rules: rules.published_at)
    begin = points[0].since if points else 0
    for point in points:
        yield point, [rules for rules in marks if begin <= rules.published_at < point.until]
        begin = point.until


async def page_over_time(settings: Settings, page: str, level: float) -> dict[str, list[Point]]:
    """What `over_time` says of a page; raises ReshelfError where it has no counts."""
    async with open_state(settings) as state:
        bins = await state.reader.read_bins(page)
        own = state.settings
    if not bins:
        raise ReshelfError(f"page {page!r} has no counts. `reshelf experiment status` names the pages that have.")
    return over_time(bins, own.experiment.since_ms, own.fold.bucket_ms, level)


def health_as_json(health: Health) -> dict[str, Any]:
    """As JSON has it: what is unknown is null."""
    return {**uplifts_as_json(health.uplifts, health.sample_ratio), "guard_rail": health.guard_rail}


def sides_as_json(views: TopicSample | None, page: str) -> dict[str, int] | None:
    """Of the page views that came last, how many are on the other side than their unit; None where it is not known."""
    if views is None:
        return None
    wrong, total = views.other_side(page)
    return {"page_views": total, "on_the_other_side": wrong}


def uplifts_as_json(uplifts: Mapping[str, Uplift], split: SampleRatio) -> dict[str, Any]:
    """Uplifts, and how units came to both sides, as JSON has them: what is unknown is null."""
    return {
        "uplift": {
            name: {key: value if math.isfinite(value) else None for key, value in uplift._asdict().items()}
            for name, uplift in uplifts.items()
        },
        "sample_ratio": {**split._asdict(), "alarm": split.alarm},
    }
