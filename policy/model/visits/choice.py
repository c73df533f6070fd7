"""Which effects layouts go by: those that foretell clicks beyond chance, and they do not come and go."""

from __future__ import annotations

from policy.arrays import Bools
from policy.model.visits.cells import PageViews, cells_of
from policy.model.visits.fitting import Effect, fit_effects
from schemas.messages.parameters import EffectFit, VisitFit


def fit_visits(views: PageViews, even: Bools, before: VisitFit | None = None) -> VisitFit | None:
    """What a sample of page views says; `even` bool[N] is one of two halves that share no visitor.

    `before` is what was said last: an effect that is in force stays so until it foretells clicks no more.
    None where there are too few clicks.
    """
    effects = fit_effects([cells_of(views.only(even)), cells_of(views.only(~even))], cells_of(views))
    if effects is None:
        return None
    previous = before or VisitFit()
    return VisitFit(
        after_click=_published(effects.after_click, previous.after_click),
        after_alike=_published(effects.after_alike, previous.after_alike),
        views=float(len(even)),
        clicks=effects.clicks,
    )


def _published(effect: Effect, before: EffectFit) -> EffectFit:
    return EffectFit(*(round(value, 5) for value in effect), in_force=effect.holds(before.in_force))
