"""`pin`: an item stands in a slot in every slate, or with `or_above` in the slot or one before it.

Pins are placed before all other arms, and count for all other rules; of two that cannot
both hold, the first declared does.  Those with `or_above`, soft pins, come after the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Indices
from policy.hashes import hash64
from policy.rules.constraint import NOTHING_AVAILABLE, Constraint, Idle, label, stack_masks
from policy.rules.kind import Kind, PageContext, Problem, slot_problems
from schemas import rules as declared
from schemas.messages.pages import PageRules


@dataclass(frozen=True, slots=True, eq=False)
class Pin(Constraint):
    """The best of the arms, bool[A], stands in the slot in the share of slates; `name` decides how that is rounded.

    `baseline` says whether it does in the baseline, too.
    """

    name: str
    arms: Bools
    slot: int
    share: float
    baseline: bool


@dataclass(frozen=True, slots=True, eq=False)
class Pins:
    """R pins: `arms` bool[R, A], and for each its slot, its share of slates and whether it is in the baseline."""

    labels: tuple[str, ...]
    effects: tuple[str, ...]
    names: tuple[str, ...]
    arms: Bools
    slots: tuple[int, ...]
    shares: tuple[float, ...]
    baseline: tuple[bool, ...]

    @classmethod
    def of(cls, pins: Sequence[Pin], arms: int) -> Pins:
        """The table of these pins on a page of that many arms."""
        return cls(
            tuple(pin.label for pin in pins),
            tuple(pin.effect for pin in pins),
            tuple(pin.name for pin in pins),
            stack_masks([pin.arms for pin in pins], arms),
            tuple(pin.slot for pin in pins),
            tuple(pin.share for pin in pins),
            tuple(pin.baseline for pin in pins),
        )

    def only(self, rows: Sequence[int]) -> Pins:
        """Those with these numbers."""
        return Pins(
            tuple(self.labels[row] for row in rows),
            tuple(self.effects[row] for row in rows),
            tuple(self.names[row] for row in rows),
            self.arms[list(rows)],
            tuple(self.slots[row] for row in rows),
            tuple(self.shares[row] for row in rows),
            tuple(self.baseline[row] for row in rows),
        )

    def in_baseline(self) -> Pins:
        """Those that hold in the baseline."""
        return self.only([row for row, holds in enumerate(self.baseline) if holds])

    @property
    def about(self) -> Bools:
        """Which arms they are about, bool[R, A]."""
        return self.arms

    def counts(self, variants: int, names: tuple[str, ...]) -> list[int]:
        """In how many of that many slates each is to hold."""
        return [
            variants if share >= 1.0 else slates_of_share(share, variants, name, *names)
            for share, name in zip(self.shares, self.names, strict=True)
        ]

    def broken(self, slates: Codes, names: tuple[str, ...]) -> list[int]:
        """In how many slates, int32[V, S], fewer than it is to, each holds."""
        counts = []
        for row, count in enumerate(self.counts(len(slates), names)):
            there = slates[:, self.slots[row]]
            counts.append(max(0, count - int((self.arms[row][there] & (there != EMPTY)).sum())))
        return counts


@dataclass(frozen=True, slots=True, eq=False)
class SoftPin(Constraint):
    """The one arm in `arms`, bool[A], stands in one of the slots, bool[S], in every slate."""

    arms: Bools
    slots: Bools


class ArmSlots(NamedTuple):
    """N arms, int[N], and the slots that each of them is to stand in, bool[N, S]."""

    arms: Indices
    slots: Bools


@dataclass(frozen=True, eq=False)
class SoftPins:
    """R soft pins: `arms` bool[R, A], one in each, and `slots` bool[R, S]."""

    labels: tuple[str, ...]
    effects: tuple[str, ...]
    arms: Bools
    slots: Bools

    @classmethod
    def of(cls, pins: Sequence[SoftPin], arms: int, slots: int) -> SoftPins:
        """The table of these pins on a page of that many arms and slots."""
        return cls(
            tuple(pin.label for pin in pins),
            tuple(pin.effect for pin in pins),
            stack_masks([pin.arms for pin in pins], arms),
            stack_masks([pin.slots for pin in pins], slots),
        )

    def within(self, slots: Bools) -> SoftPins:
        """With the slots alone that `slots`, bool[R, S], leaves each; those without any are left out."""
        rows = np.flatnonzero(slots.any(axis=1)).tolist()
        return SoftPins(
            tuple(self.labels[row] for row in rows),
            tuple(self.effects[row] for row in rows),
            self.arms[rows],
            slots[rows],
        )

    @property
    def about(self) -> Bools:
        """Which arms they are about, bool[R, A]."""
        return self.arms

    @cached_property
    def by_arm(self) -> ArmSlots:
        """Each arm once, in the order of declaration, with the slots that all of its pins leave it."""
        slots: dict[int, Bools] = {}
        for arm, own in zip(self.arms.argmax(axis=1).tolist(), self.slots, strict=True):
            slots[arm] = slots.get(arm, np.True_) & own
        return ArmSlots(np.array(list(slots), dtype=np.intp), stack_masks(list(slots.values()), self.slots.shape[1]))

    def permits(self, slot: int, arms: Indices) -> Bools:
        """Which of N arms they let stand in a slot, bool[N]."""
        return np.asarray(~(self.arms[:, arms] & ~self.slots[:, slot, None]).any(axis=0))

    def broken(self, slates: Codes, names: tuple[str, ...]) -> list[int]:
        """In how many slates, int32[V, S], each does not hold."""
        arms = self.arms.argmax(axis=1)
        return [int((~((slates == arm) & own).any(axis=1)).sum()) for arm, own in zip(arms, self.slots, strict=True)]


def slates_of_share(share: float, variants: int, *names: str) -> int:
    """How many of `variants` slates a share is: rounded up or down by a hash of names, right on average."""
    exact = share * variants
    whole = int(exact)
    return whole + (hash64("share", *names) / 2**64 < exact - whole)


def pin_or_idle(
    rule: declared.Pin | declared.Sponsored, effect: str, page: PageContext, arms: Bools, share: float
) -> Iterator[Constraint]:
    """The pin of the arms, bool[A], to the rule's slot, unless the page lacks the slot or all of the arms."""
    if rule.slot not in page.slots:
        yield Idle(label(rule), f"the page has no slot {rule.slot}")
    elif not arms.any():
        yield Idle(label(rule), NOTHING_AVAILABLE)
    elif share > 0.0:
        slot, baseline = page.slots.index(rule.slot), isinstance(rule, declared.Pin)
        yield Pin(label(rule), effect, rule.name, arms, slot, share, baseline)


