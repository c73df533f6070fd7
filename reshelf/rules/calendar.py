"""Campaigns: the rules of all pages that begin or end at a date, in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Literal, NamedTuple

from schemas.messages.pages import PageRules
from schemas.rules import FOR_EVER, kind_in_words
from schemas.times import in_words

WHEN = len("2026-12-01T06:00")


class Campaign(NamedTuple):
    """A rule with dates, in milliseconds; 0 and `FOR_EVER` are none.  Without `segments` it is for all."""

    page: str
    rule: str
    kind: str
    segments: tuple[str, ...]
    starts_at: int
    ends_at: int
    state: Literal["coming", "now", "over"]

    def row(self, zone: tzinfo) -> dict[str, str]:
        """As people read it."""
        return {
            "page": self.page,
            "rule": self.rule,
            "kind": self.kind,
            "begins": moment(self.starts_at, zone) if self.starts_at else "",
            "ends": moment(self.ends_at, zone) if self.ends_at < FOR_EVER else "",
            "state": self.state,
            "segments": ", ".join(self.segments),
        }


def campaigns(pages: Mapping[str, PageRules], now_ms: int) -> list[Campaign]:
    """All rules with a beginning or an end."""
    return sorted(
        (
            Campaign(page, rule.name, kind_in_words(rule), tuple(rule.segments), rule.starts_at, rule.ends_at, state)
            for page, rules in pages.items()
            for rule in rules.rules
            if rule.starts_at or rule.ends_at < FOR_EVER
            for state in (_state(rule.starts_at, rule.ends_at, now_ms),)
        ),
        key=lambda campaign: (campaign.starts_at, campaign.ends_at, campaign.page, campaign.rule),
    )


def overlaps(those: Iterable[Campaign], since: int, until: int) -> list[Campaign]:
    """Those that are in force at any time from `since` and before `until`, in milliseconds."""
    return [campaign for campaign in those if campaign.starts_at < until and campaign.ends_at > since]


def moment(millis: int, zone: tzinfo) -> str:
    """A moment without seconds in the shop's time zone."""
    return in_words(millis, zone)[:WHEN].replace("T", " ")


def _state(starts_at: int, ends_at: int, now_ms: int) -> Literal["coming", "now", "over"]:
    return "coming" if now_ms < starts_at else "now" if now_ms < ends_at else "over"
