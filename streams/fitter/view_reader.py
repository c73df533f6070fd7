"""Page views as the fitter reads them: impressions and clicks of the units in a sample.

Impressions are read before clicks when it starts, so that no page view lacks its clicks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from confluent_kafka import Message

from schemas.messages.events import Click
from schemas.topics import CLICKS, IMPRESSIONS
from streams.fitter.log_reader import LogReader
from streams.fitter.view_sample import SampledView, ViewSample, unit_hash
from streams.settings import FoldSettings, KafkaSettings

READ_BACK = 50_000
"""Records of each partition of both topics that are read when the fitter starts."""


class ViewReader(LogReader):
    """Samples page views as they come; with a `limit` of 0 it reads nothing."""

    def __init__(self, kafka: KafkaSettings, fold: FoldSettings, limit: int) -> None:
        super().__init__("fitter-views", kafka, fold, [IMPRESSIONS, CLICKS], READ_BACK)
        self.limit = limit
        self._sample = ViewSample(limit)

    async def start(self) -> None:
        """See `LogReader`."""
        if self.limit:
            await super().start()

    async def follow(self) -> None:
        """See `LogReader`."""
        if self.limit:
            await super().follow()
        else:
            await asyncio.sleep(60.0)

    def views(self, page: str) -> tuple[int, list[SampledView]]:
        """The sampled page views of a page, and how many of it ever were: a revision."""
        with self.counting:
            return self._sample.revision.get(page, 0), self._sample.views(page)

    def keep_pages(self, pages: Sequence[str]) -> None:
        """Forget all pages but these."""
        with self.counting:
            self._sample.keep_pages(pages)

    def begin(self) -> None:
        """See `LogReader`."""
        self._sample = ViewSample(self.limit)

    def count(self, messages: Sequence[Message]) -> None:
        """See `LogReader`; units that are to be forgotten go with all that these records say of them."""
        sampled = [message for message in messages if self._is_sampled(message)]
        for event in self.accepted(message for message in sampled if message.value() is not None):
            (self._sample.click if isinstance(event, Click) else self._sample.see)(event)
        for message in sampled:
            if message.value() is None:
                self._sample.forget(unit_hash(message.key() or b""))

    def _is_sampled(self, message: Message) -> bool:
        key = message.key()
        return key is not None and self._sample.units.has(unit_hash(key))
