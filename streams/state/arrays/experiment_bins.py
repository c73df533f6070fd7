"""The experiment of learned layouts against the holdout, read from the bins of units that the learner keeps."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from redis.asyncio import Redis

from policy.arrays import Ints
from policy.defaults import LEVEL
from policy.experiments.health import Health, health
from policy.experiments.sequence import Sides
from streams.fold.deltas import WHOLE_PAGE, TableKey, Traffic
from streams.page_settings import ExperimentSettings
from streams.state.arrays.tables import bin_names, decode_bins
from streams.state.connection.errors import translate_errors
from streams.state.keys import GroupKeys, group_of

BucketBins = dict[tuple[int, Traffic], Ints]


async def read_bins(redis: Redis, namespace: str, groups: int, page: str) -> BucketBins:
    """The bins of a page, int64[256, 6], by start of the bucket and traffic."""
    keys = GroupKeys(namespace, group_of(page, WHOLE_PAGE, groups))
    buckets = sorted(map(int, await translate_errors(lambda: redis.smembers(keys.bin_buckets))))
    places = [(bucket, traffic) for bucket in buckets for traffic in Traffic]
    if not places:
        return {}
    names = [bin_names(keys, TableKey(page, WHOLE_PAGE, *place)) for place in places]
    stored = iter(await translate_errors(lambda: redis.mget(*chain.from_iterable(names))))
    contents = [[next(stored) for _ in arrays] for arrays in names]
    return {place: decode_bins(arrays) for place, arrays in zip(places, contents, strict=True) if any(arrays)}


def sides(bins: Mapping[tuple[int, Traffic], Ints], since: int, until: int | None = None) -> Sides:
    """Both sides over the buckets that begin at `since` or later, and before `until`; milliseconds."""
    totals = {Traffic.LEARNED: decode_bins(), Traffic.HOLDOUT: decode_bins()}
    for (bucket, traffic), counts in bins.items():
        if traffic in totals and since <= bucket and (until is None or bucket < until):
            totals[traffic] += counts
    return Sides(totals[Traffic.LEARNED], totals[Traffic.HOLDOUT])


def periods(
    bins: Mapping[tuple[int, Traffic], Ints], settings: ExperimentSettings, bucket_ms: int
) -> tuple[Sides, Sides | None]:
    """Both sides in the experiment, and in its pre-period where there is one; of whole buckets, `bucket_ms` wide.

    The bucket that `since_ms` cuts in two is in neither: it holds some of what was served differently.
    """
    return sides(bins, settings.since_ms), pre_period(bins, settings, bucket_ms)


def pre_period(bins: Mapping[tuple[int, Traffic], Ints], settings: ExperimentSettings, bucket_ms: int) -> Sides | None:
    """Both sides in the pre-period of the experiment, None where it has none; of whole buckets, `bucket_ms` wide."""
    before = settings.pre_period_since_ms
    return sides(bins, before, settings.since_ms - bucket_ms + 1) if before else None


def health_of(
    bins: Mapping[tuple[int, Traffic], Ints],
    settings: ExperimentSettings,
    bucket_ms: int,
    holdout_share: float,
    level: float = LEVEL,
) -> Health:
    """How a page's experiment stands."""
    during, before = periods(bins, settings, bucket_ms)
    tolerated = {name: getattr(settings, f"tolerated_loss_{name}") for name in ("clicks", "orders", "revenue")}
    return health(during, holdout_share, tolerated, level, before)
