"""Items fixed in positions while the rows of a page are drawn, and rows filled under rules for items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from policy.arrays import EMPTY, Bools, Codes, Floats, Indices
from policy.pages.compiled import CompiledPage
from policy.pages.item_rules.spread import Spread
from policy.pages.lists import ItemScores
from policy.rules.compiled import CompiledRules
from policy.slates.fixing.arms import FixedArms, comparable
from policy.slates.fixing.soft_pins import settle
from policy.slates.greedy import Greedy


class ItemRules(NamedTuple):
    """Rules for items, with the names (page, segment, epoch) that decide how shares of slates are rounded."""

    bound: CompiledRules
    names: tuple[str, ...]


class FixedItems(FixedArms):
    """Items fixed in positions while the rows of a page are drawn, and how rows are filled under rules.

    `columns` int[R, H, C] are the columns of each shelf in each row, the one most looked at first.
    """

    def __init__(
        self,
        page: CompiledPage,
        scores: ItemScores,
        orders: Floats | None,
        candidates: Bools,
        columns: Indices,
        rules: ItemRules,
        built: bool,
    ) -> None:
        self._page, self._scores, self._orders, self._candidates = page, scores, orders, candidates
        self._columns, self._names = columns, rules.names
        self._spread = spread = Spread.of(page, rules.bound)
        # Slots beyond a row's last are numbered -1.
        self.positions: Indices = np.append(spread.positions, EMPTY)[page.slots]
        whole, nowhere = comparable(scores.whole), np.full((scores.clicks.shape[1], 0), EMPTY, dtype=np.int32)
        super().__init__(whole, nowhere, spread.rules, spread.width)
        self._possible: Bools = np.zeros((self.variants, *page.shape[:2]), dtype=np.bool_)
        # Where soft pins fix items before shelves are chosen, by variant and item, and in which rows that was tried.
        self._needs: dict[tuple[int, int], int] = {}
        self._tried: set[tuple[int, int, int]] = set()
        # The rows whose shelves soft pins need.
        self._needed_rows: Bools = np.zeros((self.variants, page.shape[0]), dtype=np.bool_)
        self._standing: Codes = np.full((self.variants, page.shape[0]), EMPTY, dtype=np.int32)
        # Written anew for each row that is filled.
        self._row_scores, self._row_order = np.empty_like(whole), np.empty((self.variants, page.shape[2]), np.int32)
        self._greedy = Greedy(self._row_scores, self._row_order, spread.rules, built)

    # Pins, before shelves are chosen

    def begin(self, shelves: Codes, *, free: bool) -> None:
        """Fix what is pinned, where `shelves` int32[V, R] will stand in rows, and any other one if `free`."""
        self.fixed[:], self.banned[:] = EMPTY, False
        self._possible[:] = self._page.allowed & (self._page.columns >= self._page.least) & free
        for variant, row in np.argwhere(shelves != EMPTY).tolist():
            self._possible[variant, :, shelves[variant, row]] = False
        for variant, row in np.argwhere(shelves != EMPTY).tolist():
            self._possible[variant, row] = np.arange(self._page.shape[1]) == shelves[variant, row]
        self.fix_pins(self._names)
        for (variant, arm), slot in self._needs.items():
            arms = np.array([arm])
            if self.fixed[variant, slot] == EMPTY and self.may_pin(slot, arms)[variant, 0]:
                self.fix(np.array([variant]), slot, arms)

    def may_pin(self, slot: int, arms: Indices) -> Bools:
        """In which variants a shelf that may still stand in the row of a position may show each item, bool[V, N]."""
        possible: Bools = self._possible[:, self._spread.rows[slot]] @ self._shown(slot, arms)
        return possible

    def fix(self, variants: Indices, slot: int, arms: Indices) -> None:
        """Fix items, one in each of the variants, but where an earlier pin would have no shelf left then."""
        before, row = self._possible[variants], self._spread.rows[slot]
        super().fix(variants, slot, arms)
        self._possible[variants, row] &= self._shown(slot, arms).T
        hopeless = variants[~self._settle(variants)]
        self._possible[hopeless] = before[np.isin(variants, hopeless)]
        self.fixed[hopeless, slot] = EMPTY

    def _shown(self, slot: int, arms: Indices | Codes) -> Bools:
        """Which shelves would show each of N items at a position, bool[H, N]."""
        wide = self._page.columns[self._spread.rows[slot]] > self._spread.columns[slot]
        return np.asarray(self._candidates[:, arms] & wide[:, None])

    def _settle(self, variants: Indices) -> Bools:
        """Keep for a row the only shelf that suits its pins; whether there is still one for all such rows, bool[N]."""
        pinned = self.has_fixed[variants]
        for _ in range(self._page.shape[0]):
            possible = self._possible[variants]
            single = pinned & (possible.sum(axis=2) == 1)
            taken = possible & single[:, :, None]
            others = taken.sum(axis=1, keepdims=True) - taken
            if not (possible & (others > 0)).any():
                break
            self._possible[variants] = possible & (others == 0)
        return np.asarray((self._possible[variants].any(axis=2) | ~pinned).all(axis=1))

    # Soft pins, where shelves that were chosen without them may not show the item

    def need(self, rows: Codes, order: list[int]) -> bool:
        """Let `begin` fix what is softly pinned, where no shelf in `rows` int32[V, R] may show it; whether it has to.

        It gets the slot least looked at, by `order` of rows, of a row in which that was not tried yet.
        """
        arms, slots = self.rules.soft_pins.by_arm
        self._needed_rows[:], lacking = False, False
        for arm, own in zip(arms.tolist(), slots, strict=True):
            lacking |= self._need(rows, order, arm, own)
        return lacking

    def _need(self, rows: Codes, order: list[int], arm: int, slots: Bools) -> bool:
        positions = sorted(np.flatnonzero(slots).tolist(), key=lambda at: (order.index(int(self._spread.rows[at])), at))
        at = self._spread.rows[positions]
        shown = np.array([self._shown(slot, np.array([arm]))[:, 0] for slot in positions])
        free = np.isin(self.fixed[:, positions], (EMPTY, arm))
        stands = free & (rows[:, at] != EMPTY) & shown[np.arange(len(at)), rows[:, at]]
        variants = np.flatnonzero(stands.any(axis=1))
        self._needed_rows[variants, at[stands[variants].argmax(axis=1)]] = True
        there = stands.any(axis=1) | (self.fixed == arm).any(axis=1)
        lacking = np.flatnonzero(~there & (self.scores[:, arm] > -np.inf)).tolist()
        able = free & (shown & self._page.allowed[at]).any(axis=1)
        below = [self._try_next(variant, arm, np.array(positions)[able[variant]][::-1]) for variant in lacking]
        return True in below

    def _try_next(self, variant: int, arm: int, positions: Indices) -> bool:
        """Fix an item in the first of the positions whose row was not tried for it yet; whether there is one."""
        self._needs.pop((variant, arm), None)
        for slot in positions.tolist():
            tried = variant, arm, int(self._spread.rows[slot])
            if tried not in self._tried:
                self._tried.add(tried)
                self._needs[variant, arm] = slot
                return True
        return False

    # Shelves, as far as pins choose among them

    @property
    def has_fixed(self) -> Bools:
        """In which rows items are fixed, bool[V, R]."""
        there = np.zeros(self._standing.shape, dtype=np.bool_)
        variants, positions = np.nonzero(self.fixed != EMPTY)
        there[variants, self._spread.rows[positions]] = True
        return there

    def permitted(self, shelf: int) -> Bools:
        """In which rows the shelf suits what is fixed there, bool[V, R]."""
        return np.asarray((self._possible[:, :, shelf] | ~self.has_fixed) & ~self._needed_rows)

    def suiting(self, allowed: Bools, row: int, standing: Bools, rows: list[int]) -> Bools:
        """Of the shelves that may stand in a row, bool[V, H], those that suit what is fixed there; all where none does.

        Those are left out that have no row yet and are the only ones left for what is fixed in one of the `rows` to
        come; `standing` bool[V, H] have one.
        """
        has = self.has_fixed
        if not has.any():
            return allowed
        awaited = np.zeros_like(standing)
        for other in rows:
            left = self._possible[:, other] & ~standing
            awaited |= left & (has[:, other] & (left.sum(axis=1) == 1))[:, None]
        allowed = allowed & ~awaited
        suiting = np.asarray(allowed & (self._possible[:, row] | ~has[:, row, None]))
        return np.where(suiting.any(axis=1, keepdims=True), suiting, allowed)

    def in_row(
        self, row: int, weights: Floats, values: Floats, tops: Codes, best: tuple[Indices, Floats]
    ) -> tuple[Indices, Floats]:
        """How many items shelves would show in a row, and their worth, [V, H] each: `best` where nothing is fixed.

        `weights` [H, C] are those of their columns, `values` [V, H, C] and `tops` what is left for them.
        """
        positions = self.positions[row]
        there = np.where(positions == EMPTY, EMPTY, self.fixed[:, positions])
        if (there == EMPTY).all():
            return best
        items = there[:, self._columns[row]]
        shown = (items != EMPTY) & self._candidates[np.arange(len(weights))[:, None], items]
        shown &= np.arange(weights.shape[1]) < self._page.columns[row][:, None]
        # The columns that are left, the best first, and then those that are taken.
        left = np.take_along_axis(np.where(shown, 0.0, weights), np.argsort(shown, axis=2, kind="stable"), axis=2)
        own = np.where(shown, self.scores[np.arange(self.variants)[:, None, None], items], 0.0) * weights
        return (tops != EMPTY).sum(axis=2) + shown.sum(axis=2), (values * left + own).sum(axis=2)

    # Items in rows

    def place(self, slates: Codes, owners: Codes) -> None:
        """Put what is fixed into empty `slates` int32[V, W]: it belongs to the page, by `owners` int32[V, A + 1]."""
        slates[:] = self.fixed
        variants, positions = np.nonzero(self.fixed != EMPTY)
        owners[variants, self.fixed[variants, positions]] = self._page.shape[1]

    def fill(self, slates: Codes, owners: Codes, row: int, chosen: Codes) -> Bools:
        """Fill a row of `slates` int32[V, W] with items of the shelves int32[V], in place; who has let an item go.

        `owners` int32[V, A + 1] say to whom items belong, -1 to nobody; those placed belong to the page.
        """
        released = self._release(slates, owners, row, chosen)
        owned = owners[:, :-1]
        left = owned == EMPTY
        if self._page.keeps.any():
            left |= owned == chosen[:, None]
        left &= self._candidates[chosen]
        self._row_order[:] = self._order_in(row, chosen)
        self._row_scores[:] = np.where(left, self._scores_on(chosen), -np.inf)
        self._greedy.fill(slates, self.banned, np.flatnonzero(chosen != EMPTY))
        positions = self.positions[row]
        placed = slates[:, positions[positions != EMPTY]]
        variants, at = np.nonzero(placed != EMPTY)
        owners[variants, placed[variants, at]] = self._page.shape[1]
        self._standing[:, row] = chosen
        return released

    def _release(self, slates: Codes, owners: Codes, row: int, chosen: Codes) -> Bools:
        """Let go of what is fixed in a row, but the shelf there does not show; the variants in which, bool[V]."""
        wrong = np.zeros(slates.shape, dtype=np.bool_)
        positions = self.positions[row][self.positions[row] != EMPTY]
        for slot in positions[(slates[:, positions] != EMPTY).any(axis=0)].tolist():
            items = slates[:, slot]
            shown = self._shown(slot, items)[chosen, np.arange(self.variants)] & (chosen != EMPTY)
            wrong[:, slot] = (items != EMPTY) & ~shown
        variants, slots = np.nonzero(wrong)
        owners[variants, slates[variants, slots]] = EMPTY
        slates[variants, slots] = self.fixed[variants, slots] = EMPTY
        return np.asarray(wrong.any(axis=1))

    def _order_in(self, row: int, chosen: Codes) -> Codes:
        """The positions of each variant's shelf in a row, the one most looked at first, int32[V, C], -1 for none."""
        columns = self._columns[row, chosen]
        count = np.where(chosen == EMPTY, 0, self._page.columns[row, chosen])
        there = np.arange(columns.shape[1]) < count[:, None]
        return np.where(there, self.positions[row][columns], EMPTY).astype(np.int32)

    def _scores_on(self, chosen: Codes) -> Floats:
        """Scores [V, A] on the shelf of each variant: orders may be worth another amount on each."""
        if self._scores.sales is None or self._orders is None:
            return self.scores
        orders = self._orders[np.arange(self.variants), chosen]
        return comparable(self._scores.clicks + self._scores.sales * orders)

    # Exposure over all slates

    def correct(self, slates: Codes, rows: list[int]) -> bool:
        """Fix and ban what has to be for soft pins, then shares of `slates` [V, W] to hold; whether there was any.

        `rows` are those of the page, the one most looked at first.
        """
        self.order = np.concatenate([self._order_in(row, self._standing[:, row]) for row in rows], axis=1)
        return bool(len(settle(self, slates)) or len(self.correct_exposure(slates)))

    def may_stand(self, arms: Indices) -> Bools:
        """In which positions the shelf there may show each of N items, bool[V, W, N]."""
        shelves = self._standing[:, self._spread.rows]
        wide = self._spread.columns < self._page.columns[self._spread.rows, shelves]
        is_slot = np.isin(np.arange(self._spread.width), self._spread.positions)
        there = wide & is_slot & (shelves != EMPTY)
        shown: Bools = self._candidates[:, arms][shelves] & there[:, :, None]
        return shown

    def broken(self, slates: Codes) -> Iterator[tuple[str, int]]:
        """The rules that do not hold in slates, int32[V, W], with the number of slates in which they do not."""
        yield from self.rules.broken(slates, self._names)

    def of_slots(self, slates: Codes) -> Codes:
        """Slates of slots, int32[V, S], from those of positions."""
        return slates[:, self._spread.positions]
