"""MABWiser's Thompson sampling: one bandit for each segment, items as arms, Beta(1, 1) priors."""

from __future__ import annotations

import numpy as np
from mabwiser.mab import MAB, LearningPolicy

from bench.decisions.peers.trials import VARIANTS, Feed, Options
from policy.arrays import Indices
from policy.simulation.shop import Feedback, Offer, Shape


class MabwiserSampling:
    """`LearningPolicy.ThompsonSampling` with `partial_fit` and `predict_expectations`."""

    def __init__(self, shape: Shape, corrected: bool, seed: int, options: Options, *, text: bool) -> None:
        self._feed = Feed(shape, corrected, seed)
        self._bandits: list[MAB] = []
        self._seed = seed
        self._arms: set[int] = set()

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        trials = self._feed.trials(feedback)
        for segment, bandit in enumerate(self._bandits):
            here = (trials.segments == segment) & np.isin(trials.rows, sorted(self._arms))
            if here.any():
                bandit.partial_fit(trials.rows[here], trials.rewards[here])

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        self._offer(set(offer.rows.tolist()))
        scores = np.empty((len(self._bandits), VARIANTS, len(offer.rows)))
        for segment, bandit in enumerate(self._bandits):
            for variant in range(VARIANTS):
                drawn = bandit.predict_expectations()
                scores[segment, variant] = [drawn[row] for row in offer.rows.tolist()]
        return self._feed.placed(scores, offer)

    def _offer(self, arms: set[int]) -> None:
        if not self._bandits:
            self._bandits = [self._opened(sorted(arms), n) for n in range(self._feed.shape.segments)]
        for bandit in self._bandits:
            for arm in sorted(arms - set(bandit.arms)):
                bandit.add_arm(arm)
            for arm in sorted(set(bandit.arms) - arms):
                bandit.remove_arm(arm)
        self._arms = arms

    def _opened(self, arms: list[int], number: int) -> MAB:
        bandit = MAB(arms, LearningPolicy.ThompsonSampling(), seed=self._seed * 1_000 + number)
        bandit.fit([], [])
        return bandit
