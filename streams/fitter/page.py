"""From the tables of a page's segments to its parameters: a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo

import msgspec
import numpy as np
from msgspec import UNSET

from policy.arrays import Floats, Vectors
from policy.items import ItemFacts
from policy.model.examination import VisibleTimes, examination
from policy.model.features import describe
from policy.model.fitting import Described, PageCounts, fit_page
from policy.model.outliers import implausible
from policy.model.priors import WHOLE_PAGE
from policy.model.visits.lowering import kinds_of, lowering_of
from schemas.messages.pages import PageRules
from schemas.messages.parameters import AffinityFit, PolicyParameters, VisitFit
from streams.catalog.candidates import CandidateSet
from streams.catalog.days.counts import day_counts
from streams.catalog.embeddings import Embeddings, filled
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE, weights
from streams.fitter.pacing import pacing
from streams.fitter.sales import SalesTables, fit_page_sales
from streams.fitter.shelves import FittedShelves, fit_page_shelves
from streams.fold.deltas import Traffic
from streams.fold.measures import VISIBLE
from streams.page_settings import LayoutSettings
from streams.settings import FoldSettings
from streams.state.arrays.packed import total
from streams.state.arrays.tables import Table

MOST_SEGMENTS = 200
"""Segments that are fitted: the most shown; a page's others are taken for its average."""
PAGES_WEIGHT = 1.0
"""How many pages the base rate and curve of the settings count as."""


@dataclass(frozen=True, slots=True, eq=False)
class PageState:
    """What a page is fitted from: its tables by segment, what the catalog knows, float32[D] by item of one model.

    `pictures` are the vectors of items' pictures, as `vectors` are those of texts.

    `affinity` is what the model of segments says of the items, and of others that the page may show.
    `signals` are the kinds of signals that the tables count, by place, and `visits` what page views as wholes say.
    """

    rules: PageRules
    tables: Mapping[str, Sequence[Table]]
    items: Mapping[str, ItemFacts]
    vectors: Mapping[str, Vectors] = field(default_factory=dict)
    model: str = ""
    signals: Sequence[str] = ()
    visits: VisitFit | None = None
    pictures: Mapping[str, Vectors] = field(default_factory=dict)
    picture_model: str = ""
    affinity: AffinityFit | None = None


