"""Which effects layouts go by: those that foretell clicks beyond chance, and they do not come and go."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from policy.arrays import Bools
from policy.model.visits.cells import PageViews, cells_of
from policy.model.visits.fitting import CERTAIN, LEAST, MOST, Effect, LogEffects, fit_effects
from schemas.messages.parameters import EffectFit, VisitFit

RETAINED = 0.8
"""What earlier page views said counts for so much when all of a sample are new ones: visitors change slowly."""
_WIDTH = 2.0 * float(ndtri((1.0 + CERTAIN) / 2.0))


@dataclass(slots=True)
class VisitHistory:
    """What samples of a page's views said one after the other; it may begin with what was published."""

    latest: VisitFit | None = None
    _earlier: VisitFit | None = field(init=False)
    _turn: tuple[int, VisitFit | None] = field(init=False)

    def __post_init__(self) -> None:
        self._earlier, self._turn = self.latest, (0, self.latest)

    def add(self, came: int, views: PageViews, even: Bools) -> VisitFit | None:
        """Look at the newest page views, where `came` had come in all; what is known then.

        `even` bool[N] is one of two halves that share no visitor.
        What was known when none of these had come is pooled with what they say.
        """
        turned = came - self._turn[0] >= len(even)
        if turned:
            self._earlier = self._turn[1]
        fitted = fit_visits(views, even, self._earlier, self.latest)
        if fitted is not None:
            self.latest = fitted
            if turned:
                self._turn = came, fitted
        return self.latest


def fit_visits(
    views: PageViews, even: Bools, earlier: VisitFit | None = None, before: VisitFit | None = None
) -> VisitFit | None:
    """What a sample of page views says, pooled with what `earlier` ones said; None where there are too few clicks.

    `before` is what was said last: an effect that is in force stays so until it foretells clicks no more.
    """
    pooled, previous = earlier or VisitFit(), before or VisitFit()
    halves = cells_of(views.only(even)), cells_of(views.only(~even))
    effects = fit_effects(halves, cells_of(views), _log_effects(pooled))
    if effects is None:
        return None
    return VisitFit(
        after_click=_published(effects.after_click, pooled.after_click, previous.after_click),
        after_alike=_published(effects.after_alike, pooled.after_alike, previous.after_alike),
        views=len(even) + RETAINED * pooled.views,
        clicks=effects.clicks + RETAINED * pooled.clicks,
    )


def _log_effects(fit: VisitFit) -> LogEffects:
    """What a fit says of the logarithms of effects, counting for less."""
    effects = (fit.after_click, fit.after_alike)
    return LogEffects(
        np.log([effect.factor for effect in effects]), RETAINED * np.array([_weight(each) for each in effects])
    )


def _weight(effect: Effect | EffectFit) -> float:
    """How exact the logarithm is: one over its variance; 0 where nothing is said."""
    if effect.low <= 0.0:
        return 0.0
    return float(np.square(_WIDTH / max(np.log(effect.high / effect.low), 1e-9)))


def _published(own: Effect, earlier: EffectFit, before: EffectFit) -> EffectFit:
    effect = _pooled(own, earlier)
    factor, low, high, gain, surely = (round(value, 5) for value in effect)
    return EffectFit(factor, low, high, gain, surely, effect.holds(before.in_force))


def _pooled(own: Effect, earlier: EffectFit) -> Effect:
    """Means of logarithms weighted by how exact they are, and gains added up; what was earlier counts for less."""
    weights = np.array([_weight(own), RETAINED * _weight(earlier)])
    mean = float(weights @ np.log([own.factor, earlier.factor]) / weights.sum())
    reach = _WIDTH / 2.0 / float(np.sqrt(weights.sum()))
    factor, lowest, highest = np.clip(np.exp([mean, mean - reach, mean + reach]), LEAST, MOST).tolist()
    gain = own.gain + RETAINED * earlier.gain
    error = float(np.hypot(own.gain - own.surely, RETAINED * (earlier.gain - earlier.surely)))
    return Effect(factor, lowest, highest, gain, gain - error)
