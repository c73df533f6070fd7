"""A policy whose items the log never shows is valued by others like them, as far as texts or categories say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy.evaluation.clusters import UNSUPPORTED
from policy.evaluation.estimators import Evidence
from reshelf.evaluation.arrays import REWARDS, ListedViews
from reshelf.evaluation.evaluate import Question, clustered
from reshelf.evaluation.follow import Running
from reshelf.evaluation.join import join
from reshelf.evaluation.page_values import page_values
from reshelf.inspect.report.page import Report, valued_policies
from schemas.codec import encode
from schemas.messages.catalog import CatalogEmbedding
from schemas.topic import Topic
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS, LAYOUTS_HISTORY
from streams.catalog.view import CatalogView
from streams.kafka.reader import Read
from streams.settings import FoldSettings
from tests.reshelf.decision_logs import NOW, a_layout, later, recorded_events, visits
from tests.reshelf.joined_on_disk import on_disk
from tests.reshelf.plain_evaluation import evaluated, page_log
from tests.streams.layout_inputs import item

SERVED = [{"top": "a", "side": "c"}, {"top": "c", "side": "a"}, {"top": "e", "side": "c"}, {"top": "f", "side": "a"}]
LIKE_SERVED = [{"top": "b", "side": "d"}, {"top": "d", "side": "a"}]
HISTORY = [a_layout(version, slates=SERVED, baseline=SERVED[0], shadow=LIKE_SERVED) for version in (1, 2)]
VISITS = later(visits(HISTORY, 400))
VECTORS = {"a": [100, 0], "b": [99, 0], "c": [0, 100], "d": [0, 98], "e": [-100, 0], "f": [0, -100]}
CATEGORIES = {"a": "shoes", "b": "shoes", "c": "hats", "d": "hats"}


def embeddings(vectors: Mapping[str, Sequence[int]], model: str = "m") -> list[Read]:
    """Records of items' vectors."""
    return [
        Read(at, NOW, name.encode(), encode(CatalogEmbedding(name, model, "h", list(map(float, numbers)))))
        for at, (name, numbers) in enumerate(vectors.items())
    ]


def categories(names: Mapping[str, str]) -> list[Read]:
    """Records of items in these categories."""
    return [
        Read(at, NOW, name.encode(), encode(item(name, category=category)))
        for at, (name, category) in enumerate(names.items())
    ]


def catalog_of(records: Mapping[Topic, list[Read]]) -> CatalogView:
    view = CatalogView()
    for topic, some in records.items():
        view.take(topic, 0, some)
    return view


def verdicts(records: Mapping[Topic, list[Read]]) -> dict[str, Any]:
    """What estimators say of the shadow's clicks, by name."""
    with on_disk(VISITS, HISTORY, catalog=partial(catalog_of, records)) as evaluator:
        page = evaluator.answer(Question("shadow"))["pages"]["home"]
    return {estimate["estimator"]: estimate for estimate in page["estimates"]["clicks"]} | {"page": page}


@pytest.mark.parametrize(
    ("records", "number"),
    [({CATALOG_EMBEDDINGS: embeddings(VECTORS)}, 4), ({CATALOG_ITEMS: categories(CATEGORIES)}, 4)],
    ids=["by text", "by category"],
)
def test_what_the_log_never_shows_is_valued_by_what_is_like_it(records: Any, number: int) -> None:
    estimates = verdicts(records)
    assert estimates["item-position"]["refused"]
    assert not estimates["cluster-corrected"]["refused"]
    assert estimates["cluster-corrected"]["lacking"] <= UNSUPPORTED < estimates["item-position"]["lacking"]
    assert estimates["page"]["items"] == 6
    assert number <= estimates["page"]["clusters"] <= 6


def test_without_texts_and_categories_it_is_refused_as_it_is_by_items() -> None:
    estimates = verdicts({})
    assert "clusters of items in slots" in estimates["cluster-corrected"]["refused"]
    assert estimates["cluster-corrected"]["lacking"] == pytest.approx(estimates["item-position"]["lacking"])
    assert estimates["page"]["clusters"] == 6


def test_what_is_said_on_disk_is_what_plain_arrays_say() -> None:
    catalog = catalog_of({CATALOG_EMBEDDINGS: embeddings(VECTORS)})
    views = join(VISITS, HISTORY, 1_000_000).views
    target, clustering = (lambda layout: layout.shadow), partial(clustered, catalog)
    answer = page_values(ListedViews(views, target), clustering).as_json(0.95)
    plain = evaluated(page_log(views, target, clustering), views, 0.95)
    assert answer["clusters"] == pytest.approx(plain["clusters"])
    for reward in REWARDS:
        for one, other in zip(answer["estimates"][reward], plain["estimates"][reward], strict=True):
            assert [*one.values()] == pytest.approx([*other.values()])


def test_the_report_says_by_how_many_clusters_was_borrowed() -> None:
    page = verdicts({CATALOG_EMBEDDINGS: embeddings(VECTORS)})["page"]
    report = Report(NOW, "live", "EUR", 0.95, [], [{"policy": "shadow", "pages": {"home": page}}], [])
    text = valued_policies("home", report)
    assert f"<td>cluster-corrected (6 items in {page['clusters']:.1f} clusters)</td>" in text
    assert "<td>item-position</td><td class=number>refused</td>" in text
    (corrected,) = (each for each in page["estimates"]["clicks"] if each["estimator"] == "cluster-corrected")
    assert f"<td class=number>{corrected['gain']:+.1%}" in text
    assert valued_policies("away", report) == ""


def test_vectors_of_another_model_are_no_vectors() -> None:
    catalog = catalog_of({CATALOG_EMBEDDINGS: embeddings(VECTORS)})
    catalog.take(CATALOG_EMBEDDINGS, 0, embeddings({"b": [0, 100]}, model="newer"))
    coarsest = clustered(catalog, list("abcdef"))[-1]
    assert (coarsest == coarsest[1]).sum() == 1


@given(st.lists(st.integers(1, 400), max_size=3))
@settings(max_examples=5, deadline=None)
def test_who_follows_counts_by_the_vectors_that_are_there(cuts: list[int]) -> None:
    running = Running("shadow", FoldSettings(allowed_lateness_ms=0, max_clock_skew_ms=0), settle_ms=5_000)
    records = recorded_events(VISITS)
    records[LAYOUTS_HISTORY] = [Read(at, NOW, b"", encode(layout)) for at, layout in enumerate(HISTORY)]
    records[CATALOG_EMBEDDINGS] = embeddings(VECTORS)
    for topic, some in records.items():
        running.take(topic, 0, some)
    for cut in sorted(cuts):
        running.settle(NOW + cut * 1_000)
    running.settle(NOW + 10**7)
    clustering = partial(clustered, running.catalog)
    log = page_log(join(VISITS, HISTORY, 1_000_000).views, lambda layout: layout.shadow, clustering)
    whole = Evidence.of("cluster-corrected", log.decisions("clicks")).estimate()
    followed = running.pages["home"].values.evidence["clicks", "cluster-corrected"].estimate()
    assert (followed.lacking, followed.effective_size) == pytest.approx((whole.lacking, whole.effective_size))
    assert not whole.refused and not followed.refused
    assert running.answer(0.95)["pages"]["home"]["clusters"] == pytest.approx(log.chances.clusters.mean())
