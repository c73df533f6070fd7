"""Settings of what decides pages: layouts, the fitter, learned segments, experiments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from policy import defaults
from schemas.messages.fields import MOST_CONTEXT, MOST_KINDS
from schemas.times import EXAMPLE, moment
from streams.settings import (
    DAY_MS,
    Group,
    NotNegative,
    Positive,
)


def _millis(value: object) -> object:
    """A time with its zone as milliseconds since 1970; raises PydanticCustomError for what is none."""
    said = f"milliseconds since 1970 or a time with its zone like {EXAMPLE}"
    if isinstance(value, str) and not value.strip().lstrip("+-").isdigit():
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise PydanticCustomError("moment", said) from None
    if isinstance(value, date):
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise PydanticCustomError("moment", f"a time with its zone like {EXAMPLE}")
        return moment(value)
    return value


Moment = Annotated[NotNegative, BeforeValidator(_millis)]


class LayoutSettings(Group):
    """How layouts are composed and published."""

    refresh_ms: Positive = Field(
        50,
        description="How long a page and segment waits after it was composed before it is composed again, in "
        "milliseconds.",
    )
    growth_share: float = Field(
        0.03,
        ge=0,
        le=1,
        description="By which share the impressions or clicks of a page and segment grow before it is composed again; "
        "0: each new one is enough. While it has few clicks, each of them is enough.",
    )
    rest_s: float = Field(
        60.0,
        gt=0,
        description="After how long, in seconds, a page and segment is composed again although little came.",
    )
    change_threshold: float = Field(
        0.003,
        ge=0,
        le=1,
        description="By which share of their value the slates of a layout gain at least over the published ones to be "
        "published, where nothing but counts and what was fitted to them changed; 0: each other layout is published.",
    )
    ttl_ms: Positive = Field(
        10 * 60_000,
        description="How long a layout stays valid after it was brought up to date last, in milliseconds.",
    )
    lives: bool = Field(
        True,
        description="Whether workers say in the topic layout-lives that layouts which did not change are still good. "
        "Off: each is published again when half of ttl_ms is over, as renderers need that do not read the topic.",
    )
    max_clock_skew_ms: Positive = Field(
        60_000,
        description="How far this machine's clock may be from the brokers', in milliseconds. Beyond it no layout is "
        "published, and the worker is not ready.",
    )
    epoch_ms: Positive = Field(
        DAY_MS, description="How long random numbers and visitors' variants stay the same, in milliseconds."
    )
    holdout_share: float = Field(0.1, ge=0, lt=1, description="The share of units that always get the baseline.")
    holdout_salt: str = Field(
        "holdout-1",
        min_length=1,
        max_length=64,
        description="The text that decides which units are in the holdout; another text draws others.",
    )
    half_life_ms: NotNegative = Field(
        defaults.HALF_LIFE_MS,
        description="After how much time the counts of a time bucket weigh half, in milliseconds; 0: all buckets "
        "weigh the same.",
    )
    drift: float = Field(
        defaults.DRIFT,
        ge=0,
        le=10,
        description="How much click rates change: the variance that the logarithm of an item's click rate gains in a "
        "day; 0: they do not change, and nothing is forgotten.",
    )
    click_rate: float = Field(
        defaults.CLICK_RATE,
        gt=0,
        lt=1,
        description="The click rate that an item which is looked at starts from before anything was fitted.",
    )
    strength: float = Field(
        defaults.STRENGTH,
        gt=0,
        description="How much the starting click rate of an item weighs, in examined impressions.",
    )
    exploration: float = Field(
        defaults.EXPLORATION,
        ge=0,
        le=10,
        description="How widely an item is drawn whose value is known give or take 40 %, as a share of what is in "
        "doubt; items known less are drawn more widely, items known well less. Each page multiplies it by its own "
        "exploration.",
    )
    click_value: float = Field(
        1.0,
        ge=0,
        description="What a click is worth by itself, whether or not an order follows, on the scale of sale_value.",
    )
    sale_value: float = Field(
        0.0,
        ge=0,
        description="What each cent (minor unit) that the shop earns by a kept order is worth, on the same scale as "
        "click_value. It earns the margin of the order, less what is returned of it. 0: layouts aim at clicks alone.",
    )
    cpu_share: float = Field(
        0.5, gt=0, le=1, description="The share of its time that a layout worker may spend on composing."
    )
    memory_mb: Positive = Field(
        2048,
        description="The memory for counts and the catalog that a layout worker holds, in MiB; counts may take half of "
        "it at least. The pages and segments that were used least recently are let go, and read again from Redis when "
        "they are due.",
    )


class FitterSettings(Group):
    """How the parameters of pages are fitted."""

    interval_s: float = Field(
        10.0,
        gt=0,
        description="How long the fitter waits before it fits a page again, in seconds; only a page whose counts "
        "changed is fitted.",
    )
    outlier_factor: float = Field(
        10.0,
        ge=0,
        description="How many times as often as in the median segment a segment must be clicked on to be left out of "
        "what other segments learn; 0: none is left out.",
    )
    growth_share: float = Field(
        0.03,
        ge=0,
        le=1,
        description="By which share the impressions or clicks of a page grow before it is fitted again; 0: each new "
        "one is enough. While it has few clicks, each of them is enough.",
    )
    rest_s: float = Field(
        600.0,
        gt=0,
        description="After how long, in seconds, a page is fitted again although little came.",
    )
    sample_views: NotNegative = Field(
        20_000,
        description="How many page views of each page the fitter remembers as wholes, of at most a week; from them it "
        "learns whether visitors leave after a click, and whether items take clicks from others of their category. 0: "
        "none, and both are taken not to be so.",
    )
    memory_mb: Positive = Field(
        512,
        description="The memory for counts and the catalog that the fitter holds, in MiB; counts may take half of it "
        "at least. The pages and segments that were used least recently are let go, and read again from Redis when a "
        "page is fitted.",
    )


class SegmentSettings(Group):
    """Segments that are learned from what visitors looked at."""

    learned: bool = Field(
        False,
        description="Whether the fitter learns segments from what visitors looked at, and publishes them to the topic "
        "segments.",
    )
    interval_s: float = Field(
        3_600.0,
        gt=0,
        description="How long the fitter waits before it fits the segments again, in seconds.",
    )
    sample_units: int = Field(
        200_000,
        ge=1_000,
        le=1_000_000,
        description="How many visitors the fitter remembers the last items of at most; they take about 0.5 KB each. "
        "Which visitors these are is decided by a hash.",
    )
    min_units: int = Field(
        1_000,
        ge=100,
        description="How many visitors with two items or more the sample holds at least before segments are fitted.",
    )
    max_segments: int = Field(
        8,
        ge=2,
        le=8,
        description="How many segments there are at most. It is 4 at most until the sample holds 20,000 visitors.",
    )
    views: tuple[str, ...] = Field(
        ("view",),
        max_length=MOST_KINDS,
        description="The kinds of signals that say that a visitor looked at an item; clicks and purchases say it too.",
    )
    attributes: tuple[str, ...] = Field(
        ("device", "country", "channel"),
        max_length=MOST_CONTEXT,
        description="The names in the context of clicks and signals of which one may have a part in the choice of a "
        "segment: that which says most about items that were held out, if any does.",
    )
    barred_categories: tuple[str, ...] = Field(
        (),
        description="Categories of the catalog that segments are not made of, such as health: their items and those "
        "of categories below them lead to no segment.",
    )
    publish_units: bool = Field(
        False,
        description="Whether the fitter publishes the segment of each visitor of its sample to the topic "
        "unit-segments, and edges answer by it: for tiers that keep nothing of their visitors. It needs "
        "segments.learned, and the fitter remembers visitors by their pseudonyms then, not by a hash. Set it for the "
        "fitter and all edges.",
    )


class ExperimentSettings(Group):
    """The experiment of learned layouts against the holdout, and when a page goes back to its baseline."""

    since_ms: Moment = Field(
        0,
        description="When the experiment began, in milliseconds since 1970 or as a time with its zone; whole time "
        "buckets from then on count. 0: everything counts.",
    )
    pre_period_since_ms: Moment = Field(
        0,
        description="When a pre-period began that ends with since_ms and in which both sides were served the same, in "
        "milliseconds since 1970 or as a time with its zone; 0: there is none.",
    )
    fallback: bool = Field(
        True, description="Whether a page that certainly loses more than is tolerated goes back to its baseline."
    )
    check_s: float = Field(60.0, gt=0, description="How often guard-rails are checked, in seconds.")
    tolerated_loss_clicks: float = Field(
        0.05, ge=0, le=1, description="The relative loss of clicks per page view that is tolerated; 1: any loss."
    )
    tolerated_loss_orders: float = Field(
        0.1, ge=0, le=1, description="The relative loss of orders per page view that is tolerated; 1: any loss."
    )
    tolerated_loss_revenue: float = Field(
        0.1, ge=0, le=1, description="The relative loss of revenue per page view that is tolerated; 1: any loss."
    )
