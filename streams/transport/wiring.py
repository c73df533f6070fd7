"""What an application hands to its transport."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from schemas.errors import BadSettings
from streams.kafka.records import TopicPartition
from streams.settings import KafkaSettings
from streams.transport.group.assignment import SEPARATE, Assignor

Resume = Callable[[frozenset[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Where to read each of the given partitions from; called after every assignment."""
Revoked = Callable[[frozenset[TopicPartition]], Awaitable[None]]
"""Called with the partitions that went to another worker, once the new assignment is known."""
OnError = Callable[[Exception], None]
"""Called with an error that the transport cannot heal; the default ends the process."""


@dataclass(frozen=True)
class Wiring:
    """Callbacks run in the application's event loop; names are without the settings' prefix.

    After a read that brought little the reader rests for `linger_s`, so that the next one brings more.
    `rest_s` maps a topic to how long a partition of it is left alone after it was read to its end.
    """

    kafka: KafkaSettings
    logical: Callable[[str], str]
    resume: Resume
    on_revoked: Revoked
    on_error: OnError
    assignor: Assignor = SEPARATE
    linger_s: float = 0.0
    rest_s: Mapping[str, float] = field(default_factory=dict)

    def missing(self, topics: Iterable[str]) -> BadSettings:
        names = ", ".join(sorted(topics))
        return BadSettings(
            f"Topics do not exist at {self.kafka.bootstrap}: {names}. "
            "Check kafka.prefix, or create them with `reshelf topics apply`."
        )
