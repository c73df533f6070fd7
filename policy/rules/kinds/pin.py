"""`pin`: an item stands in a slot in every slate.

Pins are placed before all other arms, and count for all other rules; of two that cannot
both hold, the first declared does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from policy.arrays import EMPTY, Bools, Codes
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
    effect = f"pinned in {rule.slot} by {rule.name}"
    return pin_or_idle(rule, effect, page, page.arms.with_name(rule.item), 1.0)


def _problems(rule: declared.Pin, page: PageRules) -> Iterator[Problem]:
    return slot_problems(page, "slot", [rule.slot])


def _conflict(rule: declared.Pin, other: declared.Pin) -> str:
    if rule.slot == other.slot and rule.item != other.item:
        return f"slot {rule.slot!r} is already taken by pin"
    if rule.item == other.item and rule.slot != other.slot:
        return f"item {rule.item!r} already stands elsewhere by pin"
    return ""


KIND = Kind(declared.Pin, _bind, problems=_problems, conflict=_conflict)
