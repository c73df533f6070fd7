"""How events are judged and counted, and how learner and attribution work."""

from __future__ import annotations

import re

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from schemas.messages.fields import KIND_PATTERN, MOST_KINDS, RESERVED_KINDS
from schemas.messages.pages import ATTRIBUTION_WINDOW_MS
from streams.settings.group import Group, NotNegative, Positive

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class FoldSettings(Group):
    """What is counted and how; a namespace keeps the settings that it was made with."""

    currency: str = Field(
        "EUR",
        pattern="^[A-Z]{3}$",
        description="The currency of all amounts as its ISO code; purchases in another one are dead-lettered.",
    )
    amount_cap: int = Field(
        1_000_000,
        ge=1,
        le=1_300_000,
        description="The largest amount, in minor units, that one purchase line counts for.",
    )
    bucket_ms: NotNegative = Field(
        DAY_MS, description="How much event time one time bucket covers, in milliseconds; 0: one bucket for all time."
    )
    bucket_ttl_ms: Positive = Field(
        90 * DAY_MS,
        description="How long a time bucket is kept after its end, in milliseconds; old ones are added up in spans, "
        "each of which is kept after its own end.",
    )
    allowed_lateness_ms: NotNegative = Field(
        2 * DAY_MS, description="How late an event may be appended after it happened, in milliseconds; 0: any time."
    )
    max_clock_skew_ms: NotNegative = Field(
        5 * 60_000,
        description="How far the clocks of web tiers and checkouts may be off, in milliseconds: an event whose time is "
        "further after its append is refused, and a click that was appended before a purchase may claim to be later by "
        "as much. 0: events may have any time, and the times of clicks and purchases are compared as they are.",
    )
    duplicate_window_ms: Positive = Field(
        2 * HOUR_MS,
        description="How long a repeated event_id is recognised as a duplicate, in milliseconds of the broker's time, "
        "as far as duplicate_mb holds that time's records.",
    )
    unit_impressions: NotNegative = Field(
        2_000,
        description="How many impressions of one unit count within duplicate_window_ms; 0: all of them.",
    )
    unit_clicks: NotNegative = Field(
        100,
        description="How many clicks of one unit count within duplicate_window_ms; 0: all of them.",
    )
    duplicate_mb: int = Field(
        128,
        ge=1,
        le=65_536,
        description="The memory for the window of duplicates of one partition, in MiB, at most 137 bytes for an "
        "impression; slots that were seen take up to half of it again, 30 bytes each. This and the next five "
        "may change at any time, for what comes.",
    )
    signals: tuple[str, ...] = Field(
        ("view", "add-to-cart", "wish"),
        max_length=MOST_KINDS,
        description="The kinds of signals that are counted, at most 8. A namespace keeps those that it has; "
        "`reshelf state extend` adds more.",
    )
    max_keys: Positive = Field(
        250_000,
        description="How many distinct pairs of page and segment one source partition may bring into a time bucket.",
    )
    max_items: Positive = Field(
        5_000_000,
        description="How many distinct pairs of page and item one source partition may bring into a time bucket.",
    )
    max_slots: Positive = Field(
        100_000,
        description="How many distinct pairs of page and slot one source partition may bring into a time bucket; "
        "shelves count as slots.",
    )
    max_page_items: Positive = Field(
        100_000, description="How many distinct items of one page one source partition may bring into a time bucket."
    )
    max_page_slots: Positive = Field(
        500,
        description="How many distinct slots of one page one source partition may bring into a time bucket; "
        "shelves count as slots.",
    )

    @field_validator("signals")
    @classmethod
    def _kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        odd = [kind for kind in kinds if kind in RESERVED_KINDS or not re.match(KIND_PATTERN, kind) or len(kind) > 32]
        if odd or len(set(kinds)) < len(kinds):
            raise PydanticCustomError(
                "signals",
                "different names of small letters, digits and single hyphens, of at most 32 characters, "
                "none of them click, order or return",
            )
        return kinds


class LearnerSettings(Group):
    """How the learner runs; none of this changes what is in the state."""

    linger_ms: NotNegative = Field(
        30,
        description="How long the learner waits for more events where few have come, in milliseconds, which saves "
        "work; 0: it does not wait.",
    )
    impressions_ms: NotNegative = Field(
        500,
        description="How long the learner waits for more impressions where few have come, in milliseconds; each of "
        "them changes little. 0: as for other events.",
    )
    compiled: bool = Field(True, description="Whether the compiled fast path of the fold is used, where it was built.")
    memory_mb: Positive = Field(
        1024,
        description="The memory for names of items and slots that a learner holds, in MiB. Those of pages and segments "
        "that had no event for longest are let go, and read again from Redis with their next event.",
    )
    folder: str = Field(
        "",
        description="The folder on a local disk where a learner writes down what its partitions had within "
        "fold.duplicate_window_ms, best on a volume that outlives it; empty: reshelf/duplicates in $XDG_STATE_HOME or "
        "~/.local/state.",
    )
    advance_s: float = Field(
        1.0,
        gt=0,
        description="How often the watermarks of state groups without new events are moved forward, in seconds.",
    )
    alarm_share: float = Field(
        0.05, gt=0, le=1, description="The share of invalid records among the recent ones that raises an alarm."
    )
    stop_share: float = Field(
        0.9,
        gt=0,
        le=2,
        description="The share of invalid records among the recent ones at which the learner stops; above 1: never.",
    )
    window_records: Positive = Field(10_000, description="How many records alarm_share and stop_share are taken of.")
    accept_loss: bool = Field(
        False, description="Whether to go on when records were deleted from the log before they were applied."
    )


class AttributionSettings(Group):
    """How purchases are credited to clicks."""

    grace_ms: NotNegative = Field(
        5_000,
        description="How long after a purchase a click may be appended and still be credited with it, in milliseconds.",
    )
    window_ms: Positive = Field(
        ATTRIBUTION_WINDOW_MS,
        description="How long before a purchase a click may have happened, in milliseconds, on pages that declare no "
        "window of their own.",
    )
    stage: str = Field(
        "add-to-cart",
        description="The kind of signal that decides which of several clicks an order goes to: that which its signal "
        "was credited to. Empty: the latest click.",
    )
    returns_ms: Positive = Field(
        60 * DAY_MS,
        description="How long after an order what is returned of it counts, in milliseconds; the lines of orders that "
        "were credited to clicks are kept on disk until then.",
    )
    folder: str = Field(
        "",
        description="The folder on a local disk where a worker keeps the clicks of its partitions, best on a volume "
        "that outlives it; empty: reshelf/clicks in $XDG_STATE_HOME or ~/.local/state.",
    )
    memory_mb: int = Field(
        256,
        ge=16,
        description="How much memory the clicks on disk may take in one worker for what is read and written often, "
        "in MiB; half of it for the clicks of lately, which most signals follow.",
    )
    clock_skew_ms: NotNegative = Field(
        1_000,
        description="How far the clocks of the brokers may differ from one another, in milliseconds. A purchase after "
        "which nothing is appended waits this much longer than grace_ms.",
    )
