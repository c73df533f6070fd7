"""What is joined, evaluated and exported on disk is what the plain definitions give in memory."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.assignment import unit_bin
from reshelf.evaluation import arrays, export
from reshelf.evaluation.arrays import LayoutViews, ListedViews, Target
from reshelf.evaluation.clock import Clock
from reshelf.evaluation.evaluate import Question, recorded
from reshelf.evaluation.join import DecisionLog, join
from reshelf.evaluation.page_values import page_values
from reshelf.evaluation.tables.past import PastEvents
from schemas.errors import ReshelfError
from schemas.messages.events import Click, Impression, SlotItem
from schemas.messages.fields import BASELINE, FALLBACK
from streams.fold.buckets import is_span_expired, span_of
from streams.fold.deltas import WHOLE_PAGE
from streams.kafka.reader import Read
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings
from tests.reshelf.decision_logs import EVENTS, LAYOUTS, NOW, SLATES, a_layout, joined, visits
from tests.reshelf.joined_on_disk import TOPICS, on_disk
from tests.reshelf.plain_evaluation import answerable, evaluated, page_log, rows

replace = msgspec.structs.replace
CLOSE = 1e-9


def plain_answer(log: DecisionLog, policy: str) -> dict[str, Any]:
    pages = {page: views for page, some in log.pages().items() if (views := answerable(policy, some))}
    return {page: evaluated(page_log(views, recorded(policy)), views, 0.95) for page, views in pages.items()}


def approximate(answer: Any) -> Any:
    """Equal to nine digits, in every number of an answer."""
    if isinstance(answer, dict):
        return {key: approximate(value) for key, value in answer.items()}
    if isinstance(answer, list):
        return [approximate(value) for value in answer]
    return pytest.approx(answer, rel=CLOSE, abs=1e-12) if isinstance(answer, float) else answer


HISTORY = [
    *LAYOUTS,
    a_layout(
        3,
        shadow=[],
        slates=[{"hero": "d", **slate} for slate in SLATES],
        baseline={"hero": "d"},
        propensities={"hero": {"d": 1.0}, **LAYOUTS[0].propensities},
    ),
    a_layout(4, holdout_share=0.0, slates=SLATES[:3]),
    a_layout(5, slates=[{}] * 6, baseline={}, propensities={}, shadow=[]),
    a_layout(1, page="sale", segment="*"),
]
"""Also of a slot that older ones lack, of a page without a holdout, empty, and of a whole page."""


@st.composite
def odd_logs(draw: st.DrawFn) -> list[Any]:
    """Visits of two pages in which events are lost, doubled, changed and seen bit by bit."""
    chance = draw(st.randoms(use_true_random=False))
    events = visits(HISTORY[:4], draw(st.integers(1, 80)), seed=chance.randrange(1_000))
    events += [replace(event, page="sale", segment="some") for event in visits(LAYOUTS[:1], 20, seed=3)]
    return [odd for event in events for odd in _odd(event, chance)]


def _odd(event: Any, chance: random.Random) -> list[Any]:
    many = event.slots if type(event) is Impression else ()
    match chance.randrange(14):
        case 0:
            return []
        case 1:
            return [event, replace(event, event_id=f"{event.event_id}+")]
        case 2:
            return [replace(event, variant=chance.choice((FALLBACK, BASELINE, 2, 200)))]
        case 3:
            return [replace(event, layout_version=chance.choice((2, 4, 5, 9)))]
        case 4 if many:
            return [replace(event, slots=[SlotItem("top", "z"), SlotItem("attic", "a")]), event]
        case 5 if many:
            return [replace(event, event_id=f"{event.event_id}-{cell.slot}", slots=[cell]) for cell in many]
        case 6 if type(event) is Click:
            return [replace(event, item="z"), replace(event, slot="attic")]
    return [event]


@given(odd_logs(), st.integers(0, 1_000))
@settings(max_examples=6, deadline=None)
def test_a_log_on_disk_says_what_it_says_in_memory(events: list[Any], seed: int) -> None:
    plain = join(_by_partition(events), HISTORY, 650)
    with on_disk(events, HISTORY, 650, seed) as evaluator:
        assert evaluator.tables.left_out == plain.left_out
        for policy in ("served", "holdout", "shadow"):
            expected = plain_answer(plain, policy)
            if not expected:
                with pytest.raises(ReshelfError):
                    evaluator.answer(Question(policy))
                continue
            answer = evaluator.answer(Question(policy))
            assert answer["left_out"] == plain.left_out
            assert answer["pages"] == approximate(expected)


def _by_partition(events: list[Any]) -> list[Any]:
    """In the order of partitions, as which impression is a page view's first is decided."""
    return [event for partition in range(2) for event in events if unit_bin(event.unit) % 2 == partition]


