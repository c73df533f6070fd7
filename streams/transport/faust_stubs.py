"""What Faust's consumer has and a reader of batches does without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faust.transport.consumer import Consumer
from faust.types import TP


class FaustStubs(Consumer):
    """Steps of Faust's that there is nothing to do for, and calls that have another way here."""

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: a full stream makes the reader wait, which is all the pressure needed."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, as on_buffer_full."""

    async def perform_seek(self) -> None:
        """Nothing: Faust's recovery would go to the group's commits; `_place` asks the application."""

    def close(self) -> None:
        """Nothing: on_stop leaves the group."""

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        raise NotImplementedError("Batches are read by _read.")

    async def seek_to_committed(self) -> Mapping[TP, int]:
        raise NotImplementedError("Positions come from the application.")

    async def _seek(self, partition: TP, offset: int) -> None:
        raise NotImplementedError("Call rewind.")

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        raise NotImplementedError("Call rewind.")

    async def create_topic(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("Topics are made by an administrator.")

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> Any:
        raise NotImplementedError("Producers choose partitions.")
