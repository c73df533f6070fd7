"""Logged decisions as arrays: what was shown, how likely it was, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats, Ints
from policy.evaluation.clusters import alone, cluster_chances
from policy.slates.alike import Alike

EMPTY = -1


class Lacking(NamedTuple):
    """Share of the target's probability that the logging policy never shows, [...].

    `items`: of (slot, item); `prefixes`: of the slots from the first to each one
    together, averaged over slots; `slates`: of all slots together; `anywhere`: of looks
    at items, in whichever slot; `clusters`: of (slot, cluster).
    """

    items: Floats
    prefixes: Floats
    slates: Floats
    anywhere: Floats
    clusters: Floats


class Comparison(NamedTuple):
    """How likely two policies are to show each of V slates of S slots, [V, S].

    `logged` and `target`: the item in the slot; `logged_prefix` and
    `target_prefix`: the items of this slot and all before it together.
    `logged_anywhere` and `target_anywhere`: how often a visitor looks at the slot's
    item, in whichever slot it stands.  `logged_cluster` and `target_cluster`: an item of the same
    cluster in the slot, where `clusters` says how many there are.
    """

    logged: Floats
    target: Floats
    logged_prefix: Floats
    target_prefix: Floats
    logged_anywhere: Floats
    target_anywhere: Floats
    logged_cluster: Floats
    target_cluster: Floats
    clusters: Floats
    lacking: Lacking

    def at(self, rows: NDArray[np.bool_] | Ints) -> Comparison:
        """Some rows; what a policy lacks as a whole is said of each of them."""
        views = len(self.logged)
        lacking = Lacking(*(np.broadcast_to(share, views)[rows] for share in self.lacking))
        return Comparison._make([*(column[rows] for column in self.columns), lacking])

    @property
    def columns(self) -> tuple[Floats, ...]:
        """All but what is lacking, in the order of the fields."""
        return self[:-1]


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """N page views with S slots in rendered order; a bandit of one slot has S = 1.

    `bins` int64[N] are those of the units, `reward` float64[N, S] what each slot
    earned, `chances` how likely what was shown was, [N, S] each, with what the log
    lacks at each page view, [N].  `expected` and `expected_target` [N, S] are what a
    model says that the slot earns with what was shown, and on average with what
    the target would show; `nan` without a model.
    """

    bins: Ints
    reward: Floats
    chances: Comparison
    expected: Floats
    expected_target: Floats

    def __post_init__(self) -> None:
        for name, values in (*zip(self.chances._fields[:-1], self.chances.columns, strict=True), *self._models()):
            if values.shape != self.reward.shape:
                raise ValueError(f"{name}: expected shape {self.reward.shape}, got {values.shape}")
        if not (self.chances.logged_prefix > 0.0).all():
            raise ValueError("logged_prefix: expected probabilities above 0 for what was shown, got 0")

    def _models(self) -> tuple[tuple[str, Floats], ...]:
        return ("expected", self.expected), ("expected_target", self.expected_target)

    @classmethod
    def of_actions(
        cls, bins: Ints, reward: Floats, logged: Floats, target: Floats, expected: Floats, expected_target: Floats
    ) -> Decisions:
        """Decisions of one slot, all [N], where the log supports the target wholly."""
        own, other, zeros = logged[:, None], target[:, None], np.zeros(len(bins))
        chances = Comparison(*(own, other) * 4, np.ones(own.shape), Lacking(*(zeros,) * 5))
        return cls(bins, reward[:, None], chances, expected[:, None], expected_target[:, None])

    def only(self, rows: NDArray[np.bool_] | Ints) -> Decisions:
        """Some of the page views."""
        return Decisions(
            self.bins[rows],
            self.reward[rows],
            self.chances.at(rows),
            self.expected[rows],
            self.expected_target[rows],
        )


def compare(
    logged: Ints,
    chance: Floats,
    target: Ints,
    target_chance: Floats,
    curve: Floats,
    filled: NDArray[np.bool_] | None = None,
    ladder: Ints | None = None,
    alike: Alike | None = None,
) -> Comparison:
    """The logging policy's slates int64[V, S] against the target's int64[W, S].

    Rows are the logging policy's slates.  Ints are item codes, -1 where a slot is
    empty; each policy shows one of its slates with the chances float64[V] and
    float64[W], which add up to 1.  Exact, since a policy is its slates; but looks
    rest on `curve`, float64[S], the probability that each slot is looked at.  It is a
    guess where the log never fills a slot, bool[S], so examination there is lacking; None: it
    fills all.  `ladder` has clusters of the items (`policy.evaluation.clusters`); None: each is alone.
    Where items are `alike`, those below others of their category are looked at less, as far as clicks say.
    """
    same = logged[:, None, :] == logged[None, :, :]
    matched = logged[:, None, :] == target[None, :, :]
    prefix = np.logical_and.accumulate(matched, axis=2)
    size = 2 + int(max(logged.max(initial=EMPTY), target.max(initial=EMPTY)))
    looks, target_looks = _looks(logged, curve, alike), _looks(target, curve, alike)
    own, other = _examination(logged, chance, looks, size), _examination(target, target_chance, target_looks, size)
    backed = other if filled is None else _examination(target, target_chance, target_looks * filled, size)
    clustered = cluster_chances(logged, chance, target, target_chance, alone(size - 1) if ladder is None else ladder)
    return Comparison(
        logged=_chance_of(same, chance),
        target=_chance_of(matched, target_chance),
        logged_prefix=_chance_of(np.logical_and.accumulate(same, axis=2), chance),
        target_prefix=_chance_of(prefix, target_chance),
        logged_anywhere=own[logged],
        target_anywhere=other[logged],
        logged_cluster=clustered.logged,
        target_cluster=clustered.target,
        clusters=np.broadcast_to(clustered.number, logged.shape),
        lacking=Lacking(
            *_lacking(matched, prefix, chance, target_chance),
            _missing_examination(own, other, backed),
            np.asarray(clustered.lacking.mean() if clustered.lacking.size else 0.0),
        ),
    )


def _looks(slates: Ints, curve: Floats, alike: Alike | None) -> Floats:
    """How likely each slot is looked at, [V, S], less what items of the same category above it take."""
    looks = np.broadcast_to(curve, slates.shape)
    return looks if alike is None else looks * alike.shares_of(slates.astype(np.int32))


def _examination(slates: Ints, chance: Floats, looks: Floats, size: int) -> Floats:
    """How often each item is looked at, float64[size]; the last one stands for empty slots."""
    weights = chance[:, None] * looks
    places = np.where(slates == EMPTY, size - 1, slates)
    return np.bincount(places.ravel(), weights.ravel(), size).astype(np.float64)


def _missing_examination(logged: Floats, target: Floats, backed: Floats) -> Floats:
    """Share of the target's examination of items that the log never shows, or beyond what the log supports."""
    total = target[:-1].sum()
    missing = np.where(logged == 0.0, target, target - backed)[:-1]
    return np.asarray(missing.sum() / total if total > 0.0 else 0.0)


def _chance_of(matches: NDArray[np.bool_], chance: Floats) -> Floats:
    total: Floats = np.einsum("vws,w->vs", matches, chance)
    return total


def _lacking(
    matched: NDArray[np.bool_], prefix: NDArray[np.bool_], chance: Floats, target_chance: Floats
) -> tuple[Floats, Floats, Floats]:
    """Shares of the target's probability, of items, prefixes and slates, as arrays without axes."""
    possible = chance > 0.0
    items, prefixes = (target_chance @ ~matches[possible].any(axis=0) for matches in (matched, prefix))
    return np.asarray(items.mean()), np.asarray(prefixes.mean()), np.asarray(prefixes[-1])
