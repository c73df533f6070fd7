"""Which learned segments a page has layouts for, and the epochs of their layouts."""

from __future__ import annotations

from policy.assignment import Epoch, epoch_of
from policy.segments.rule import UNASSIGNED, segment_epoch
from schemas.messages.pages import PageRules
from schemas.messages.segments import SegmentModel


def page_epoch(rules: PageRules, segment: str, now_ms: int, epoch_ms: int) -> Epoch:
    """The epoch of a page and segment at `now_ms`; its number carries the segment where that is learned."""
    epoch = epoch_of(now_ms, rules.page, segment, epoch_ms)
    if not rules.has_learned_segments:
        return epoch
    return epoch._replace(number=segment_epoch(segment, epoch.number))


def is_learned(segment: str) -> bool:
    """Whether the name is one of learned segments, of whatever generation: its epochs have numbers of their own."""
    return segment_epoch(segment, 0) > 0


def served_segments(rules: PageRules, model: SegmentModel | None) -> set[str]:
    """The learned segments that the page has layouts for: those of the model, and that of visitors who are in none."""
    if not rules.has_learned_segments:
        return set()
    return {UNASSIGNED, *(model.names if model else ())}


def has_ended(rules: PageRules, segment: str, model: SegmentModel | None) -> bool:
    """Whether a learned segment of the page is that of a generation before: nobody is in it any more."""
    return rules.has_learned_segments and is_learned(segment) and segment not in served_segments(rules, model)
