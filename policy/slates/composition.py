"""A page's slates, baseline and propensities from its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Counts, Floats, Hashes
from policy.hashes import arm_hashes
from policy.model.posteriors import Beta, Prior, Remembered, own_counts, posterior_of
from policy.model.reward import ClickValue
from policy.rules.compiled import CompiledRules
from policy.slates.alike import Alike
from policy.slates.arrangement import named, named_propensities
from policy.slates.fill import SlateSet, fill
from policy.slates.renewal import SlateValue
from policy.slates.sampling import uniforms
from policy.slates.scoring import POLICIES, Belief, baseline, random_of
from schemas.messages.pages import PolicyChoice, PolicyName

UNWEIGHED: tuple[PolicyName, ...] = ("uniform", "baseline")
"""Policies that do not ask what arms are worth beside each other: at random, and the common ranking."""


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """What a page and segment's slates are made from: A eligible items, S slots in rendered order.

    `impressions` and `clicks` [A, S] are learned traffic, the `holdout_` ones
    [A, S] and `holdout_conversions` [A] the holdout's own; counts may be
    weighted by age.  `examination` is float64[S], `hashes` from
    `policy.slates.sampling.arm_hashes`.  `prior` may be one for each arm; the baseline
    starts from `base`, which is the same for all.  Without a `click_value` a click on any
    arm has the same value.  `remembered` is what of learned looks and clicks still tells of the click
    rates of now (`policy.model.posteriors`), [A]; without it all does.
    `alike` says which arms take clicks from each other; the baseline does not go by it.
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
    base: Prior
    click_value: ClickValue | None = None
    remembered: Remembered | None = None
    alike: Alike | None = None

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
            self.prior.only(eligible),
            self.base,
            self.click_value and self.click_value.only(eligible),
            self.remembered and Remembered(*(counts[eligible] for counts in self.remembered)),
            self.alike and self.alike.only(eligible),
        )

    def posterior(self) -> Beta:
        """What is known of the arms' attractiveness."""
        return posterior_of(*self.own, self.prior)

    @property
    def own(self) -> Remembered:
        """The arms' own looks and clicks that tell of their click rates of now."""
        return self.remembered or own_counts(self.impressions, self.clicks, self.examination)

    @classmethod
    def empty(
        cls,
        items: Sequence[str],
        slots: Sequence[str],
        examination: Floats,
        prior: Prior,
        alike: Alike | None = None,
    ) -> Statistics:
        """The statistics of a page that nobody has seen yet."""
        nothing = np.zeros((len(items), len(slots)), dtype=np.int64)
        none = np.zeros(len(items), dtype=np.int64)
        counts = nothing, nothing, nothing, nothing, none
        return cls(items, slots, arm_hashes(items), *counts, examination, prior, prior, alike=alike)


@dataclass(frozen=True, slots=True)
class Composition:
    """Slates as a layout carries them: slot to item; a slot without an arm is left out.

    The last `exploration_slates` of the slates are drawn uniformly; `shadow` are the
    slates of the policy that is watched and not served.  `value` is what the slates are worth.
    On a page with shelves the last three say which shelf stands in which row, as `policy.pages.composition` does.
    """

    baseline: dict[str, str]
    slates: list[dict[str, str]]
    propensities: dict[str, dict[str, float]]
    shadow: list[dict[str, str]]
    relaxed: list[str]
    value: SlateValue = field(compare=False, repr=False)
    rows: list[dict[str, str]] = field(default_factory=list)
    baseline_rows: dict[str, str] = field(default_factory=dict)
    row_propensities: dict[str, dict[str, float]] = field(default_factory=dict)


def compose(
    statistics: Statistics,
    choice: PolicyChoice,
    page: str,
    segment: str,
    epoch: int,
    z: Floats | None = None,
    rules: CompiledRules | None = None,
) -> Composition:
    """The composition for `page` and `segment` in `epoch`: the same arguments always give the same.

    `z` are the `stage_normals` of just these names, where the caller has kept them;
    `rules` hold in the baseline too as far as they are about single slates.  With
    fewer items than slots, the slots least looked at stay
    empty; with no items, all do, and `propensities` is empty.
    """
    names = page, segment, str(epoch)
    rules = rules or CompiledRules.none(statistics.hashes, statistics.slots)
    scores = _Scores(statistics, choice, page, segment, epoch, z, rules.score_factor)

    def slates(score: Floats, rules: CompiledRules, alike: Alike | None = None) -> SlateSet:
        return fill(score, statistics.examination, rules, names, alike)

    scored, alike = scores.served(), _alike(statistics, choice.name, choice.exploration_slates)
    served = slates(scored, rules, alike)
    single = slates(baseline_scores(statistics)[:, None], rules.baseline)
    shadow = (
        slates(scores.of(choice.shadow), rules, _alike(statistics, choice.shadow)).slates.tolist()
        if choice.shadow
        else []
    )
    slots, items = statistics.slots, statistics.items
    return Composition(
        baseline=named(single.slates[0].tolist(), slots, items),
        slates=[named(row, slots, items) for row in served.slates.tolist()],
        propensities=named_propensities(served.slates, slots, items),
        shadow=[named(row, slots, items) for row in shadow],
        relaxed=[
            *rules.idle,
            *served.relaxed,
            *(f"{rule}: not in the baseline" for rule, _ in single.broken),
        ],
        value=SlateValue(served.slates, scored * rules.score_factor[:, None], statistics.examination, alike),
    )


def _alike(statistics: Statistics, policy: PolicyName, explored: int = 0) -> Alike | None:
    """Which arms take clicks from each other under a policy that goes by what they are worth."""
    if statistics.alike is None or policy in UNWEIGHED:
        return None
    return replace(statistics.alike, spared=explored)


class _Scores:
    """What policies say of the arms."""

    def __init__(
        self,
        statistics: Statistics,
        choice: PolicyChoice,
        page: str,
        segment: str,
        epoch: int,
        z: Floats | None,
        factor: Floats,
    ) -> None:
        self._belief = Belief(statistics.posterior(), statistics.click_value, factor)
        self._choice = choice
        self._slots = len(statistics.slots)
        self._names = page, segment, statistics.hashes
        self._epoch = epoch
        self._random = random_of(*self._names, choice.variants, epoch, z, sales=statistics.click_value is not None)

    def of(self, name: PolicyName) -> Floats:
        """Scores [A, V] of a policy."""
        return POLICIES[name](self._belief, self._random, self._choice, self._slots)

    def served(self) -> Floats:
        """Those of the page's policy, and uniform ones for its exploration slates behind them."""
        scores, count = self.of(self._choice.name), self._choice.exploration_slates
        if not count:
            return scores
        return np.concatenate([scores, uniforms(*self._names, "exploration", count, self._epoch)], axis=1)


def baseline_scores(statistics: Statistics) -> Floats:
    """The common ranking of the arms, float64[A], by the holdout's own counts."""
    return baseline(
        statistics.holdout_impressions,
        statistics.holdout_clicks,
        statistics.holdout_conversions,
        statistics.examination,
        statistics.base,
    )
