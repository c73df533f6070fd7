"""What a topic is: who reads and writes it, how long it is kept, and how its records are judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from msgspec import Struct


class Role(StrEnum):
    """Who reads and writes topics; `ours` are parts of Reshelf."""

    WEB_TIER = "web tier"
    BACK_OFFICE = "back office"
    CATALOG_TEAM = "catalog team"
    MERCHANDISERS = "merchandisers"
    RENDERERS = "page renderers"
    OPERATORS = "operators"
    LEARNER = "learner"
    ATTRIBUTION = "attribution"
    FITTER = "fitter"
    LAYOUTS = "layouts"
    ENCODER = "encoder"
    EDGE = "edge"
    CONSOLE = "console"
    EVALUATION = "evaluation"

    @property
    def ours(self) -> bool:
        """Whether it is a part of Reshelf."""
        return self not in _THEIRS


_THEIRS = (
    Role.WEB_TIER,
    Role.BACK_OFFICE,
    Role.CATALOG_TEAM,
    Role.MERCHANDISERS,
    Role.RENDERERS,
    Role.OPERATORS,
)
Roles = tuple[Role, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic: `name` is without the prefix, `key` says what the record key holds.

    Keys of one name (`unit`, `item`, `page`, `draft`, `life`, `part`) are that text in UTF-8; the key
    `page, segment` is the JSON array of both.  Records of `other_messages` have keys that tell them from
    those of `message`.  `event` topics have one number of
    partitions; those that are `folded` are what the learner counts.  A namespace may lack those that
    came `later`, until it is extended by them (`streams.state.extension`).

    `segment_ms`: how long the broker writes one segment before it begins the next.  Only closed
    segments are compacted or deleted, so it decides how much that is old a reader from the
    beginning goes through; 0 leaves it to the broker.

    The broker stamps records of topics with `log_time`, and all events, with the time of their append.

    The others say how records of an event topic are judged.  `time_field` decides
    the time bucket.  `refuses_late`: too long after that time they do not count.
    `unit_limit` names the fold setting that limits what one unit brings on a day.
    `once_per_slot`: what a unit does again in a slot of one page view does not count.
    `parts` names the list of what an event reports, each of which counts once.
    """

    name: str
    key: Literal["unit", "item", "page", "page, segment", "draft", "life", "part", "as came"]
    message: type[Struct] | None
    cleanup: Literal["delete", "compact"]
    retention_ms: int
    about: str
    writers: Roles
    readers: Roles
    other_messages: tuple[type[Struct], ...] = ()
    tombstone: str = ""
    segment_ms: int = 0
    log_time: bool = False
    event: bool = False
    folded: bool = False
    later: bool = False
    time_field: str = "occurred_at"
    refuses_late: bool = True
    unit_limit: str = ""
    once_per_slot: bool = False
    parts: Literal["", "slots", "lines"] = ""

    @property
    def messages(self) -> tuple[type[Struct], ...]:
        """All messages that its records may hold; none of those that hold anything."""
        return (self.message, *self.other_messages) if self.message else ()
