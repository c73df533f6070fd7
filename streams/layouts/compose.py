"""From the state of one page and segment to its layout: a pure function.

The same state, page, parameters, settings and epoch give the same bytes;
version and times are put in afterwards, when the layout is published.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

import msgspec
import numpy as np

from policy.model.examination import examination
from policy.model.posteriors import retained
from policy.model.reward import ClickValue
from policy.slates.alike import Alike
from policy.slates.composition import Composition, Statistics
from policy.slates.composition import compose as slates_of
from policy.slates.renewal import SlateValue
from schemas.messages.layouts import Layout
from schemas.messages.pages import PolicyChoice
from streams.catalog.item_features import base
from streams.catalog.page import Page
from streams.catalog.sales.stages import Stages
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE, weights
from streams.fold.deltas import WHOLE_PAGE, Traffic
from streams.layouts.branches import most_variants, with_branches
from streams.page_settings import LayoutSettings
from streams.state.arrays.parts import without
from streams.state.arrays.tables import Table
from streams.state.reader import KeyState

SHAPING = (
    "epoch_ms",
    "holdout_share",
    "holdout_salt",
    "half_life_ms",
    "drift",
    "click_rate",
    "strength",
    "exploration",
    "click_value",
    "sale_value",
)
"""Settings that decide what a layout says."""


@lru_cache
def settings_digest(settings: LayoutSettings) -> str:
    """A short digest of the settings that decide what a layout says."""
    shape = settings.model_dump(include=set(SHAPING))
    return sha256(msgspec.json.encode(shape, order="sorted")).hexdigest()[:16]


class Composed(NamedTuple):
    """A layout, and what the slates of each of its policies are worth, the page's own first."""

    layout: Layout
    values: Sequence[SlateValue]


def compose(
    segment: str,
    state: KeyState,
    page: Page,
    settings: LayoutSettings,
    epoch: int,
    weighted_counts: WeightedCounts | None = None,
    now_ms: int = 0,
) -> Layout:
    """The layout of a page for a segment in an epoch, with counts of its own where none are at hand."""
    weighted_counts = weighted_counts or WeightedCounts(page.candidates, tuple(page.rules.slots))
    return compose_valued(segment, state, page, settings, epoch, weighted_counts, now_ms).layout


def compose_valued(
    segment: str,
    state: KeyState,
    page: Page,
    settings: LayoutSettings,
    epoch: int,
    weighted_counts: WeightedCounts,
    now_ms: int = 0,
) -> Composed:
    """The layout of a page for a segment in an epoch; version and times are 0 (see `stamped`).

    Campaigns and stock are looked at for `now_ms`, which the layout names.

    `weighted_counts` may be those of an earlier call for the same candidates and slots;
    they are moved along and change nothing but the time it takes.  Without
    candidates every slate is empty.
    """
    rules, parameters = page.rules, page.parameters
    statistics = statistics_of(segment, state, page, settings, weighted_counts)
    z = weighted_counts.normals(rules.page, segment, most_variants(rules), epoch, sales=settings.sale_value > 0)
    bound = weighted_counts.rules(page, segment, now_ms)

    values: list[SlateValue] = []

    def composition_of(choice: PolicyChoice) -> Composition:
        choice = explored(choice, settings)
        composition = slates_of(statistics, choice, rules.page, segment, epoch, z[..., : choice.variants], bound)
        values.append(composition.value)
        return composition

    composition = composition_of(rules.policy)
    layout = Layout(
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
        embeddings_position=list(page.embeddings_position),
        watermarks=state.watermarks,
        holdout_share=settings.holdout_share,
        holdout_salt=settings.holdout_salt,
        baseline=composition.baseline,
        slates=composition.slates,
        propensities=composition.propensities,
        relaxed=composition.relaxed,
        decided_at=now_ms,
        shadow_policy=rules.policy.shadow,
        shadow=composition.shadow,
    )
    return Composed(with_branches(layout, rules, composition_of) if rules.branches else layout, values)


def explored(choice: PolicyChoice, settings: LayoutSettings) -> PolicyChoice:
    """The policy with the exploration that its own scale makes of the settings' one."""
    return msgspec.structs.replace(choice, exploration=choice.exploration * settings.exploration)


def stamped(layout: Layout, version: int, produced_at: int, ttl_ms: int, life: str = "") -> Layout:
    """The layout as it is published; `life` is what says how much longer than `ttl_ms` it is good."""
    expires_at = produced_at + ttl_ms
    return msgspec.structs.replace(layout, version=version, produced_at=produced_at, expires_at=expires_at, life=life)


def unshadowed(layout: Layout) -> Layout:
    """The layout as renderers need it: without the slates that are only watched."""
    return msgspec.structs.replace(layout, shadow_policy="", shadow=[])


def statistics_of(
    segment: str, state: KeyState, page: Page, settings: LayoutSettings, weighted_counts: WeightedCounts
) -> Statistics:
    """What is known of the page's candidates for a segment; `weighted_counts` are moved along to the state's tables.

    Impressions are fewer where clicks, or items alike, stood above them and that is in force on the page.
    """
    fitted = page.parameters
    tables = counted_tables(segment, state, page)
    weight_of = weights(tables, settings.half_life_ms)
    weighted_counts.move_to(tables, weight_of)
    click_value = None
    if settings.sale_value:
        stages = weighted_counts.stages.move_to(tables, weight_of, fitted, state.signals)
        click_value = _click_value(stages, page, settings)
    default = base(fitted, settings.click_rate, settings.strength)
    curve = examination(page.rules.slots, fitted.examination if fitted else {})
    learned, holdout = Traffic.LEARNED, Traffic.HOLDOUT
    impressions, clicks = weighted_counts.impressions[learned] / ONE, weighted_counts.clicks[learned] / ONE
    if lowering := page.item_features.lowering if page.item_features else None:
        impressions = lowering.lower(impressions, clicks)
    return Statistics(
        items=page.candidates.items,
        slots=weighted_counts.slots,
        hashes=page.candidates.hashes,
        impressions=impressions,
        clicks=clicks,
        holdout_impressions=weighted_counts.impressions[holdout] / ONE,
        holdout_clicks=weighted_counts.clicks[holdout] / ONE,
        holdout_conversions=weighted_counts.conversions[holdout] / ONE,
        examination=curve,
        prior=weighted_counts.priors(page.item_features, segment, impressions, clicks, curve).prior
        if page.item_features
        else default,
        base=default,
        click_value=click_value,
        retained=retained(weighted_counts.click_days(), settings.drift) if settings.drift else None,
        alike=Alike.of(lowering),
    )


def counted_tables(segment: str, state: KeyState, page: Page) -> Sequence[Table]:
    """The tables that a segment learns from: its own, whoever clicked; the whole page's without segments left out."""
    fitted = page.parameters
    return without(state.tables, fitted.left_out if fitted and segment == WHOLE_PAGE else ())


def _click_value(stages: Stages, page: Page, settings: LayoutSettings) -> ClickValue | None:
    """The value of a click on each candidate; None where all have the same value."""
    margins = page.item_features.margins if page.item_features else np.ones(len(page.candidates.items))
    value = stages.click_value(settings.click_value, settings.sale_value * margins)
    return value if value.mean.any() else None
