"""What a step of attribution has to work with, and what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from policy.attribution.clicks import ClickRecord, CreditRule
from schemas.messages.events import Conversion, Credit, Purchase
from schemas.topics import Topic
from streams.attribution.published import Source
from streams.fold.judge import Rejected
from streams.kafka.records import Record
from streams.settings import HOUR_MS, AttributionSettings, FoldSettings
from streams.state.clicks.memory import ClickMemory
from streams.state.clicks.progress import Position

CREDITED, CREDITED_BY_LOG = "credited", "credited_by_log"
SPARE_MS = HOUR_MS
"""Clicks are kept for longer than they are needed, so that a Redis that lost some writes finds them still."""


class Windows(Protocol):
    """How long before a purchase a click may have happened, milliseconds."""

    def of(self, page: str) -> int: ...

    def longest(self) -> int: ...


class Decision(NamedTuple):
    """What is to be published to a topic for the record of `source`, by when `appended_at` was the latest append."""

    topic: Topic
    source: Source
    event: Conversion | Credit
    appended_at: int


@dataclass(slots=True)
class Step:
    """The outcome of a run of records up to `reached`: publish, dead-letter, then write what is remembered, move along.

    What is rejected is of the topic that it is kept under.
    """

    reached: Position
    records: int = 0
    decisions: list[Decision] = field(default_factory=list)
    rejected: dict[Topic, list[Rejected]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


class Remembered(NamedTuple):
    """What is remembered of the logs before reading begins, and from where each topic is read.

    That is before what is remembered and decided, as far as duplicates are recognised.  Topics that are
    not read are those that the namespace lacks.
    """

    memory: ClickMemory
    read_from: Mapping[str, int]


def credit_rule(settings: AttributionSettings, fold: FoldSettings, windows: Windows) -> CreditRule:
    """Which clicks count for a purchase, as the settings say."""
    return CreditRule(windows.of, settings.grace_ms, fold.max_clock_skew_ms, settings.stage)


def verdict_of(click: ClickRecord, purchase: Purchase) -> str:
    """Whether the log had to decide, as the clocks contradict it."""
    return CREDITED_BY_LOG if click.occurred_at > purchase.occurred_at else CREDITED


def first_needed(append_time: int, fold: FoldSettings, windows: Windows) -> int | None:
    """The event time of the first click that purchases appended at a time or later may take; None: any time."""
    if not fold.allowed_lateness_ms:
        return None
    return append_time - fold.allowed_lateness_ms - windows.longest()


def foreign(record: Record, event: Any, expected: str) -> Rejected:
    return Rejected(record, "currency", f"expected amounts in {expected}, got {event.currency}")
