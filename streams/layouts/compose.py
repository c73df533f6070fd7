"""From the state of one page and segment to its layout: a pure function.

The same state, page, parameters, settings and epoch give the same bytes;
version and times are put in afterwards, when the layout is published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import msgspec

from policy.compose import Statistics
from policy.compose import compose as slates_of
from policy.examination import examination
from policy.posteriors import Prior
from schemas.messages import Layout, PageRules, PolicyParameters
from streams.fold.deltas import Traffic
from streams.layouts.candidates import CandidateSet
from streams.layouts.totals import ONE, Totals, weights
from streams.settings import LayoutSettings
from streams.state.reader import KeyState

SHAPING = ("epoch_ms", "holdout_share", "holdout_salt", "half_life_ms", "click_rate", "strength")
"""Settings that decide what a layout says."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page as declared and fitted, with the items it may show; `position` is that of catalog-items."""

    rules: PageRules
    candidates: CandidateSet
    position: Sequence[int]
    parameters: PolicyParameters | None = None


@lru_cache
def settings_digest(settings: LayoutSettings) -> str:
    """A short digest of the settings that decide what a layout says."""
    shape = settings.model_dump(include=set(SHAPING))
    return sha256(msgspec.json.encode(shape, order="sorted")).hexdigest()[:16]


def compose(
    segment: str, state: KeyState, page: Page, settings: LayoutSettings, epoch: int, totals: Totals | None = None
) -> Layout:
    """The layout of a page for a segment in an epoch; version and times are 0 (see `stamped`).

    `totals` may be those of an earlier call for the same candidates and slots;
    they are moved along and change nothing but the time it takes.  Without
    candidates every slate is empty.
    """
    rules, parameters = page.rules, page.parameters
    if totals is None:
        totals = Totals(page.candidates, tuple(rules.slots))
    totals.move_to(state.tables, weights(state.tables, settings.half_life_ms))
    z = totals.normals(rules.page, segment, rules.policy.variants, epoch)
    composition = slates_of(_statistics(totals, page, settings), rules.policy, rules.page, segment, epoch, z)
    return Layout(
        page=rules.page,
        segment=segment,
        version=0,
        produced_at=0,
        expires_at=0,
        epoch=epoch,
        template=rules.template,
        policy=rules.policy.name,
        settings_digest=settings_digest(settings),
        rules_version=rules.version,
        parameters_version=parameters.version if parameters else 0,
        catalog_position=list(page.position),
        watermarks=state.watermarks,
        holdout_share=settings.holdout_share,
        holdout_salt=settings.holdout_salt,
        baseline=composition.baseline,
        slates=composition.slates,
        propensities=composition.propensities,
    )


def stamped(layout: Layout, version: int, produced_at: int, life_ms: int) -> Layout:
    """The layout as it is published."""
    return msgspec.structs.replace(layout, version=version, produced_at=produced_at, expires_at=produced_at + life_ms)


def _statistics(totals: Totals, page: Page, settings: LayoutSettings) -> Statistics:
    fitted = page.parameters
    prior = Prior(fitted.click_rate, fitted.strength) if fitted else Prior(settings.click_rate, settings.strength)
    learned, holdout = Traffic.LEARNED, Traffic.HOLDOUT
    return Statistics(
        items=page.candidates.items,
        slots=totals.slots,
        hashes=page.candidates.hashes,
        impressions=totals.impressions[learned] / ONE,
        clicks=totals.clicks[learned] / ONE,
        holdout_impressions=totals.impressions[holdout] / ONE,
        holdout_clicks=totals.clicks[holdout] / ONE,
        holdout_conversions=totals.conversions[holdout] / ONE,
        examination=examination(page.rules.slots, fitted.examination if fitted else {}),
        prior=prior,
        base=prior,
    )