def vectors_of(names: Sequence[str], embeddings: Embeddings) -> tuple[dict[str, Vectors], str]:
    """The vectors of these items that are of the model that most items have one of, and that model."""
    generation = embeddings.generation
    matrix, has = embeddings.matrix(names, generation)
    return {name: matrix[row] for row, name in enumerate(names) if has[row]}, generation.name if generation else ""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the fit of a page begins: base rate, its strength in examined impressions, examination by slot."""

    click_rate: float
    strength: float
    curve: Mapping[str, float]


def items_of(tables: Mapping[str, Sequence[Table]]) -> list[str]:
    """The items of these tables, in order."""
    return sorted({name for those in tables.values() for table in those for name in table.items})


def start_of(rules: PageRules, others: Sequence[PolicyParameters], settings: LayoutSettings) -> Start:
    """What is known of all pages: the geometric mean of their base rates, and the mean of their examination curves.

    A page that starts there knows its visitors' habits before any of them came.  Rows of shelves have no such curve.
    """
    logs = [np.log(parameters.click_rate) for parameters in others]
    logs += [np.log(settings.click_rate)] * round(PAGES_WEIGHT)
    default = examination(rules.slots, {})
    total, weight = PAGES_WEIGHT * default, np.full(len(rules.slots), PAGES_WEIGHT)
    for parameters in others:
        if parameters.shelves:
            continue
        curve = np.array(list(parameters.examination.values()))[: len(total)]
        total[: len(curve)] += curve
        weight[: len(curve)] += 1.0
    return Start(float(np.exp(np.mean(logs))), settings.strength, dict(zip(rules.slots, total / weight, strict=True)))


def fit(
    state: PageState,
    start: Start,
    layouts: LayoutSettings,
    fold: FoldSettings,
    now_ms: int,
    times: float = 0.0,
    zone: tzinfo = UTC,
) -> PolicyParameters:
    """The parameters of a page as of `now_ms`; `version` is 0.

    Sponsored budgets are for days of `zone`.
    `times`: how much more than the median segment one may be clicked on (`policy.model.outliers`).
    """
    segments = _top_segments(state.tables)
    left_out = _left_out(segments, start.click_rate, times)
    tables = {segment: those for segment, those in segments.items() if segment not in left_out} or {WHOLE_PAGE: []}
    everything = [table for those in tables.values() for table in those]
    names = CandidateSet(tuple(items_of(tables)))
    slots, weight_of = tuple(state.rules.slots), weights(everything, layouts.half_life_ms)
    weighted_counts = [_weighted_counts(names, slots, those, weight_of) for those in tables.values()]
    impressions, clicks = learned = _learned(weighted_counts, names, slots)
    shelves: FittedShelves | None = None
    if state.rules.has_shelves:
        shelves = fit_page_shelves(state.rules, tables, weight_of, weighted_counts, learned)
        counts, seen_as = shelves.counts, shelves.seen_as
    else:
        visible, seen_as = _visible_times(everything, weight_of, slots), np.eye(len(slots))
        shown = _lowered(state, names.items, impressions, clicks)
        counts = PageCounts(list(tables), names.items, slots, shown, clicks, visible)
    if layouts.drift:
        by_day = day_counts(list(tables.values()), weight_of, names, slots, impressions, seen_as)
        counts = replace(counts, by_day=by_day)
    of_sales = fit_page_sales(SalesTables(everything, weight_of, names, fold, now_ms), state.signals)
    described = _described(state, names, now_ms)
    base = start.click_rate, start.strength
    fitted = fit_page(state.rules.page, counts, described, now_ms, base, start.curve, of_sales.sales, layouts.drift)
    paced = pacing(state.rules, state.tables, state.items, fold, now_ms, zone)
    stages = {"signals": of_sales.signals, "returns": of_sales.returns, "visits": state.visits or UNSET}
    if shelves:
        fitted = msgspec.structs.replace(fitted, shelves=shelves.message, examination=shelves.looks)
    return msgspec.structs.replace(fitted, pacing=paced, left_out=left_out, **stages)


def _learned(
    weighted_counts: Sequence[WeightedCounts], candidates: CandidateSet, slots: Sequence[str]
) -> tuple[Floats, Floats]:
    """Impressions and clicks of learned traffic, [G, A, S] each."""
    shape = len(weighted_counts), len(candidates.items), len(slots)
    impressions, clicks = (
        np.array([each[Traffic.LEARNED] for each in counted], dtype=np.float64).reshape(shape) / ONE
        for counted in zip(*((each.impressions, each.clicks) for each in weighted_counts), strict=True)
    )
    return impressions, clicks


def _lowered(state: PageState, items: Sequence[str], impressions: Floats, clicks: Floats) -> Floats:
    """The impressions; below clicks and items alike they are fewer where that is in force."""
    kinds = kinds_of([described.category if (described := state.items.get(item)) else "" for item in items])
    lowering = lowering_of(state.visits, kinds)
    return lowering.lower(impressions, clicks) if lowering else impressions


def _top_segments(tables: Mapping[str, Sequence[Table]]) -> dict[str, list[Table]]:
    """The learned tables of the segments that were shown most, by name."""
    learned = {
        segment: [table for table in those if table.traffic is Traffic.LEARNED] for segment, those in tables.items()
    }
    impressions = {segment: sum(total(table, "impressions") for table in those) for segment, those in learned.items()}
    most = sorted(
        (segment for segment in impressions if impressions[segment]), key=lambda name: (-impressions[name], name)
    )
    return {segment: learned[segment] for segment in sorted(most[:MOST_SEGMENTS])}


def _left_out(tables: Mapping[str, Sequence[Table]], default: float, times: float) -> list[str]:
    """The segments whose clicks are hardly people's."""
    clicks = [float(sum(total(table, "clicks") for table in those)) for those in tables.values()]
    impressions = [float(sum(total(table, "impressions") for table in those)) for those in tables.values()]
    outliers = implausible(np.array(clicks), np.array(impressions), default, times)
    return [segment for segment, out in zip(tables, outliers, strict=True) if out]


def _weighted_counts(
    names: CandidateSet, slots: tuple[str, ...], tables: Sequence[Table], weight_of: Mapping[range, int]
) -> WeightedCounts:
    weighted_counts = WeightedCounts(names, slots)
    weighted_counts.move_to(tables, weight_of)
    return weighted_counts


def _visible_times(tables: Sequence[Table], weight_of: Mapping[range, int], slots: Sequence[str]) -> VisibleTimes:
    """For how long the slots of a page were visible; exact, so that the order of tables does not matter."""
    columns = {slot: column for column, slot in enumerate(slots)}
    sums = np.zeros((len(VISIBLE.names), len(slots)), dtype=object)
    for table in tables:
        if not total(table, "timed"):
            continue
        listed = [at for at, slot in enumerate(table.slots) if slot in columns]
        into, weight = [columns[table.slots[at]] for at in listed], weight_of[table.buckets]
        for number, name in enumerate(VISIBLE.names):
            sums[number, into] += weight * table.counts[name][listed].astype(object)
    return VisibleTimes(*(sums / ONE).astype(np.float64))


def _described(state: PageState, names: CandidateSet, now_ms: int) -> Described:
    items = [state.items.get(name) for name in names.items]
    features, scales = describe(items, now_ms)
    texts, pictures = _matrix(names.items, state.vectors), _matrix(names.items, state.pictures)
    return Described(features, scales, texts, state.model, pictures, state.picture_model, state.affinity)


def _matrix(names: Sequence[str], vectors: Mapping[str, Vectors]) -> Floats | None:
    """The vectors of items, float64[A, D], filled where there is none; None where no item has one."""
    has = np.array([name in vectors for name in names], dtype=np.bool_)
    if not has.any():
        return None
    nothing = np.zeros_like(next(iter(vectors.values())))
    return filled(np.stack([vectors.get(name, nothing) for name in names]), has)
