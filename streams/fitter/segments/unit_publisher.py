"""Publishing the segments of visitors where they changed: a few of them again and again, all after each model."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from policy.segments.rule import UNASSIGNED
from schemas.errors import StateAttention
from streams.catalog.segments.model_view import SegmentModelView
from streams.fitter.segments.published import unit_segments
from streams.fitter.segments.reader import UnitReader
from streams.fitter.segments.unit_segments import Model, applied, changes, records_of_units
from streams.kafka.producer import LogProducer
from streams.metrics import REGISTRY, Registry
from streams.retry import Retry
from streams.settings import KafkaSettings

LOOK_S = 5.0
"""How often visitors are looked at who looked at something since."""
REFUSED_S = 60.0
"""How long it waits after records that the broker does not take."""
BATCH = 5_000
"""Visitors whose segments are chosen and published at once."""

log = logging.getLogger("reshelf")


class UnitPublisher:
    """Publishes the segments of the reader's visitors while `owns` says that they are this worker's.

    It reads back what is published when it begins and before it looks at all visitors, so that it goes on where another
    worker was, and finds what is not as it should be.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        model: SegmentModelView,
        reader: UnitReader,
        log_producer: LogProducer,
        metrics: Registry = REGISTRY,
    ) -> None:
        self.owns: Callable[[], bool] = lambda: True
        self._kafka = kafka
        self._model = model
        self._reader = reader
        self._log_producer = log_producer
        self._metrics = metrics
        self._retry = Retry()
        self._published: dict[str, str] = {}
        self._version = 0
        self._complete = False
        for result in ("assigned", "taken_back", "failed"):
            metrics.add("reshelf_unit_segment_records_total", result, by=0)

    async def follow(self) -> None:
        """For ever: publish what changed."""
        while True:
            await asyncio.sleep(LOOK_S if await self.publish_once() else REFUSED_S)

    async def publish_once(self) -> bool:
        """Publish what changed since the last time, or all that is not as it should be; False where it was refused."""
        touched = self._reader.touched()
        if not self.owns() or not self._reader.caught_up:
            self._let_go()
            return True
        model = self._model.current
        version = model[0].version if model else 0
        if not self._complete or version != self._version:
            published = await self._retry.until_success(
                lambda: asyncio.to_thread(unit_segments, self._kafka), self.owns
            )
            if published is None:
                return True
            self._published = published
            touched = self._reader.units() | published.keys()
        self._complete, self._version = False, version
        accepted = await self._publish_all(touched, model)
        self._metrics.set("reshelf_unit_segments", value=len(self._published))
        return accepted

    def _let_go(self) -> None:
        self._complete = False
        self._published = {}
        self._metrics.set("reshelf_unit_segments", value=0)

    async def _publish_all(self, units: Iterable[str], model: Model | None) -> bool:
        """Publish what is to be published of these visitors; False where the broker does not take it."""
        rest = iter(units)
        while batch := list(islice(rest, BATCH)):
            changed = await asyncio.to_thread(self._changes, batch, model)
            if changed is None:
                return True
            try:
                if not await self._publish(changed):
                    return True
            except StateAttention as error:
                self._metrics.add("reshelf_unit_segment_records_total", "failed", by=len(changed))
                log.error("Segments of %d visitors were not published and are tried again: %s", len(changed), error)
                return False
        self._complete = True
        return True

    def _changes(self, units: Sequence[str], model: Model | None) -> dict[str, str] | None:
        """What is to be published; None where the sample is being read back."""
        evidence = self._reader.evidence(units)
        return None if evidence is None else changes(self._published, evidence, model)

    async def _publish(self, changed: dict[str, str]) -> bool:
        """Publish, and again until it is done; False where the segments are no longer this worker's."""
        records = records_of_units(changed, self._version)
        if await self._retry.until_success(lambda: self._log_producer.publish(records), self.owns) is None:
            return False
        applied(self._published, changed)
        taken_back = sum(segment == UNASSIGNED for segment in changed.values())
        self._metrics.add("reshelf_unit_segment_records_total", "taken_back", by=taken_back)
        self._metrics.add("reshelf_unit_segment_records_total", "assigned", by=len(changed) - taken_back)
        return True
