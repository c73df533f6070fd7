"""Purchases as the fitter reads them: which items were bought in one order."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from confluent_kafka import Message

from policy.model.complements import Baskets, complements
from schemas.topics import PURCHASES
from streams.fitter.log_reader import LogReader
from streams.settings import FoldSettings, KafkaSettings

READ_BACK = 200_000
"""Purchases of each partition that are read when the fitter starts."""
MOST_ORDERS = 1_000_000
"""How many orders are counted before all counts are halved: habits change, and memory ends."""


class PurchaseReader(LogReader):
    """Counts the orders of events-purchases as they come."""

    def __init__(self, kafka: KafkaSettings, fold: FoldSettings) -> None:
        super().__init__("fitter-purchases", kafka, fold, [PURCHASES], READ_BACK)
        self.revision: object = object()
        """A new object whenever orders were counted."""
        self._baskets = Baskets()

    def complements(self, among: Collection[str]) -> dict[str, list[str]]:
        """What goes together among these items, by the orders counted so far."""
        with self.counting:
            return complements(self._baskets, among)

    def begin(self) -> None:
        """See `LogReader`."""
        self._baskets = Baskets()

    def count(self, messages: Sequence[Message]) -> None:
        """See `LogReader`."""
        for order in self.accepted(messages):
            self._baskets.add(line.item for line in order.lines)
            self.revision = object()
        if self._baskets.orders >= MOST_ORDERS:
            self._baskets.halve()