def _bind(rule: declared.Pin, page: PageContext) -> Iterator[Constraint]:
    if rule.or_above:
        yield from _bind_softly(rule, page)
        return
    effect = f"pinned in {rule.slot} by {rule.name}"
    yield from pin_or_idle(rule, effect, page, page.arms.with_name(rule.item), 1.0)


def _bind_softly(rule: declared.Pin, page: PageContext) -> Iterator[Constraint]:
    effect = f"pinned in {rule.slot} or above by {rule.name}"
    for pin in pin_or_idle(rule, effect, page, page.arms.with_name(rule.item), 1.0):
        if isinstance(pin, Pin):
            yield SoftPin(pin.label, effect, pin.arms, np.arange(len(page.slots)) <= pin.slot)
        else:
            yield pin


def _problems(rule: declared.Pin, page: PageRules) -> Iterator[Problem]:
    return slot_problems(page, "slot", [rule.slot])


def _conflict(rule: declared.Pin, other: declared.Pin, page: PageRules) -> str:
    slots, others = slots_of_pin(rule, page.slots), slots_of_pin(other, page.slots)
    if rule.item != other.item and len(slots | others) == 1:
        return f"slot {rule.slot!r} is already taken by pin"
    if rule.item == other.item and not slots & others:
        return f"item {rule.item!r} already stands elsewhere by pin"
    return ""


def slots_of_pin(pin: declared.Pin, slots: Sequence[str]) -> set[str]:
    """Where a pin lets its item stand, of a page's slots in rendered order."""
    if pin.or_above and pin.slot in slots:
        return set(slots[: slots.index(pin.slot) + 1])
    return {pin.slot}


KIND = Kind(declared.Pin, _bind, problems=_problems, conflict=_conflict)
