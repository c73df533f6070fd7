"""A page's slates, baseline and propensities from its statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy.posteriors import Counts, Floats, Prior, posterior
from policy.sampling import Hashes, arm_hashes, click_normals
from policy.scoring import POLICIES, baseline
from policy.slates import EMPTY, propensities, slates
from schemas.messages import PolicyChoice


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What a page and segment's slates are made from: A eligible items, S slots in rendered order.

    `impressions` and `clicks` [A, S] are learned traffic, the `holdout_` ones
    [A, S] and `holdout_conversions` [A] the holdout's own; counts may be
    weighted by age.  `examination` is float64[S], `hashes` from
    `policy.sampling.arm_hashes`.
    """

    items: Sequence[str]
    slots: Sequence[str]
    hashes: Hashes
    impressions: Counts
    clicks: Counts
    holdout_impressions: Counts
    holdout_clicks: Counts
    holdout_conversions: NDArray[np.int64] | Floats
    examination: Floats
    prior: Prior

    def __post_init__(self) -> None:
        arms, slots = len(self.items), len(self.slots)
        if len(set(self.items)) < arms:
            raise ValueError(f"items: expected each once, got {arms - len(set(self.items))} repeated")
        for name, expected in (
            ("hashes", (arms,)),
            ("impressions", (arms, slots)),
            ("clicks", (arms, slots)),
            ("holdout_impressions", (arms, slots)),
            ("holdout_clicks", (arms, slots)),
            ("holdout_conversions", (arms,)),
            ("examination", (slots,)),
        ):
            shape = getattr(self, name).shape
            if shape != expected:
                raise ValueError(f"{name}: expected shape {expected}, got {shape}")

    def only(self, eligible: NDArray[np.bool_]) -> Statistics:
        """The same without the items where `eligible`, bool[A], is false."""
        return Statistics(
            [self.items[row] for row in np.flatnonzero(eligible).tolist()],
            self.slots,
            self.hashes[eligible],
            self.impressions[eligible],
            self.clicks[eligible],
            self.holdout_impressions[eligible],
            self.holdout_clicks[eligible],
            self.holdout_conversions[eligible],
            self.examination,
            self.prior,
        )

    @classmethod
    def empty(cls, items: Sequence[str], slots: Sequence[str], examination: Floats, prior: Prior) -> Statistics:
        """The statistics of a page that nobody has seen yet."""
        nothing = np.zeros((len(items), len(slots)), dtype=np.int64)
        none = np.zeros(len(items), dtype=np.int64)
        return cls(items, slots, arm_hashes(items), nothing, nothing, nothing, nothing, none, examination, prior)


@dataclass(frozen=True, slots=True)
class Composition:
    """Slates as a layout carries them: slot to item; a slot without an arm is left out."""

    baseline: dict[str, str]
    slates: list[dict[str, str]]
    propensities: dict[str, dict[str, float]]


def compose(
    statistics: Statistics, choice: PolicyChoice, page: str, segment: str, epoch: int, z: Floats | None = None
) -> Composition:
    """The composition for `page` and `segment` in `epoch`: the same arguments always give the same.

    `z` are the `click_normals` of just these names, where the caller has kept them.
    With fewer items than slots, the slots least looked at stay empty; with no
    items, all do, and `propensities` is empty.
    """
    beta = posterior(statistics.impressions, statistics.clicks, statistics.examination, statistics.prior)
    if z is None:
        z = click_normals(page, segment, statistics.hashes, choice.variants, epoch)
    scores = POLICIES[choice.name](beta, z, choice.exploration)
    filled = slates(scores, statistics.examination, statistics.hashes)
    return Composition(
        baseline=_named(_baseline_slate(statistics), statistics),
        slates=[_named(row, statistics) for row in filled.tolist()],
        propensities=_named_propensities(filled, statistics),
    )


def _baseline_slate(statistics: Statistics) -> list[int]:
    score = baseline(
        statistics.holdout_impressions,
        statistics.holdout_clicks,
        statistics.holdout_conversions,
        statistics.examination,
        statistics.prior,
    )
    rows: list[list[int]] = slates(score[:, None], statistics.examination, statistics.hashes).tolist()
    return rows[0]


def _named(row: Sequence[int], statistics: Statistics) -> dict[str, str]:
    return {slot: statistics.items[arm] for slot, arm in zip(statistics.slots, row, strict=True) if arm != EMPTY}


def _named_propensities(filled: NDArray[np.int32], statistics: Statistics) -> dict[str, dict[str, float]]:
    shares: Mapping[str, dict[int, float]] = dict(zip(statistics.slots, propensities(filled), strict=True))
    return {
        slot: {statistics.items[arm]: share for arm, share in arms.items()} for slot, arms in shares.items() if arms
    }
