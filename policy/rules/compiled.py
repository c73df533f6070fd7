"""Merchandisers' rules bound to the arms of a page: names and dates become masks and numbers.

Everything that asks the catalog or the time is done here, once; filling slates then
works on arrays.  A rule that cannot apply at all (a pinned item that is not
available, a slot that the page does not have) is told in `idle`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Bools, Codes, Floats
from policy.hashes import hash64
from policy.rules.matching import NO_CODE, Arms
from schemas import rules as declared
from schemas.messages import CatalogItem, PageRules
from schemas.topics import DAY_MS

NOTHING = "nothing it names is available"
_WITHOUT_MATCH = declared.Pin | declared.Spacing | declared.Complements


class Pinned(NamedTuple):
    """An arm that stands in a slot: of a `sponsored` rule in its `share` of the slates, of a `pin` in all."""

    kind: str
    name: str
    arms: Bools
    slot: int
    share: float


class Capped(NamedTuple):
    """At most `most` of the arms with one code in a slate; arms that the cap is not about have none."""

    name: str
    codes: Codes
    most: int


class Spaced(NamedTuple):
    """Arms of one code stand `distance` positions apart or more."""

    name: str
    codes: Codes
    distance: int


class Exposed(NamedTuple):
    """One of the arms in `least` of the slates, each of them in at most `most`."""

    name: str
    arms: Bools
    least: float
    most: float


class Placed(NamedTuple):
    """The arms may stand in `slots`, bool[S], alone; `reserved` slots take no others."""

    name: str
    arms: Bools
    slots: Bools
    reserved: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """Rules for A arms and S slots in rendered order.

    `eligible` bool[A] are the arms that may be shown now, `factor` float64[A]
    multiplies scores; `complements` int32[A, C] are those of each arm, -1 for none,
    which score `together` times as much beside it.  `until` is when all this next changes by
    itself, in milliseconds.
    """

    eligible: Bools
    factor: Floats
    pinned: tuple[Pinned, ...] = ()
    capped: tuple[Capped, ...] = ()
    spaced: tuple[Spaced, ...] = ()
    exposed: tuple[Exposed, ...] = ()
    placed: tuple[Placed, ...] = ()
    complements: Codes = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int32))
    together: float = 1.0
    idle: tuple[str, ...] = ()
    until: int | None = None

    def ordered(self, order: NDArray[np.intp]) -> Bound:
        """The same for arms in another order, int[A]."""
        to = np.empty(len(order) + 1, dtype=np.int32)
        to[order], to[-1] = np.arange(len(order)), NO_CODE
        return replace(
            self,
            eligible=self.eligible[order],
            factor=self.factor[order],
            pinned=tuple(pin._replace(arms=pin.arms[order]) for pin in self.pinned),
            capped=tuple(rule._replace(codes=rule.codes[order]) for rule in self.capped),
            spaced=tuple(rule._replace(codes=rule.codes[order]) for rule in self.spaced),
            exposed=tuple(rule._replace(arms=rule.arms[order]) for rule in self.exposed),
            placed=tuple(rule._replace(arms=rule.arms[order]) for rule in self.placed),
            complements=to[self.complements[order]] if len(self.complements) else self.complements,
        )

    def for_all(self) -> Bound:
        """The rules that hold in every single slate: without shares of slates."""
        pins = tuple(pin for pin in self.pinned if pin.kind == "pin")
        return replace(self, pinned=pins, exposed=())

    @property
    def plain(self) -> bool:
        """Whether slates may be filled from scores alone."""
        return not (self.pinned or self.capped or self.spaced or self.exposed or self.placed or self.complements.size)


def bind(
    page: PageRules,
    items: Sequence[str],
    catalog: Mapping[str, CatalogItem],
    segment: str,
    now_ms: int,
    pacing: Mapping[str, float] | None = None,
    learned: Mapping[str, Sequence[str]] | None = None,
) -> Bound:
    """The rules of a page that hold for a segment at `now_ms`, for arms named `items`.

    `pacing` is the share of slates of each sponsored rule; one without gets none.
    `learned` are complements of items beside those that the catalog names.
    """
    known = [catalog.get(item) for item in items]
    binding = _Binding(page, Arms(items, known, now_ms), pacing or {}, learned or {})
    for rule in page.rules:
        if _holds(rule, segment, now_ms):
            binding.take(rule)
    return binding.bound(next_change(page, [item for item in known if item is not None], now_ms))


class _Binding:
    """Rules on their way into arrays."""

    def __init__(
        self, page: PageRules, arms: Arms, pacing: Mapping[str, float], learned: Mapping[str, Sequence[str]]
    ) -> None:
        self._page = page
        self._arms = arms
        self._pacing = pacing
        self._learned = learned
        self._slots = {slot: place for place, slot in enumerate(page.slots)}
        self._factor = np.ones(len(arms.eligible))
        self._pinned: list[Pinned] = []
        self._capped: list[Capped] = []
        self._spaced: list[Spaced] = []
        self._exposed: list[Exposed] = []
        self._placed: list[Placed] = []
        self._complements: Codes | None = None
        self._together = 1.0
        self._idle: list[str] = []

    def take(self, rule: declared.Rule) -> None:
        match rule:
            case declared.Pin() | declared.Sponsored():
                self._pin(rule)
            case declared.Boost():
                self._factor[self._arms.matching(rule.match)] *= rule.factor
            case declared.Exposure():
                self._expose(rule)
            case declared.Complements() if self._complements is None:
                self._complements = self._arms.complements(self._learned if rule.learned else {})
                self._together = rule.factor
            case _:
                self._limit(rule)

    def _limit(self, rule: declared.Rule) -> None:
        match rule:
            case declared.Cap():
                codes = self._arms.codes(None if rule.by == "all" else rule.by)
                codes = np.where(self._arms.matching(rule.match), codes, NO_CODE)
                self._capped.append(Capped(rule.name, codes, rule.most))
            case declared.Spacing():
                self._spaced.append(Spaced(rule.name, self._arms.codes(rule.by), rule.distance))
            case declared.Place():
                allowed = np.array([slot in rule.slots for slot in self._page.slots], dtype=np.bool_)
                self._placed.append(Placed(rule.name, self._arms.matching(rule.match), allowed, rule.reserved))
            case _:  # Complements after the first.
                return

    def _expose(self, rule: declared.Exposure) -> None:
        mask = self._arms.matching(rule.match)
        if mask.any():
            self._exposed.append(Exposed(rule.name, mask, rule.least, rule.most))
        elif rule.least:
            self._idle.append(f"exposure {rule.name}: {NOTHING}")

    def _pin(self, rule: declared.Pin | declared.Sponsored) -> None:
        slot = self._slots.get(rule.slot)
        if isinstance(rule, declared.Pin):
            mask, share = self._arms.named(rule.item), 1.0
        else:
            mask, share = self._arms.matching(rule.match), self._pacing.get(rule.name, 0.0)
        if slot is None or not mask.any():
            self._idle.append(f"{declared.kind_of(type(rule))} {rule.name}: " + _lacking(slot, rule.slot))
        elif share > 0.0:
            self._pinned.append(Pinned(declared.kind_of(type(rule)), rule.name, mask, slot, share))

    def bound(self, until: int | None) -> Bound:
        return Bound(
            self._arms.eligible & (self._factor > 0.0),
            self._factor,
            tuple(self._pinned),
            tuple(self._capped),
            tuple(self._spaced),
            tuple(self._exposed),
            tuple(self._placed),
            np.zeros((len(self._factor), 0), dtype=np.int32) if self._complements is None else self._complements,
            self._together,
            tuple(self._idle),
            until,
        )


def _lacking(slot: int | None, name: str) -> str:
    return f"the page has no slot {name}" if slot is None else NOTHING


def next_change(page: PageRules, items: Sequence[CatalogItem], now_ms: int) -> int | None:
    """When a rule or an item next comes or goes by itself, in milliseconds; None where none does."""
    moments = [moment for rule in page.rules for moment in (rule.starts_at, rule.ends_at)]
    moments += [moment for item in items for moment in (item.available_from, item.available_until)]
    ages = {rule.match.newer_than_days for rule in page.rules if not isinstance(rule, _WITHOUT_MATCH)}
    for days in ages - {0.0}:
        # An item is new for so long, the last millisecond included.
        moments += [int(item.created_at + days * DAY_MS) + 1 for item in items if item.created_at]
    return min((moment for moment in moments if now_ms < moment < declared.FOR_EVER), default=None)


def _holds(rule: declared.Rule, segment: str, now_ms: int) -> bool:
    return rule.starts_at <= now_ms < rule.ends_at and (not rule.segments or segment in rule.segments)


def shown_in(share: float, variants: int, *names: str) -> int:
    """How many of `variants` slates a share is: rounded up or down by a hash of names, right on average."""
    exact = share * variants
    whole = int(exact)
    return whole + (hash64("share", *names) / 2**64 < exact - whole)
