"""What visitors looked at, as the fitter reads it back from the log: views, clicks and purchases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from sys import intern
from typing import Any

from confluent_kafka import Message

from schemas.messages.events import Click, Purchase, Signal
from schemas.topics import CLICKS, PURCHASES, SIGNALS
from streams.fitter.log_reader import LogReader
from streams.fitter.segments.sample import LeftOut, Seen, UnitSample
from streams.fitter.view_sample import unit_hash
from streams.page_settings import SegmentSettings
from streams.settings import FoldSettings, KafkaSettings

READ_BACK = 200_000
"""Records of each partition of the three topics that are read when the fitter starts."""


class UnitReader(LogReader):
    """Samples visitors as their events come."""

    def __init__(self, kafka: KafkaSettings, fold: FoldSettings, settings: SegmentSettings) -> None:
        super().__init__("fitter-segments", kafka, fold, [SIGNALS, PURCHASES, CLICKS], READ_BACK)
        self._settings = settings
        self._sample = self._new_sample()

    def _new_sample(self) -> UnitSample:
        return UnitSample(self._settings.sample_units, self._settings.attributes)

    def looked_at(self, since_ms: int = 0) -> tuple[list[list[str]], dict[str, list[str]], LeftOut]:
        """What the visitors of the sample looked at who came since then, their attributes, and who is left out."""
        with self.counting:
            self._sample.expire()
            return *self._sample.looked_at(since_ms), self._sample.left_out()

    def begin(self) -> None:
        """See `LogReader`."""
        self._sample = self._new_sample()

    def count(self, messages: Sequence[Message]) -> None:
        """See `LogReader`; units that are to be forgotten go with all that these records say of them."""
        sampled = [message for message in messages if self._is_sampled(message)]
        for event in self.accepted(message for message in sampled if message.value() is not None):
            for seen in self._seen(event):
                self._sample.see(seen)
        for message in sampled:
            if message.value() is None:
                self._sample.forget(unit_hash(message.key() or b""))

    def _seen(self, event: Any) -> Iterator[Seen]:
        """The items that an event says somebody looked at."""
        unit, at = unit_hash(event.unit.encode()), event.occurred_at
        if isinstance(event, Purchase):
            for line in event.lines:
                yield Seen(unit, intern(line.item), at, {})
        elif isinstance(event, Click) or (isinstance(event, Signal) and event.kind in self._settings.views):
            yield Seen(unit, intern(event.item), at, event.context)

    def _is_sampled(self, message: Message) -> bool:
        key = message.key()
        return key is not None and self._sample.share.has(unit_hash(key))
