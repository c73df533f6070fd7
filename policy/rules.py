"""Merchandisers' rules bound to the arms of a page: names and dates become masks and numbers.

Everything that asks the catalog or the time is done here, once; filling slates then
works on arrays.  A rule that cannot apply at all (a pinned item that is not
available, a slot that the page does not have) is told in `idle`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.posteriors import Floats
from policy.sampling import hash64
from schemas import rules as declared
from schemas.messages import CatalogItem, PageRules
from schemas.topics import DAY_MS

Bools = NDArray[np.bool_]
Codes = NDArray[np.int32]

NO_CODE = -1


class Pinned(NamedTuple):
    """An arm that stands in a slot; `share` of the slates have it (a sponsored slot), all for a pin."""

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
        pins = tuple(pin for pin in self.pinned if pin.share >= 1.0)
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
    binding = _Binding(page, _Arms(items, known, now_ms), pacing or {}, learned or {})
    for rule in page.rules:
        if _holds(rule, segment, now_ms):
            binding.take(rule)
    return binding.bound(next_change(page, (item for item in known if item is not None), now_ms))


class _Binding:
    """Rules on their way into arrays."""

    def __init__(
        self, page: PageRules, arms: _Arms, pacing: Mapping[str, float], learned: Mapping[str, Sequence[str]]
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
        self._complements = np.zeros((len(arms.eligible), 0), dtype=np.int32)
        self._together = 1.0
        self._idle: list[str] = []

    def take(self, rule: declared.Rule) -> None:
        match rule:
            case declared.Pin() | declared.Sponsored():
                self._pin(rule)
            case declared.Boost():
                self._factor[self._arms.matching(rule.match)] *= rule.factor
            case declared.Exposure():
                self._exposed.append(Exposed(rule.name, self._arms.matching(rule.match), rule.least, rule.most))
            case declared.Complements():
                self._complements = self._arms.complements(self._learned if rule.learned else {})
                self._together = rule.factor
            case _:
                self._limit(rule)

    def _limit(self, rule: declared.Cap | declared.Spacing | declared.Place) -> None:
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

    def _pin(self, rule: declared.Pin | declared.Sponsored) -> None:
        slot = self._slots.get(rule.slot)
        if isinstance(rule, declared.Pin):
            mask, share = self._arms.named(rule.item), 1.0
        else:
            mask, share = self._arms.matching(rule.match), self._pacing.get(rule.name, 0.0)
        if slot is None or not mask.any():
            self._idle.append(f"{_kind(rule)} {rule.name}: " + _lacking(slot, rule.slot))
        elif share > 0.0:
            self._pinned.append(Pinned(rule.name, mask, slot, share))

    def bound(self, until: int | None) -> Bound:
        return Bound(
            self._arms.eligible & (self._factor > 0.0),
            self._factor,
            tuple(self._pinned),
            tuple(self._capped),
            tuple(self._spaced),
            tuple(self._exposed),
            tuple(self._placed),
            self._complements,
            self._together,
            tuple(self._idle),
            until,
        )


def _kind(rule: declared.Rule) -> str:
    return str(type(rule).__struct_config__.tag)


def _lacking(slot: int | None, name: str) -> str:
    return f"the page has no slot {name}" if slot is None else "nothing it names is available"


def next_change(page: PageRules, items: Iterable[CatalogItem], now_ms: int) -> int | None:
    """When a rule or an item next comes or goes by itself, in milliseconds; None where none does."""
    moments = [moment for rule in page.rules for moment in (rule.starts_at, rule.ends_at)]
    moments += [moment for item in items for moment in (item.available_from, item.available_until)]
    for rule in page.rules:
        days = (
            rule.match.newer_than_days if isinstance(rule, declared.Boost | declared.Exposure | declared.Cap) else 0.0
        )
        if days:
            moments += [int(item.created_at + days * DAY_MS) for item in items if item.created_at]
    return min((moment for moment in moments if now_ms < moment < declared.FOR_EVER), default=None)


def _holds(rule: declared.Rule, segment: str, now_ms: int) -> bool:
    return rule.starts_at <= now_ms < rule.ends_at and (not rule.segments or segment in rule.segments)


class _Arms:
    """What rules ask of arms."""

    def __init__(self, names: Sequence[str], items: Sequence[CatalogItem | None], now_ms: int) -> None:
        self._names = names
        self._items = items
        self._now = now_ms
        self.eligible = np.array([item is None or available(item, now_ms) for item in items], dtype=np.bool_)

    def named(self, name: str) -> Bools:
        return np.array([one == name for one in self._names], dtype=np.bool_) & self.eligible

    def matching(self, match: declared.Match) -> Bools:
        found = np.fromiter(map(self._test(match), self._names, self._items), np.bool_, len(self._names))
        return found & self.eligible

    def _test(self, match: declared.Match) -> Callable[[str, CatalogItem | None], bool]:
        names, categories, brands, tags = (
            frozenset(those) for those in (match.items, match.categories, match.brands, match.tags)
        )
        since = self._now - match.newer_than_days * DAY_MS if match.newer_than_days else None

        def test(name: str, item: CatalogItem | None) -> bool:
            if names and name not in names:
                return False
            if item is None:
                return bool(names) or not (categories or brands or tags or since)
            return (
                (not categories or item.category in categories)
                and (not brands or item.brand in brands)
                and (not tags or not tags.isdisjoint(item.tags))
                and (since is None or item.created_at >= since)
            )

        return test

    def codes(self, by: declared.Attribute | None) -> Codes:
        """A number for each brand or category, int32[A], -1 for arms without one; without `by` all have 0."""
        if by is None:
            return np.zeros(len(self._names), dtype=np.int32)
        known: dict[str, int] = {}
        labels = ["" if item is None else getattr(item, by) for item in self._items]
        return np.array([known.setdefault(one, len(known)) if one else NO_CODE for one in labels], dtype=np.int32)

    def complements(self, learned: Mapping[str, Sequence[str]]) -> Codes:
        """The complements of each arm among the arms, int32[A, C], -1 where there are fewer: named, then learned."""
        places = {name: place for place, name in enumerate(self._names)}
        found = [
            [places[one] for one in dict.fromkeys((*named, *learned.get(name, ()))) if one in places]
            for name, named in zip(
                self._names, (() if item is None else item.complements for item in self._items), strict=True
            )
        ]
        table = np.full((len(found), max(map(len, found), default=0)), NO_CODE, dtype=np.int32)
        for arm, those in enumerate(found):
            table[arm, : len(those)] = those
        return table


def available(item: CatalogItem, now_ms: int) -> bool:
    """Whether an item is in stock and its time has come and is not over at `now_ms`."""
    return (
        item.available and item.available_from <= now_ms and (not item.available_until or now_ms < item.available_until)
    )


def shown_in(share: float, variants: int, *names: str) -> int:
    """How many of `variants` slates a share is: rounded up or down by a hash of names, right on average."""
    exact = share * variants
    whole = int(exact)
    return whole + (hash64("share", *names) / 2**64 < exact - whole)
