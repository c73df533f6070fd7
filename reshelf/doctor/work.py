"""Whether workers run and keep up, and whether layouts live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka.admin import AdminClient

from reshelf.doctor.finding import Finding
from reshelf.inspect.attribution_window import NEXT_STEP, shortest, window_in_words
from reshelf.inspect.consumer_groups import absent_roles
from reshelf.inspect.duplicate_window import Tightest
from reshelf.inspect.duplicate_window import next_step as duplicate_remedy
from reshelf.inspect.duplicate_window import window_in_words as duplicates_in_words
from reshelf.inspect.lag import partition_lags
from reshelf.inspect.layouts_topic import latest, read_lives
from reshelf.inspect.quotas import next_step, use_in_words
from reshelf.namespaces.open_state import open_state
from reshelf.numbers import number, share
from reshelf.settings import Settings
from schemas.messages.layouts import LayoutLife
from streams.kafka.clients import confluent_admin_config
from streams.settings import KafkaSettings
from streams.state.alias import namespace_of
from streams.state.clicks.progress import Window, windows
from streams.state.limits.use import ALARM, QuotaUse, quota_use
from streams.state.manifest import Manifest, NamespaceMissing
from streams.state.recent.use import tightest_window
from streams.state.store import Store

HELD_UP_MS = 86_400_000
"""What was said of a life longer ago than this nobody says any more."""


def look_at_work(settings: Settings) -> Iterator[Finding]:
    """Whether workers are there and keep up with the log, and whether layouts live; of the namespace that is live."""
    admin = AdminClient(confluent_admin_config(settings.kafka))
    try:
        manifest, behind, covered, uses, tightest = asyncio.run(_state(settings, admin))
    except NamespaceMissing:
        observation = f"none has run yet for namespace {asyncio.run(namespace_of(settings.redis))!r}"
        yield Finding("workers", "note", observation, "Run `reshelf worker`.")
        return
    absent = absent_roles(admin, manifest)
    yield _workers(absent)
    yield _lag(behind, settings.health.max_lag, "learner" in absent or "attribution" in absent)
    yield from attribution_finding(covered)
    yield from quota_findings(uses)
    yield from duplicate_finding(tightest)
    yield from _layouts(settings.kafka)


class _Work(NamedTuple):
    """The namespace, how many records of the log it lacks, what attribution's clicks cover, and what is used of limits.

    `tightest` is the window of duplicates that needs the most of its memory.
    """

    manifest: Manifest
    behind: int
    covered: dict[int, Window]
    uses: list[QuotaUse]
    tightest: Tightest | None


async def _state(settings: Settings, admin: AdminClient) -> _Work:
    async with open_state(settings) as state:
        manifest = state.reader.manifest
        behind = sum(partition.lag for partition in await partition_lags(admin, state.redis, manifest))
        store = Store(state.redis, manifest.namespace, manifest.groups)
        covered = await windows(state.redis, manifest)
        uses = await quota_use(store, manifest.partitions())
        return _Work(manifest, behind, covered, uses, await tightest_window(store, manifest.partitions()))


def duplicate_finding(tightest: Tightest | None) -> Iterator[Finding]:
    """Whether memory cuts the window of duplicates short, or soon will; nothing where no learner has run."""
    if tightest is not None:
        high = tightest[1].ratio >= ALARM
        remedy = duplicate_remedy(tightest) if high else ""
        yield Finding("duplicate window", "note" if high else "ok", duplicates_in_words(tightest), remedy)


def attribution_finding(covered: Mapping[int, Window]) -> Iterator[Finding]:
    """Whether attribution has all clicks of its window; nothing where it has not run."""
    least = shortest(covered)
    if least is not None:
        partition, window = least
        state = f"{window_in_words(window)}, the least in partition {partition}"
        yield Finding("attribution window", "note" if window.short else "ok", state, NEXT_STEP if window.short else "")


def _workers(absent: Sequence[str]) -> Finding:
    if not absent:
        return Finding("workers", "ok", "all roles run")
    remedy = f"Run `reshelf worker {' '.join(absent)}`: they go on where the state stands."
    return Finding("workers", "note", f"none runs as {', '.join(absent)}", remedy)


def _lag(behind: int, most: int, incomplete: bool) -> Finding:
    observation = f"{number(behind)} records behind the log"
    if behind <= (0 if incomplete else most):
        return Finding("state", "ok", observation)
    remedy = "Start the workers that are missing." if incomplete else "Add learners, at most one for each partition."
    return Finding("state", "note", observation, f"{remedy} docs/operating/operating.md says more, under ReshelfLag.")


def quota_findings(uses: Sequence[QuotaUse]) -> Iterator[Finding]:
    """Whether a limit on names will soon turn records away, or does."""
    high = [use for use in uses if use.ratio >= ALARM]
    for use in high:
        yield Finding("names", "bad" if use.use >= use.limit else "note", use_in_words(use), next_step(use))
    if uses and not high:
        fullest = max(uses, key=lambda use: use.ratio)
        yield Finding("names", "ok", f"at most {share(fullest.ratio, 0)} of a limit is used (fold.{fullest.setting})")


def _layouts(kafka: KafkaSettings) -> Iterator[Finding]:
    newest = latest(kafka)
    if newest is None:
        yield Finding("layouts", "note", "none is published", "Declare a page: `reshelf rules apply FILE`.")
        return
    lives = read_lives(kafka)
    left_s = lives.end_of(newest.life, newest.expires_at) / 1000 - time.time()
    if left_s > 0:
        yield Finding("layouts", "ok", f"the newest expires in {number(left_s)} s")
    else:
        remedy = "Renderers show their own fallback. Run `reshelf worker layouts`; where one runs, see its log."
        yield Finding("layouts", "note", f"all have expired, the newest {number(-left_s)} s ago", remedy)
    yield from lives_findings(lives.all(), time.time_ns() // 1_000_000)


def lives_findings(lives: Sequence[LayoutLife], now_ms: int) -> Iterator[Finding]:
    """Which layouts hold up those beside them."""
    for life in lives:
        if life.held_up_by and now_ms - life.produced_at < HELD_UP_MS:
            remedy = (
                "Where it does not pass, see to what it says: until then all layouts beside it are published again "
                "every half of layouts.ttl_ms, and this one expires."
            )
            yield Finding("layout lives", "note", f"{life.life} is held up by {life.held_up_by}", remedy)
