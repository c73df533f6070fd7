"""Who sees what: holdout, variant and epoch of a unit.

Renderers in any language do the same from three steps: SHA-256, its first 53
bits as a fraction, one multiplication in double precision.  `vectors.json`
beside this file holds examples with their results, for checking another
implementation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import accumulate
from types import MappingProxyType
from typing import NamedTuple
from zlib import crc32

from msgspec import UNSET

from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout
from schemas.messages.pages import MAIN

BINS = 256
"""Bins of units: their sums are what intervals are clustered by, and a branch has whole bins."""


NO_ROWS: Mapping[str, str] = MappingProxyType({})


class Choice(NamedTuple):
    """What a renderer shows: the variant to report with impressions, slot to item, and row to shelf.

    Flat pages have no rows.
    """

    variant: int
    slate: Mapping[str, str]
    rows: Mapping[str, str] = NO_ROWS


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


def unit_bin(unit: str) -> int:
    """The bin of a unit, 0..255: CRC-32 of its UTF-8, modulo 256."""
    return crc32(unit.encode()) % BINS


def branch_of(unit_bin: int, salt: str, shares: Sequence[float]) -> int:
    """The branch of a bin of units: the first whose share, added to those before it, is above hash of (salt, bin).

    The last takes what is left.  All units of a bin have the same branch on every
    page that uses the salt, until it changes.
    """
    drawn = unit_hash(salt, str(unit_bin))
    reached = (at for at, end in enumerate(accumulate(shares)) if drawn < end)
    return next(reached, len(shares) - 1)


@lru_cache
def branches_of_bins(salt: str, shares: tuple[float, ...]) -> tuple[int, ...]:
    """The branch of each of the bins of units."""
    return tuple(branch_of(number, salt, shares) for number in range(BINS))


def _branches(layout: Layout) -> tuple[int, ...]:
    return branches_of_bins(layout.branch_salt, tuple(branch.share for branch in layout.branches))


def slates_for(layout: Layout, unit: str) -> range:
    """The numbers of the slates that the unit may get outside the holdout, equally likely."""
    if not layout.branches:
        return range(len(layout.slates))
    return _slates_of(layout, _branches(layout)[unit_bin(unit)])


def _slates_of(layout: Layout, branch: int) -> range:
    first = sum(earlier.variants for earlier in layout.branches[:branch])
    return range(first, first + layout.branches[branch].variants)


def own_slates(layout: Layout) -> list[dict[str, str]]:
    """The slates of the page's own policy, equally likely; the others are those of policies on trial."""
    return layout.slates[: layout.branches[0].variants] if layout.branches else layout.slates


def slate_chances(layout: Layout) -> list[float]:
    """The probability of each slate for a unit outside the holdout of which nothing else is known.

    A branch has the share of the bins that fell to it, which is not quite the share
    it was to have; within it, slates are equally likely.
    """
    if not layout.branches:
        return [1.0 / len(layout.slates)] * len(layout.slates)
    bins = Counter(_branches(layout))
    chances = [bins[at] / BINS / branch.variants for at, branch in enumerate(layout.branches)]
    return [chance for chance, branch in zip(chances, layout.branches, strict=True) for _ in range(branch.variants)]


def choose(layout: Layout, unit: str) -> Choice:
    """What the renderer of `layout` shows to `unit`; slots that the slate lacks are the renderer's own."""
    if in_holdout(unit, layout.holdout_salt, layout.holdout_share):
        return Choice(BASELINE, layout.baseline, NO_ROWS if layout.baseline_rows is UNSET else layout.baseline_rows)
    return _choice_of(layout, unit, slates_for(layout, unit))


def choose_in(layout: Layout, unit: str, branch: str) -> Choice:
    """What `unit` would be shown if it were outside the holdout and in the branch of this name.

    All units are in `main` where the layout has no branches.  Raises ValueError where it has no such branch.
    """
    names = [each.name for each in layout.branches]
    slates = _slates_of(layout, names.index(branch)) if names or branch != MAIN else range(len(layout.slates))
    return _choice_of(layout, unit, slates)


def _choice_of(layout: Layout, unit: str, slates: range) -> Choice:
    variant = slates[variant_of(unit, layout.page, layout.epoch, len(slates))]
    return Choice(variant, layout.slates[variant], NO_ROWS if layout.rows is UNSET else layout.rows[variant])


def epoch_of(now_ms: int, page: str, segment: str, epoch_ms: int) -> Epoch:
    """The epoch of a page and segment at `now_ms`; each lasts `epoch_ms` (at least 1).

    Keys turn over at different times, by hash, so that not every layout
    changes at midnight.
    """
    shift = int(unit_hash("epoch", page, segment) * epoch_ms)
    number = (now_ms + shift) // epoch_ms
    start = number * epoch_ms - shift
    return Epoch(number, start, start + epoch_ms)
