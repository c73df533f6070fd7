"""PyBandits' Thompson sampling: one bandit for each segment, items as actions, Beta(1, 1) priors."""

from __future__ import annotations

import numpy as np
from pybandits.smab import SmabBernoulli

from bench.decisions.peers.trials import VARIANTS, Feed, Options
from policy.arrays import Indices
from policy.simulation.shop import Feedback, Offer, Shape


class PybanditsSampling:
    """`SmabBernoulli` with `update` and the draws of `predict`; new items join as actions of a rebuilt bandit."""

    def __init__(self, shape: Shape, corrected: bool, seed: int, options: Options, *, text: bool) -> None:
        self._feed = Feed(shape, corrected, seed)
        self._bandits: list[SmabBernoulli] = []

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        trials = self._feed.trials(feedback)
        for segment, bandit in enumerate(self._bandits):
            here = trials.segments == segment
            pairs = [
                (name, reward)
                for row, reward in zip(trials.rows[here].tolist(), trials.rewards[here].tolist(), strict=True)
                if (name := str(row)) in bandit.actions
            ]
            if pairs:
                bandit.update(actions=[name for name, _ in pairs], rewards=[reward for _, reward in pairs])

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        names = [str(row) for row in offer.rows.tolist()]
        self._offer(names)
        # PyBandits draws from numpy's global generator.
        np.random.seed(int(self._feed.rng.integers(2**32)))
        scores = np.empty((len(self._bandits), VARIANTS, len(names)))
        for segment, bandit in enumerate(self._bandits):
            for variant, drawn in enumerate(bandit.predict(n_samples=VARIANTS)[1]):
                scores[segment, variant] = [drawn[name] for name in names]
        return self._feed.placed(scores, offer)

    def _offer(self, names: list[str]) -> None:
        if not self._bandits:
            self._bandits = [SmabBernoulli.cold_start(action_ids=set(names)) for _ in range(self._feed.shape.segments)]
        if set(self._bandits[0].actions) != set(names):
            fresh = SmabBernoulli.cold_start(action_ids=set(names)).actions
            self._bandits = [
                SmabBernoulli(actions={name: bandit.actions.get(name, fresh[name]) for name in names})
                for bandit in self._bandits
            ]
