"""Publishing layouts: history first, then `layouts`, then what is known of the newest one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from policy.slates.entropy import entropy
from schemas.codec import encode, encode_key
from schemas.errors import StateAttention
from schemas.messages.layouts import Layout
from schemas.topic import Topic
from schemas.topics import LAYOUTS, LAYOUTS_HISTORY
from streams.catalog.layouts.latest_layout import LatestLayout
from streams.catalog.page import Key
from streams.catalog.view import CatalogView
from streams.kafka.producer import LogProducer, OutgoingRecord
from streams.layouts.clock import Clock
from streams.layouts.clock_guard import ClockGuard
from streams.layouts.compose import stamped, unshadowed
from streams.metrics import Registry
from streams.page_settings import LayoutSettings
from streams.state.layout_versions import Versions

log = logging.getLogger("reshelf")


class Publisher:
    """Gives layouts their version and sends them; `refused` are the keys whose last one the broker did not take."""

    def __init__(
        self,
        catalog: CatalogView,
        versions: Versions,
        log_producer: LogProducer,
        settings: LayoutSettings,
        metrics: Registry,
        clock: Clock,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        self.refused: set[Key] = set()
        self._catalog = catalog
        self._versions = versions
        self._log_producer = log_producer
        self._ttl_ms = settings.ttl_ms
        self._metrics = metrics
        self._clock = clock
        self.guard = ClockGuard(settings.max_clock_skew_ms, settings.ttl_ms, metrics, clock.steady, recovered)

    async def publish(
        self, key: Key, layout: Layout, draft: LatestLayout, life: str
    ) -> Literal["published", "refused", "stopped"]:
        """Send a layout, of which `draft` is what its bytes say and that names a life; raises Transient."""
        if self.guard.resting:
            return "stopped"
        began, latest = self._clock.steady(), self._catalog.latest_layout(key)
        version = await self._versions.next(*key, latest.version)
        layout = stamped(layout, version, self._clock.wall(), self._ttl_ms, life)
        recorded = value = encode(layout)
        if layout.shadow:
            value = encode(unshadowed(layout))
        try:
            (delivery,) = await self._log_producer.deliver([_record(LAYOUTS_HISTORY, key, recorded)])
            acknowledged_ms = self._clock.wall()
            newest_ms = latest.produced_at if latest.live else 0
            if not self.guard.check_delivery(layout.produced_at, acknowledged_ms, delivery.append_time, newest_ms):
                return "stopped"
            await self._log_producer.publish([_record(LAYOUTS, key, value)])
        except StateAttention as error:
            self._refuse(key, error, len(value))
            return "refused"
        self._catalog.remember(key, draft.stamped(layout))
        self.refused.discard(key)
        self._measure(layout, self._clock.steady() - began)
        return "published"

    async def withdraw(self, key: Key) -> None:
        """The page is not declared: renderers use their fallback."""
        latest = self._catalog.latest_layout(key)
        self.refused.discard(key)
        if latest.live:
            await self._log_producer.publish([_record(LAYOUTS, key, None)])
            self._catalog.remember(key, LatestLayout(latest.version, live=False))
            self._metrics.add("reshelf_layouts_total", "withdrawn")

    def _measure(self, layout: Layout, took_ms: float) -> None:
        self._metrics.observe("reshelf_layout_publish_seconds", value=took_ms / 1000)
        if len(layout.slates) > 1:
            spread = entropy(layout.propensities, len(layout.slates))
            self._metrics.observe("reshelf_layout_entropy_ratio", value=spread)

    def _refuse(self, key: Key, error: Exception, size: int) -> None:
        """One page that cannot be published must not hold up the others."""
        if key not in self.refused:
            self.refused.add(key)
            log.error("The layout for %s, of %d bytes, was not published: %s", list(key), size, error)


def _record(topic: Topic, key: Key, value: bytes | None) -> OutgoingRecord:
    return OutgoingRecord(topic.name, encode_key(topic, *key), value)
