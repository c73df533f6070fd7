"""bayesianbandits' Thompson sampling: one Poisson regression, shared by all segments, with parts of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from bayesianbandits import (
    Arm,
    BayesianGLM,
    FunctionArmFeaturizer,
    LaplaceApproximator,
    LipschitzContextualAgent,
    ThompsonSampling,
)

from bench.decisions.peers.trials import VARIANTS, Feed, Options, cells, context
from policy.arrays import Floats, Indices
from policy.simulation.shop import KINDS, Feedback, Offer, Shape

MOST_STEPS = 50
"""Of a fit, which ends where it converges: the first begins at rates of 1."""
INTERCEPT = 10.0
"""The constant column: all weights have one prior, and click rates are far from 1."""


class SharedRegression:
    """`LipschitzContextualAgent` over what is known of items, once for all segments and once for each.

    Clicks per trial are fitted with trials as weights, as the documentation of `BayesianGLM` says of rates; equal
    trials of a batch are one row of the learner, as updates by arm would cost its whole covariance each.
    """

    def __init__(self, shape: Shape, corrected: bool, seed: int, options: Options, *, text: bool) -> None:
        self._feed = Feed(shape, corrected, seed)
        self._text = text
        self._items = np.zeros((0, (shape.size if text else 0) + KINDS + 2))
        newton = LaplaceApproximator(n_iter=MOST_STEPS)
        self._learner = BayesianGLM(alpha=options["alpha"], link="log", approximator=newton, random_state=seed)
        self._agent: LipschitzContextualAgent | None = None
        self._seed = seed

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        counted = cells(self._feed.trials(feedback))
        rates, tries = counted.clicks / counted.tries, counted.tries.astype(np.float64)
        self._learner.partial_fit(self._described(counted.segments, counted.rows), rates, tries)

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        for at, row in enumerate(offer.rows.tolist()):
            if row == len(self._items):
                self._items = np.concatenate([self._items, context(offer, at, text=self._text)])
        agent = self._offer(offer.rows.tolist())
        segments = np.arange(self._feed.shape.segments)[:, None]
        drawn = [agent.pull(segments, top_k=self._feed.shape.slots) for _ in range(VARIANTS)]
        return np.asarray(drawn, dtype=np.intp).transpose(1, 0, 2)

    def _offer(self, rows: list[int]) -> LipschitzContextualAgent:
        if self._agent is None:
            arms = [Arm(row, learner=None) for row in rows]
            featurizer = FunctionArmFeaturizer(self._features)
            self._agent = LipschitzContextualAgent(
                arms, ThompsonSampling(), featurizer, self._learner, random_seed=self._seed
            )
        before = {arm.action_token for arm in self._agent.arms}
        for row in sorted(before - set(rows)):
            self._agent.remove_arm(row)
        for row in sorted(set(rows) - before):
            self._agent.add_arm(Arm(row, learner=None))
        return self._agent

    def _features(self, contexts: Indices, rows: Sequence[int]) -> Floats:
        """Of each context (a segment) and arm, float64[N, F, A]."""
        segments = np.repeat(np.asarray(contexts)[:, 0], len(rows))
        described = self._described(segments, np.tile(rows, len(contexts)))
        return described.reshape(len(contexts), len(rows), -1).transpose(0, 2, 1)

    def _described(self, segments: Indices, rows: Indices) -> Floats:
        """Of each pair, float64[N, F]: the item, and again in the columns of its segment."""
        items, groups = self._items[rows], np.eye(self._feed.shape.segments)[segments]
        own = (groups[:, :, None] * items[:, None, :]).reshape(len(items), -1)
        return np.concatenate([np.full((len(items), 1), INTERCEPT), items, own], axis=1)
