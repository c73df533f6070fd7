"""All rules of a page as arrays, which filling slates works on, with numpy or compiled.

Everything that asks the catalog or the time is done here, once; names and dates become masks
and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from msgspec import UNSET

from policy.arrays import Bools, Codes, Floats, Hashes, Indices
from policy.items import ItemFacts
from policy.rules.constraint import Constraint, Idle, Table
from policy.rules.kind import PageContext
from policy.rules.kinds.bid import Bid, paying
from policy.rules.kinds.boost import Boost
from policy.rules.kinds.cap import Cap, Caps
from policy.rules.kinds.complements import Complements
from policy.rules.kinds.exposure import Exposure, Exposures
from policy.rules.kinds.pin import Pin, Pins, SoftPin, SoftPins
from policy.rules.kinds.placement import Placement, Placements
from policy.rules.kinds.spacing import Spacing, Spacings
from policy.rules.likeness import PicturesOf, no_pictures
from policy.rules.matching import Arms
from policy.rules.order import Relaxation
from policy.rules.registry import KINDS
from schemas import rules as declared
from schemas.messages.pages import MAIN, PageRules
from schemas.topics import DAY_MS

C = TypeVar("C", bound=Constraint)


@dataclass(frozen=True, eq=False)
class CompiledRules:
    """Rules for A arms, in the order of their hashes, and S slots in rendered order.

    `canonical` int[A] are the numbers of the arms in the order in which they were given.
    `eligible` bool[A] are those that may be shown, `factor` float64[A] multiplies scores.
    `idle` are rules that cannot apply at all and why; `until` is when all this next changes by
    itself, in milliseconds.
    """

    canonical: Indices
    eligible: Bools
    factor: Floats
    pins: Pins
    soft_pins: SoftPins
    spacings: Spacings
    caps: Caps
    exposures: Exposures
    placements: Placements
    complements: Complements
    bids: tuple[Bid, ...] = ()
    idle: tuple[str, ...] = ()
    until: int | None = None

    @classmethod
    def of(cls, constraints: Sequence[Constraint], page: PageContext, until: int | None = None) -> CompiledRules:
        """From what the rules of a page ask for, in the order in which they were declared."""

        def those(kind: type[C]) -> list[C]:
            return [constraint for constraint in constraints if isinstance(constraint, kind)]

        arms, slots = len(page.arms), len(page.slots)
        factor = np.ones(arms)
        for boost in those(Boost):
            factor[boost.arms] *= boost.factor
        return cls(
            canonical=page.arms.canonical,
            eligible=page.arms.eligible & (factor > 0.0),
            factor=factor,
            pins=Pins.of(those(Pin), arms),
            soft_pins=SoftPins.of(those(SoftPin), arms, slots),
            spacings=Spacings.of(those(Spacing), arms),
            caps=Caps.of(those(Cap), arms, slots),
            exposures=Exposures.of(those(Exposure), arms),
            placements=Placements.of(those(Placement), arms, slots),
            complements=next(iter(those(Complements)), Complements.none(arms)),
            bids=tuple(those(Bid)),
            idle=tuple(f"{rule.label}: {rule.effect}" for rule in those(Idle)),
            until=until,
        )

    @classmethod
    def none(cls, hashes: Hashes, slots: Sequence[str]) -> CompiledRules:
        """No rules at all, for arms with these hashes [A]."""
        arms = Arms.by_hash([""] * len(hashes), hashes, {}, 0)
        return cls.of([], PageContext(slots, arms, {}, {}))

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All constraints that slates may break: pins, then the others in the order in which they give way."""
        giving_way: dict[Relaxation, Table] = {
            Relaxation.SPACING: self.spacings,
            Relaxation.CAP: self.caps,
            Relaxation.EXPOSURE: self.exposures,
            Relaxation.PLACEMENT: self.placements,
        }
        return (self.pins, self.soft_pins, *(giving_way[level] for level in Relaxation))

    @cached_property
    def plain(self) -> bool:
        """Whether slates may be filled from scores alone."""
        return not (self.complements.arms.size or any(table.labels for table in self.tables))

    @cached_property
    def rows(self) -> Indices:
        """Where each arm as given is here, int[A]."""
        rows = np.empty(len(self.canonical), dtype=np.intp)
        rows[self.canonical] = np.arange(len(rows))
        return rows

    @cached_property
    def score_factor(self) -> Floats:
        """What scores are multiplied by, 0 for arms that may not be shown, float64[A] in the order given."""
        return np.where(self.eligible, self.factor, 0.0)[self.rows]

    @cached_property
    def baseline(self) -> CompiledRules:
        """The rules that hold in every single slate: without shares of slates."""
        exposures = Exposures.of([], len(self.eligible))
        return replace(self, pins=self.pins.in_baseline(), exposures=exposures)

    def auctioned(self, rates: Callable[[], Floats]) -> CompiledRules:
        """The rules with what bids do to scores, by click rates of the arms, float64[A] in the order given.

        `bids` are then about the arms that each lifts.  Rates are asked for where there are bids.
        """
        if not self.bids:
            return self
        organic = np.where(self.eligible, rates()[self.canonical] * self.factor, 0.0)
        bids, factor = paying(self.bids, organic, len(self.placements.allowed)), self.factor.copy()
        for bid in bids:
            factor[bid.arms] *= bid.factor
        return replace(self, factor=factor, bids=tuple(bids))

    def broken(self, slates: Codes, names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
        """The rules that do not hold in slates, int32[V, S], with the number of slates in which they do not.

        `names` (page, segment, epoch) decide how shares of slates are rounded.
        """
        counts = [pair for table in self.tables for pair in zip(table.labels, table.broken(slates, names), strict=True)]
        return tuple((label, count) for label, count in counts if count)

    def effects(self, row: int) -> list[str]:
        """What rules do to the arm in a row, in words."""
        effects = [] if self.eligible[row] else ["may not be shown now: stock, dates, or a boost with factor 0"]
        paid = [bid for bid in self.bids if bid.arms[row]]
        boosted = self.factor[row] / np.prod([bid.factor for bid in paid])
        if not np.isclose(boosted, 1.0):
            effects.append(f"score times {boosted:g} by boosts")
        effects += [bid.effect for bid in paid]
        for table in self.tables:
            pairs = zip(table.effects, table.about[:, row].tolist(), strict=True)
            effects += [effect for effect, about in pairs if about]
        return effects


def compile_rules(
    page: PageRules,
    arms: Arms,
    segment: str,
    pacing: Mapping[str, float] | None = None,
    learned: Mapping[str, Sequence[str]] | None = None,
    pictures: PicturesOf = no_pictures,
    branch: str = MAIN,
) -> CompiledRules:
    """The rules of a page that are in force for a segment in a branch, at the time of `arms`.

    `pacing` is the share of slates of each sponsored rule; one without gets none.
    `learned` are complements of items beside those that the catalog names; `pictures` knows the vectors of pictures.
    """
    context = PageContext(page.slots, arms, pacing or {}, learned or {}, pictures)
    constraints = [
        constraint
        for rule in page.rules
        if in_force(rule, segment, arms.now_ms, branch)
        for constraint in KINDS[type(rule)].bind(rule, context)
    ]
    items = [item for item in arms.records if item is not None]
    return CompiledRules.of(constraints, context, next_change(page, items, arms.now_ms))


def next_change(page: PageRules, items: Sequence[ItemFacts], now_ms: int) -> int | None:
    """When a rule or an item next comes or goes by itself, in milliseconds; None where none does."""
    moments = [moment for rule in page.rules for moment in (rule.starts_at, rule.ends_at)]
    moments += [moment for item in items for moment in (item.available_from, item.available_until)]
    matches: list[declared.Match] = [rule.match for rule in page.rules if hasattr(rule, "match")]
    for days in {match.newer_than_days for match in matches} - {0.0}:
        # An item is new for this time, the last millisecond included.
        moments += [int(item.created_at + days * DAY_MS) + 1 for item in items if item.created_at]
    return min((moment for moment in moments if now_ms < moment < declared.FOR_EVER), default=None)


def in_force(rule: declared.Rule, segment: str, now_ms: int, branch: str | None = MAIN) -> bool:
    """Whether a rule holds for a segment at a time, in the page's own slates, in a branch, or (None) anywhere."""
    if branch is not None and rule.branches is not UNSET and branch not in rule.branches:
        return False
    return rule.starts_at <= now_ms < rule.ends_at and (not rule.segments or segment in rule.segments)