@given(st.lists(st.integers(1, 600), max_size=5), st.integers(1, 300), st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_the_figures_do_not_depend_on_how_the_views_are_cut(cuts: list[int], views: int, layouts: int) -> None:
    target: Target = lambda layout: layout.shadow  # noqa: E731
    log = joined().views

    class Cut(ListedViews):
        def views(self) -> Any:
            for piece in super().views():
                ends = [0, *sorted({cut % len(piece.bins) for cut in cuts} - {0}), len(piece.bins)]
                yield from (part(piece, *pair) for pair in itertools.pairwise(ends))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "VIEWS_AT_ONCE", views)
        patch.setattr(arrays, "LAYOUTS_AT_ONCE", layouts)
        answer = page_values(Cut(log, target)).as_json(0.95)
    assert answer == approximate(evaluated(page_log(log, target), log, 0.95))


def part(piece: LayoutViews, first: int, end: int) -> LayoutViews:
    outcomes = [(row - first, *outcome[1:]) for outcome in piece.outcomes if first <= (row := outcome[0]) < end]
    variants, segments, bins = (values[first:end] for values in (piece.variants, piece.segments, piece.bins))
    return LayoutViews(piece.layout, piece.target, variants, segments, bins, outcomes)


@given(odd_logs(), st.integers(5, 60))
@settings(max_examples=3, deadline=None)
def test_exported_rows_are_those_of_the_plain_log(tmp_path_factory: Any, events: list[Any], views: int) -> None:
    plain = join(_by_partition(events), HISTORY, 650)
    folder = tmp_path_factory.mktemp("export") / "it's a log"
    with on_disk(events, HISTORY, 650) as evaluator, pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "VIEWS_PER_FILE", views)
        written = export.write_parquet(evaluator.tables, folder, None)
        alone = export.write_parquet(evaluator.tables, folder.with_name("sale"), "sale")
    exported = [row for file in sorted(folder.iterdir()) for row in pq.read_table(file).to_pylist()]
    assert exported == list(rows(plain.views))
    assert (written["files"], written["rows"]) == (max(1, -(-len(plain.views) // views)), len(exported))
    assert alone["rows"] == sum(row["page"] == "sale" for row in exported)
    schema = pq.read_schema(folder / "part-00000.parquet")
    types = [(field.name, str(field.type).replace(" ('signals')", "")) for field in schema]
    assert types == [(name, kind) for name, (kind, _) in export.COLUMNS.items()]
    assert schema.metadata[b"unit"] == b"The visitor's pseudonym."


def test_the_past_of_a_key_is_read_in_stretches() -> None:
    events = [replace(event, segment="cooks" if event.unit < "u2" else "late") for event in EVENTS[:300]]
    with on_disk(events, LAYOUTS) as evaluator:
        past = PastEvents(evaluator.tables)
        assert {tp.topic for tp in past.partitions} == set(TOPICS.values())
        for segment in ("cooks", "late", WHOLE_PAGE, "nobody"):
            log = past.of("home", segment)
            read = [
                (tp, entry.offset, type(entry.event), entry.event.variant, _cells(entry.event))
                for tp in log.partitions
                for _, some in log.between({tp: (6, 90)})
                for entry in some
            ]
            assert read == _expected(events, segment, log.partitions)


def _cells(event: Any) -> Any:
    if type(event) is Impression:
        return sorted((cell.slot, cell.item) for cell in event.slots)
    return (event.slot, event.item) if type(event) is Click else (event.item, event.amount, event.delay)


def _expected(events: list[Any], segment: str, partitions: Any) -> list[Any]:
    logs: dict[TopicPartition, list[Any]] = {}
    for event in events:
        logs.setdefault(TopicPartition(TOPICS[type(event)], unit_bin(event.unit) % 2), []).append(event)
    return [
        (tp, 3 * place, type(event), event.variant, _cells(event))
        for tp in partitions
        for place, event in enumerate(logs.get(tp, []))
        if 6 <= 3 * place < 90 and segment in (WHOLE_PAGE, event.segment)
    ]


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=40), st.integers(0, 45), st.integers(1, 300))
def test_the_clock_forms_and_expires_the_spans_that_the_time_of_the_log_does(
    times: list[int], end: int, ttl_ms: int
) -> None:
    fold = FoldSettings(bucket_ms=100, bucket_ttl_ms=ttl_ms)
    clock, tp = Clock(fold), TopicPartition("events-clicks", 0)
    clock.read(tp, [Read(offset, NOW + time_ms, None, None) for offset, time_ms in enumerate(times)])
    now, reached = clock.at({tp.topic: [end]}), max([NOW + time_ms for time_ms in times[:end]], default=0)
    for bucket in range(NOW - 1_000, NOW + 2_000, 100):
        assert is_span_expired(bucket, now, fold) == is_span_expired(bucket, reached, fold)
        assert span_of(bucket, now, fold) == span_of(bucket, reached, fold)


MEASURED = """
import sys
from bench.evaluation.decision_log import SyntheticLog, measure
log = SyntheticLog(int(sys.argv[1]), pages=2, segments=1, slots=2, variants=2, items=5)
print(measure(log, "served", export=True, memory_mb=100)["rss_mb"])
"""


def test_memory_does_not_grow_with_the_log() -> None:
    """Fifteen times the page views; where they were held, even so small ones would take 60 MB more."""
    few, many = (
        int(subprocess.run([sys.executable, "-c", MEASURED, str(views)], capture_output=True, check=True).stdout)
        for views in (2_000, 30_000)
    )
    assert many - few < 40, (few, many)
