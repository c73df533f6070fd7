"""What all peers write with: the fold and one call of the apply script, for one group that holds all."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import msgspec

from schemas.messages.events import Impression
from schemas.topics import IMPRESSIONS
from streams.fold.deltas import Folder
from streams.fold.judge import Accepted, bucket_of
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, RedisSettings
from streams.state.arrays.directory import Directories
from streams.state.arrays.operations import Operations
from streams.state.connection.client import redis_sync_client
from streams.state.keys import GroupKeys
from streams.state.watermark import Watermark

WRITTEN = TopicPartition("written", 0)
"""Under this name the one group's watermark counts the events that were written."""
_SCRIPT = files("streams.state").joinpath("apply.lua").read_text()

decode = msgspec.json.Decoder(Impression).decode


class Sink:
    """Adds events to the state; `send` and `settle` are the two halves of `add`, so that calls can overlap."""

    def __init__(self, redis: RedisSettings, fold: FoldSettings) -> None:
        client: Any = redis_sync_client(redis)
        self._sha = client.script_load(_SCRIPT)
        self._connection = client.connection_pool.get_connection()
        self._keys = GroupKeys(redis.namespace, 0)
        self._directories = Directories()
        self._folder = Folder(IMPRESSIONS, fold, lambda page, segment: 0)
        self._width = fold.bucket_ms
        self._written = 0
        self._sent: Operations | None = None

    def add(self, events: Iterable[Impression]) -> None:
        """Write events and wait until they are written."""
        self.send(events)
        self.settle()

    def send(self, events: Iterable[Impression]) -> None:
        """Write events without waiting; `settle` before the next."""
        width = self._width
        accepted = [Accepted(0, bucket_of(event.occurred_at, width), event, True, True, False) for event in events]
        operations = Operations(self._keys)
        for delta in self._folder.fold(accepted).values():
            operations.add_group(delta, self._directories)
        names = [self._keys.watermark(WRITTEN), *operations.keys]
        expected, self._written = self._written, self._written + len(accepted)
        move = (expected, 0, Watermark(self._written).encode())
        self._connection.send_command("EVALSHA", self._sha, len(names), *names, *move, *operations.packed())
        self._sent = operations

    def settle(self) -> None:
        """Wait for what was sent last, if anything."""
        if self._sent is None:
            return
        reply = self._connection.read_response()
        if reply[0] != 1:
            raise RuntimeError(f"expected to be alone on this state, got {reply}")
        for directory in self._sent.directories.values():
            directory.written()
        self._sent = None
