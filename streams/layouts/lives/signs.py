"""Signs of life for layouts that do not change, in place of publishing each again.

A worker looks after its keys as often as before: each is composed when half of `layouts.ttl_ms` is over.  What
that does not change is not published; instead a record of `layout-lives` says for all keys of a partition how long
their newest layouts are good: as long as the one that was brought up to date least lately.  One that cannot be
brought up to date thus holds up the life of its partition; the layouts beside it are published again by
themselves then, each when half of its own life is over, and it expires alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from schemas.codec import encode, encode_key
from schemas.errors import StateAttention
from schemas.messages.layouts import LayoutLife
from schemas.topics import LAYOUT_LIVES
from streams.catalog.layouts.latest_layout import LatestLayout
from streams.catalog.page import Key
from streams.catalog.view import CatalogView
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.layouts.clock import Clock, woken
from streams.layouts.clock_guard import ClockGuard
from streams.layouts.lives.freshness import NEVER, Freshness, Moment
from streams.layouts.lives.ownership import Ownership
from streams.metrics import Registry
from streams.page_settings import LayoutSettings
from streams.retry import Retry

log = logging.getLogger("reshelf")

ROUNDS = 8
"""How many signs a life gives in the time that a layout is good."""
SETTLE_MS = 2_000.0
"""How long a partition is ours before its life is spoken of: by then is known what its owner before said last."""
KEYS_AT_A_TIME = 500
CLOCK = encode_key(LAYOUT_LIVES, "clock")
"""The key of a record without a value, which the broker stamps with its time: before each round its clock is asked."""
RESULTS = ("extended", "held_up", "stopped", "refused")


class _Stalest(NamedTuple):
    """The key of a partition that was brought up to date least lately, when its layout ends, and how many are late."""

    ends_at: int
    key: Key
    late: int


class LayoutLives:
    """The lives of this worker's partitions; `due` is called with keys whose layouts have to be published again."""

    def __init__(
        self,
        catalog: CatalogView,
        ownership: Ownership,
        log_producer: LogProducer,
        settings: LayoutSettings,
        metrics: Registry,
        clock: Clock,
        guard: ClockGuard,
        due: Callable[[Key], None],
    ) -> None:
        self.freshness = Freshness(settings.ttl_ms, settings.max_clock_skew_ms)
        self._catalog = catalog
        self._ownership = ownership
        self._log_producer = log_producer
        self._on = settings.lives
        self._ttl = settings.ttl_ms
        self._skew = settings.max_clock_skew_ms
        self._metrics = metrics
        self._clock = clock
        self._guard = guard
        self._due = due
        self._retry = Retry()
        self._woken = asyncio.Event()
        self._since: dict[int, float] = {}
        self._refused = False
        for result in RESULTS:
            metrics.add("reshelf_layout_lives_total", result, by=0)

    def name_of(self, key: Key) -> str:
        """The life that the key's layouts name; none where layouts are published again instead."""
        return self._ownership.life(self._ownership.partition(key)) if self._on else ""

    def renewal(self, key: Key, latest: LatestLayout, now: int) -> int:
        """When the key's layout is to be published although it is the same; later than now while its life goes on."""
        half = self._ttl // 2
        if latest.life and latest.life == self.name_of(key) and self._goes_on(latest.life, now):
            return now + half
        return min(latest.half_life_at, latest.produced_at + half)

    def decided(self, key: Key, result: str, began: Moment) -> None:
        """What became of a key whose counts were read at that moment: as in reshelf_layouts_total."""
        if result == "stopped":
            self.freshness.failed(key, self._guard.reason)
        elif result == "refused":
            self.freshness.failed(key, "the broker refuses its layout, and the worker's log says why")
        else:
            self.freshness.up_to_date(key, began)

    def now(self) -> Moment:
        """The moment, by this machine's clocks."""
        return Moment(self._clock.wall(), self._clock.steady())

    def own(self, continued: AbstractSet[int]) -> None:
        """The worker's partitions are others now; of those that were `continued` it need not look after all anew."""
        now, stayed = self._clock.steady(), self._ownership.owned & continued
        earlier = {partition: since for partition, since in self._since.items() if partition in stayed}
        self._since = {partition: earlier.get(partition, now) for partition in self._ownership.owned}
        self.freshness.keep(lambda key: self._ownership.partition(key) in stayed)
        self._woken.set()

    def changed(self, lives: Collection[str]) -> None:
        """These lives end before what was known of them: say it again where they are ours."""
        if not self._ownership.lives.isdisjoint(lives):
            self._woken.set()

    async def keep(self) -> None:
        """For ever: give a sign of life for each of our partitions, several times in a layout's life."""
        every_s = self._ttl / ROUNDS / 1000
        while self._on:
            await woken(self._woken, every_s)
            if self._woken.is_set():
                await asyncio.sleep(min(every_s, SETTLE_MS / 1000))
            self._woken.clear()
            await self._retry.until_success(self.give)

    async def give(self) -> None:
        """One round over the partitions that are ours; raises Transient."""
        stalest: dict[int, _Stalest] = {}
        try:
            now = await self._now_by_a_right_clock()
            if now is None:
                self._metrics.add("reshelf_layout_lives_total", "stopped")
                return
            stalest = await self._stalest(now)
            signs = [self._sign(partition, of, now) for partition, of in sorted(stalest.items())]
            await self._publish([sign for sign in signs if sign is not None])
            self._refused = False
        except StateAttention as error:
            self._refuse(error)
        await self._renew(stalest, self._clock.wall())

    async def _now_by_a_right_clock(self) -> Moment | None:
        """The moment, where this machine's clock is near enough to the brokers'."""
        if self._guard.resting:
            return None
        sent = self._clock.wall()
        (delivery,) = await self._log_producer.deliver([OutgoingRecord(LAYOUT_LIVES.name, CLOCK, None)])
        signs = map(self._catalog.lives.get, self._ownership.lives)
        newest = max((sign.produced_at for sign in signs if sign), default=0)
        right = self._guard.check_delivery(sent, self._clock.wall(), delivery.append_time, newest)
        return self.now() if right else None

    async def _stalest(self, now: Moment) -> dict[int, _Stalest]:
        """Of each of our partitions, over all layouts that name its life."""
        stalest: dict[int, _Stalest] = {}
        late = now.wall + self._ttl // 4
        async for key, latest in self._published():
            partition = self._ownership.partition(key)
            if partition in self._ownership.owned and latest.live and latest.life == self._ownership.life(partition):
                ends_at = NEVER if latest.lost else self.freshness.good_until(key, now)
                before = stalest.get(partition, _Stalest(ends_at, key, 0))
                least = min(before[:2], (ends_at, key))
                stalest[partition] = _Stalest(*least, before.late + (ends_at < late))
        self._metrics.set("reshelf_layouts_overdue", value=sum(of.late for of in stalest.values()))
        return {partition: of for partition, of in stalest.items() if partition in self._ownership.owned}

    def _sign(self, partition: int, stalest: _Stalest, now: Moment) -> LayoutLife | None:
        """What to say of a partition's life; nothing where nothing changed."""
        if now.steady - self._since.get(partition, now.steady) < min(SETTLE_MS, self._ttl / ROUNDS):
            return None
        name = self._ownership.life(partition)
        said, why = self._catalog.lives.get(name), self._held_up_by(stalest)
        end = self._end(name, now.wall)
        if stalest.ends_at > max(end, now.wall):
            self._metrics.add("reshelf_layout_lives_total", "extended")
            return LayoutLife(name, now.wall, stalest.ends_at, why)
        if why:
            self._metrics.add("reshelf_layout_lives_total", "held_up")
        if why == (said.held_up_by if said else ""):
            return None
        if why and stalest.ends_at != NEVER:
            log.warning("Layouts of %s are published again one by one, as one is not up to date: %s.", name, why)
        return LayoutLife(name, now.wall, end, why)

    def _held_up_by(self, stalest: _Stalest) -> str:
        """Which key is late, and why; nothing while none is."""
        if not stalest.late:
            return ""
        page, segment = stalest.key
        others = f" (and {stalest.late - 1:,} others)" if stalest.late > 1 else ""
        return f"{page} for {segment}{others}: {self.freshness.why(stalest.key)}"[:1_000]

    async def _publish(self, signs: list[LayoutLife]) -> None:
        """Send what is still ours to say."""
        ours = self._ownership.lives
        signs = [sign for sign in signs if sign.life in ours]
        await self._log_producer.publish(
            OutgoingRecord(LAYOUT_LIVES.name, encode_key(LAYOUT_LIVES, sign.life), encode(sign)) for sign in signs
        )
        for sign in signs:
            self._catalog.lives.remember(sign)

    async def _renew(self, partitions: Iterable[int], now: int) -> None:
        """Have the layouts of lives that do not go on published again; each is good by itself then."""
        names = [self._ownership.life(partition) for partition in partitions]
        left = min((self._end(name, now) - now for name in names), default=self._ttl)
        self._metrics.set("reshelf_layout_life_ratio", value=max(0, left) / self._ttl)
        if names and all(self._goes_on(name, now) for name in names):
            return
        async for key, latest in self._published():
            if latest.live and key in self._ownership and self.renewal(key, latest, now) <= now:
                self._due(key)

    async def _published(self) -> AsyncIterator[tuple[Key, LatestLayout]]:
        """What is known of the newest layouts of all keys; others get on meanwhile."""
        for number, entry in enumerate(list(self._catalog.published.items())):
            if number % KEYS_AT_A_TIME == 0:
                await asyncio.sleep(0)
            yield entry

    def _goes_on(self, name: str, now: int) -> bool:
        return self._end(name, now) - self._ttl // 4 > now

    def _end(self, name: str, now: int) -> int:
        """When a life ends as far as is known; one that ends later than any right clock says counts for nothing."""
        life = self._catalog.lives.get(name)
        return 0 if life is None or life.expires_at > now + self._ttl + self._skew else life.expires_at

    def _refuse(self, error: Exception) -> None:
        self._metrics.add("reshelf_layout_lives_total", "refused")
        if not self._refused:
            self._refused = True
            log.error("Layouts are published again one by one, as the broker takes no sign of life: %s", error)
