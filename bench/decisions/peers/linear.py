"""MABWiser's LinUCB and LinTS: segments as arms, what is known of an item as the context."""

from __future__ import annotations

import numpy as np
from mabwiser.mab import MAB, LearningPolicy

from bench.decisions.peers.trials import VARIANTS, Feed, Options, context
from policy.arrays import Indices
from policy.simulation.shop import KINDS, Feedback, Offer, Shape


class _Linear:
    """A ridge regression for each segment on vector, category and price of the item that was shown."""

    variants = 1

    def __init__(self, shape: Shape, corrected: bool, seed: int, options: Options, *, text: bool) -> None:
        self._feed = Feed(shape, corrected, seed)
        segments = list(range(shape.segments))
        self._bandit = MAB(segments, self.policy(options), seed=seed)
        self._text = text
        self._contexts = np.zeros((0, (shape.size if text else 0) + KINDS + 2))
        self._fitted = False

    def policy(self, options: Options) -> LearningPolicy:
        """The learning policy with its settings."""
        raise NotImplementedError

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        trials = self._feed.trials(feedback)
        learn = self._bandit.partial_fit if self._fitted else self._bandit.fit
        learn(trials.segments, trials.rewards, self._contexts[trials.rows])
        self._fitted = True

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        self._meet(offer)
        shape = (self._feed.shape.segments, self.variants, len(offer.rows))
        if not self._fitted:
            return self._feed.placed(self._feed.rng.random(shape), offer)
        scores = np.empty(shape)
        for variant in range(self.variants):
            expectations = self._bandit.predict_expectations(self._contexts[offer.rows])
            scores[:, variant] = np.array([[row[segment] for row in expectations] for segment in range(shape[0])])
        return self._feed.placed(scores, offer)

    def _meet(self, offer: Offer) -> None:
        for at, row in enumerate(offer.rows.tolist()):
            if row == len(self._contexts):
                self._contexts = np.concatenate([self._contexts, context(offer, at, text=self._text)])


class LinUcb(_Linear):
    """`LearningPolicy.LinUCB`: the same slate for all of a segment."""

    def policy(self, options: Options) -> LearningPolicy:
        """See `_Linear`."""
        return LearningPolicy.LinUCB(alpha=options["alpha"], l2_lambda=options["l2"])


class LinTs(_Linear):
    """`LearningPolicy.LinTS`: weights are drawn anew for each item."""

    variants = VARIANTS

    def policy(self, options: Options) -> LearningPolicy:
        """See `_Linear`."""
        return LearningPolicy.LinTS(alpha=options["alpha"], l2_lambda=options["l2"])
