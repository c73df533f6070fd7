"""Click rates counted: most popular over all segments, and by segment with a share of chance or drawn (Thompson)."""

from __future__ import annotations

import numpy as np

from bench.decisions.peers.trials import Feed, Options, cells
from policy.arrays import Indices
from policy.simulation.shop import Feedback, Offer, Shape

VARIANTS = 16


class MostPopular:
    """The items most clicked per trial on the whole page, the same for everybody."""

    def __init__(self, shape: Shape, corrected: bool, seed: int, options: Options, *, text: bool) -> None:
        self._feed = Feed(shape, corrected, seed)
        self._prior = options["trials"]
        self._tries, self._clicks = np.zeros(0), np.zeros(0)

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        counted = cells(self._feed.trials(feedback))
        self._widen(int(counted.rows.max(initial=-1)) + 1)
        np.add.at(self._tries, counted.rows, counted.tries)
        np.add.at(self._clicks, counted.rows, counted.clicks)

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        self._widen(int(offer.rows.max()) + 1)
        default = (self._clicks.sum() + 1.0) / (self._tries.sum() + 50.0)
        rates = (self._clicks + default * self._prior) / (self._tries + self._prior)
        scores = np.broadcast_to(rates[offer.rows], (self._feed.shape.segments, 1, len(offer.rows)))
        return self._feed.placed(scores, offer)

    def _widen(self, size: int) -> None:
        more = max(0, size - len(self._tries))
        self._tries, self._clicks = np.pad(self._tries, (0, more)), np.pad(self._clicks, (0, more))


class _BySegment:
    """Tries and clicks of each segment by itself, float64[2, G, U]."""

    def __init__(self, shape: Shape, corrected: bool, seed: int, options: Options, *, text: bool) -> None:
        self._feed = Feed(shape, corrected, seed)
        self._options = options
        self._counts = np.zeros((2, shape.segments, 0))

    def observe(self, feedback: Feedback) -> None:
        """See `Learner`."""
        counted = cells(self._feed.trials(feedback))
        self._widen(int(counted.rows.max(initial=-1)) + 1)
        np.add.at(self._counts[0], (counted.segments, counted.rows), counted.tries)
        np.add.at(self._counts[1], (counted.segments, counted.rows), counted.clicks)

    def _widen(self, size: int) -> None:
        more = max(0, size - self._counts.shape[2])
        self._counts = np.pad(self._counts, ((0, 0), (0, 0), (0, more)))


class EpsilonGreedy(_BySegment):
    """The click rates of each segment by itself; each slot goes to chance with probability epsilon."""

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        self._widen(int(offer.rows.max()) + 1)
        tries, clicks = self._counts
        prior, epsilon = self._options["trials"], self._options["epsilon"]
        default = (clicks.sum() + 1.0) / (tries.sum() + 50.0)
        rates = ((clicks + default * prior) / (tries + prior))[:, None, offer.rows]
        shape = (len(tries), VARIANTS, len(offer.rows))
        slates = self._feed.placed(np.broadcast_to(rates, shape), offer)
        rng = self._feed.rng
        chance = self._feed.placed(rng.random(shape), offer)
        # A random item that is in the slate already stays where it is.
        free = ~(chance[..., :, None] == slates[..., None, :]).any(axis=3)
        return np.where(free & (rng.random(slates.shape) < epsilon), chance, slates)


class PessimisticSampling(_BySegment):
    """Thompson sampling by segment from Beta(1, 99): an item without trials is expected to be clicked on rarely.

    The best of Bendada, Salha and Bontempelli (2020, "Carousel personalization in music streaming apps with contextual
    bandits") for carousels in which a segment shares what was learned: there, too, updates come in batches.
    """

    def slates(self, offer: Offer) -> Indices:
        """See `Learner`."""
        self._widen(int(offer.rows.max()) + 1)
        tries, clicks = self._counts[:, :, None, offer.rows]
        size = (tries.shape[0], VARIANTS, tries.shape[2])
        return self._feed.placed(self._feed.rng.beta(1.0 + clicks, 99.0 + tries - clicks, size), offer)
