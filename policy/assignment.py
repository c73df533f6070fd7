"""Who sees what: holdout, variant and epoch of a unit.

Renderers in any language do the same from three steps: SHA-256, its first 53
bits as a fraction, one multiplication in double precision.  `vectors.json`
beside this file holds examples with their results, for checking another
implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from schemas.messages import BASELINE, Layout


class Choice(NamedTuple):
    """What a renderer shows: the variant to report with impressions, and slot to item."""

    variant: int
    slate: Mapping[str, str]


class Epoch(NamedTuple):
    """A numbered span of time, [start_ms, end_ms)."""

    number: int
    start_ms: int
    end_ms: int


def unit_hash(*parts: str) -> float:
    """A fraction in [0, 1), uniform over `parts`.

    The parts are joined with a line feed and hashed as UTF-8 with SHA-256; the
    first 53 bits, read as a big-endian integer, are divided by 2**53.  All
    steps are exact in double precision.
    """
    digest = sha256("\n".join(parts).encode()).digest()
    return (int.from_bytes(digest[:7], "big") >> 3) / 2**53


def in_holdout(unit: str, salt: str, share: float) -> bool:
    """Whether the unit always gets the baseline: hash of (unit, salt) below `share`.

    It depends on no page and no epoch, so a unit stays where it is until the
    salt changes; and who is in at some share is also in at every larger one.
    """
    return unit_hash(unit, salt) < share


def variant_of(unit: str, page: str, epoch: int, variants: int) -> int:
    """The unit's variant, 0 to `variants` - 1: floor(variants * hash of (unit, page, epoch in decimal))."""
    return int(variants * unit_hash(unit, page, str(epoch)))


def choose(layout: Layout, unit: str) -> Choice:
    """What the renderer of `layout` shows to `unit`; slots that the slate lacks are the renderer's own."""
    if in_holdout(unit, layout.holdout_salt, layout.holdout_share):
        return Choice(BASELINE, layout.baseline)
    variant = variant_of(unit, layout.page, layout.epoch, len(layout.slates))
    return Choice(variant, layout.slates[variant])


def epoch_of(now_ms: int, page: str, segment: str, epoch_ms: int) -> Epoch:
    """The epoch of a page and segment at `now_ms`; each lasts `epoch_ms` (at least 1).

    Keys turn over at different times, by hash, so that not every layout
    changes at midnight.
    """
    shift = int(unit_hash("epoch", page, segment) * epoch_ms)
    number = (now_ms + shift) // epoch_ms
    start = number * epoch_ms - shift
    return Epoch(number, start, start + epoch_ms)
