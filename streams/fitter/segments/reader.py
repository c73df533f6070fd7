"""What visitors looked at, as the fitter reads it back from the log: views, clicks and purchases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from sys import intern
from typing import Any

from confluent_kafka import Message

from schemas.messages.events import Click, Purchase, Signal
from schemas.topics import CLICKS, PURCHASES, SIGNALS
from streams.fitter.log_reader import LogReader
from streams.fitter.segments.sample import CONSENT, Evidence, LeftOut, Seen, UnitKey, UnitSample
from streams.fitter.view_sample import unit_hash
from streams.page_settings import SegmentSettings
from streams.settings import FoldSettings, KafkaSettings

READ_BACK = 200_000
"""Records of each partition of the three topics that are read when the fitter starts."""


class UnitReader(LogReader):
    """Samples visitors as their events come; under their names alone where segments of visitors are published."""

    def __init__(self, kafka: KafkaSettings, fold: FoldSettings, settings: SegmentSettings) -> None:
        super().__init__("fitter-segments", kafka, fold, [SIGNALS, PURCHASES, CLICKS], READ_BACK)
        self._settings = settings
        self._touched: set[UnitKey] = set()
        self._sample = self._new_sample()

    def _new_sample(self) -> UnitSample:
        settings = self._settings
        if not settings.publish_units:
            return UnitSample(settings.sample_units, settings.attributes)
        return UnitSample(settings.sample_units, settings.attributes, self._touched.add)

    def looked_at(self, since_ms: int = 0) -> tuple[list[list[str]], dict[str, list[str]], LeftOut]:
        """What the visitors of the sample looked at who came since then, their attributes, and who is left out."""
        with self.counting:
            self._sample.expire()
            return *self._sample.looked_at(since_ms), self._sample.left_out()

    def touched(self) -> set[str]:
        """Visitors of whom more is known since the last call, and those who went since then."""
        with self.counting:
            touched = _names(self._touched)
            self._touched.clear()
            return touched

    def units(self) -> set[str]:
        """Whoever is in the sample; nobody where segments of visitors are not published."""
        with self.counting:
            return _names(self._sample.units())

    def evidence(self, units: Iterable[str]) -> dict[str, Evidence | None] | None:
        """What segments of visitors are chosen by, see `UnitSample`; None while the sample is being read back."""
        with self.counting:
            return {unit: self._sample.evidence(unit) for unit in units} if self.caught_up else None

    def begin(self) -> None:
        """See `LogReader`."""
        if self._settings.publish_units:
            self._touched.update(self._sample.units())
        self._sample = self._new_sample()

    def count(self, messages: Sequence[Message]) -> None:
        """See `LogReader`; units that are to be forgotten go with all that these records say of them."""
        sampled = [message for message in messages if self._is_sampled(message)]
        for event in self.accepted(message for message in sampled if message.value() is not None):
            for seen in self._seen(event):
                self._sample.see(seen)
        for message in sampled:
            if message.value() is None:
                self._sample.forget(self._key(message.key() or b""))

    def _seen(self, event: Any) -> Iterator[Seen]:
        """The items that an event says somebody looked at; none with a signal of another kind that tells of consent."""
        unit, at = self._key(event.unit.encode()), event.occurred_at
        if isinstance(event, Purchase):
            for line in event.lines:
                yield Seen(unit, intern(line.item), at, {})
        elif isinstance(event, Click) or (isinstance(event, Signal) and event.kind in self._settings.views):
            yield Seen(unit, intern(event.item), at, event.context)
        elif isinstance(event, Signal) and CONSENT in event.context:
            yield Seen(unit, "", at, event.context)

    def _key(self, unit: bytes) -> UnitKey:
        return unit.decode(errors="replace") if self._settings.publish_units else unit_hash(unit)

    def _is_sampled(self, message: Message) -> bool:
        key = message.key()
        return key is not None and self._sample.share.has(unit_hash(key))


def _names(units: Iterable[UnitKey]) -> set[str]:
    return {unit for unit in units if isinstance(unit, str)}
