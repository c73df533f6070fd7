"""What a step of attribution has to work with, and what comes of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from policy.attribution.clicks import ClickRecord, CreditRule
from schemas.messages.events import Conversion, Credit, Purchase
from schemas.topic import Topic
from schemas.topics import RETURNS
from streams.attribution.published import Source
from streams.fold.judge import Rejected
from streams.kafka.records import Record
from streams.settings import HOUR_MS, AttributionSettings, FoldSettings
from streams.state.clicks.memory import ClickMemory
from streams.state.clicks.progress import Position
from streams.state.clicks.store import ClickStore, Marks
from streams.state.watermark import Watermark

CREDITED, CREDITED_BY_LOG = "credited", "credited_by_log"
RETURN = "return"
"""What is counted instead of `invalid`, the reason of its dead letter, of a return that was sent as a purchase."""
_SIGNED = ("quantity", "amount")
_OF_A_LINE = re.compile(r"at `\$\.lines\[\d+\]\.(quantity|amount)`$")
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

    @classmethod
    def nothing(cls, store: ClickStore, topics: Iterable[Topic]) -> Remembered:
        """Nothing yet, of topics that are read from their beginning."""
        return cls(ClickMemory(store, Marks(Watermark(0), Watermark(0))), dict.fromkeys([t.name for t in topics], 0))


def credit_rule(settings: AttributionSettings, fold: FoldSettings, windows: Windows) -> CreditRule:
    """Which clicks count for a purchase, as the settings say."""
    return CreditRule(windows.of, settings.grace_ms, fold.max_clock_skew_ms, settings.stage, settings.returns_ms)


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


def is_return(rejected: Rejected) -> bool:
    """Whether goods or money go back: a line has a quantity or an amount below 0."""
    if not _OF_A_LINE.search(rejected.detail):
        return False
    try:
        lines = orjson.loads(rejected.record.value or b"")["lines"]
        return any(isinstance(line.get(name), int) and line[name] < 0 for line in lines for name in _SIGNED)
    except (ValueError, TypeError, KeyError, AttributeError):
        return False


def explained(rejected: Rejected) -> Rejected:
    """The same, and its dead letter says what it is."""
    detail = f"a return, which counts in {RETURNS.name} alone: {rejected.detail}"
    return rejected._replace(detail=detail)
