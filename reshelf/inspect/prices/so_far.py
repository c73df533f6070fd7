"""What each rule in force has cost or earned so far: its price by what is known now, times page views since then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET

from policy.defaults import LEVEL
from policy.experiments.sequence import VIEWS
from policy.prices.earnings import Earnings
from reshelf.inspect.prices.preview import PagePair, Preview, price_pages
from reshelf.inspect.trials.measured import Trials, trials_in
from reshelf.namespaces.open_state import open_state
from reshelf.settings import Settings
from schemas.messages.pages import PageRules
from schemas.rules import Rule
from streams.fold.deltas import Traffic
from streams.state.arrays.experiment_bins import BucketBins


class SoFar(NamedTuple):
    """A rule, since when it is in force as it is, and what it earned; milliseconds.

    `change` is what it brings more per page view of the page, None where it is in force for no segment that was
    priced.  `views` are the page views since `counted_since`, None where time buckets are not counted.
    """

    rule: Rule
    since: int
    counted_since: int
    views: float | None
    change: Earnings | None


class Report(NamedTuple):
    """The rules of a page as they stand, with what they were priced by, bids among them.

    `trials` are the page's branches as they were measured, None where no rule is on trial.
    """

    preview: Preview
    rules: Sequence[SoFar]
    trials: Trials | None = None


def report(settings: Settings, pair: PagePair, versions: Sequence[PageRules], at_ms: int) -> Report:
    """What the rules of a page, the same before and after, have earned; `versions` are its own, oldest first."""
    preview = price_pages(settings, pair, (), at_ms)
    bins, of_state = asyncio.run(_read(settings, preview.rules.page))
    rules, width = preview.rules.rules, of_state.fold.bucket_ms
    tried = any(rule.branches is not UNSET for rule in rules)
    return Report(
        preview,
        [_so_far(rule, preview, versions, bins, width) for rule in rules],
        trials_in(versions or [preview.rules], bins, of_state, LEVEL) if tried else None,
    )


async def _read(settings: Settings, page: str) -> tuple[BucketBins, Settings]:
    async with open_state(settings) as state:
        return await state.reader.read_bins(page), state.settings


def _so_far(rule: Rule, preview: Preview, versions: Sequence[PageRules], bins: BucketBins, width: int) -> SoFar:
    since = in_force_since(rule, versions)
    counted_since, views = views_since(bins, width, since, preview.at_ms)
    return SoFar(rule, since, counted_since, views, preview.rule(rule.name))


def in_force_since(rule: Rule, versions: Sequence[PageRules]) -> int:
    """When the rule came as it is, without being taken away since; `versions` of its page, oldest first."""
    began = versions[-1].published_at if versions else 0
    for version in reversed(versions):
        if rule not in version.rules:
            break
        began = version.published_at
    return max(began, rule.starts_at)


def views_since(bins: BucketBins, width: int, since: int, until: int) -> tuple[int, float | None]:
    """From when on page views are counted, and how many there were until now; None without time buckets.

    Of the bucket in which it began the share of its time counts.
    """
    views: dict[int, float] = {}
    for (bucket, traffic), counts in bins.items():
        if traffic is not Traffic.FALLBACK:
            views[bucket] = views.get(bucket, 0.0) + float(counts[:, VIEWS].sum())
    if not width or not views:
        return since, None
    total = 0.0
    for bucket, count in views.items():
        end = min(bucket + width, until)
        total += count * min(1.0, max(0, end - max(bucket, since)) / max(1, end - bucket))
    return max(since, min(views)), total
