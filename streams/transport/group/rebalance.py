"""What aiokafka says of rebalances, handed to the consumer of batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka.abc import ConsumerRebalanceListener
from faust.types import TP


class RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Passes on what the coordinator reports to a consumer of batches (`BatchConsumer`)."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[tuple[str, int]]) -> None:
        self._consumer.app.on_rebalance_start()
        await self._consumer.guarded(self._consumer.on_partitions_revoked({TP(*tp) for tp in revoked}))

    async def on_partitions_assigned(self, assigned: Iterable[tuple[str, int]]) -> None:
        generation = self._consumer.source.generation
        self._consumer.app.consumer_generation_id = generation
        await self._consumer.guarded(self._consumer.on_partitions_assigned({TP(*tp) for tp in assigned}, generation))
