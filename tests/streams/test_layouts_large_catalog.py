"""A catalog of many items and pages: who is asked about a record, and crowded pages."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.model.features import Features
from policy.model.priors import interest, interest_of, packed, scores
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.messages.pages import Candidates, PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.topic import Topic
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS, PAGE_RULES, POLICY_PARAMETERS
from streams.catalog.candidates import CandidateIndex
from streams.catalog.embeddings import filled
from streams.catalog.follower import HOLD_S, Follower
from streams.catalog.labels import ItemsByLabel
from streams.catalog.page import Changes
from streams.catalog.view import CatalogView, TextCatalog
from streams.kafka.records import Record
from streams.settings import KafkaSettings
from tests.streams.layout_inputs import Logged, Topics, item

ITEMS = [f"i{number}" for number in range(8)]
PAGES = ["p", "q"]
RULES = PageRules("", 1, ["s"])

catalog_items = st.builds(
    item,
    st.sampled_from(ITEMS),
    available=st.integers(0, 4).map(bool),
    category=st.sampled_from(["a", "b"]),
    brand=st.sampled_from(["x", "y"]),
    tags=st.lists(st.sampled_from(["t", "u"]), unique=True),
    created_at=st.integers(0, 3),
    price=st.integers(0, 900),
)
vectors = st.builds(
    CatalogEmbedding,
    st.sampled_from(ITEMS),
    st.just("m"),
    st.just("h"),
    st.lists(st.one_of(st.integers(-9, 9).map(float), st.floats(-2.0, 2.0, width=32)), min_size=5, max_size=5),
    st.sampled_from(["r", "r", "other"]),
    st.just(0.03),
)
declared = st.builds(
    lambda page, blocks, **candidates: msgspec.structs.replace(
        RULES, page=page, blocks=blocks, candidates=Candidates(**candidates)
    ),
    st.sampled_from(PAGES),
    blocks=st.lists(st.sampled_from(ITEMS[:2]), unique=True, max_size=1),
    items=st.one_of(st.just([]), st.lists(st.sampled_from(ITEMS), unique=True)),
    categories=st.one_of(st.just([]), st.lists(st.sampled_from(["a", "b"]), unique=True)),
    brands=st.one_of(st.just([]), st.lists(st.sampled_from(["x", "y"]), unique=True, max_size=1)),
    tags=st.one_of(st.just([]), st.lists(st.sampled_from(["t", "u"]), unique=True)),
    limit=st.integers(1, 4),
    reserve=st.integers(0, 2),
)


def fitted(page: str, version: int, price: float) -> PolicyParameters:
    text = packed(np.array([price, 1.0, -2.0, 0.5, 0.25]))
    scales, weights = {"price": (5.0, 2.0)}, {"price": price, "brand=x": 0.1, "category=a": -0.1}
    return PolicyParameters(page, version, 9, 0.1, 5.0, scales=scales, weights=weights, text_model="m@r", text=text)


parameters = st.builds(fitted, st.sampled_from(PAGES), st.just(1), st.sampled_from([0.0, 0.7, -0.7]))
gone = st.tuples(st.sampled_from([CATALOG_ITEMS, CATALOG_EMBEDDINGS]), st.sampled_from(ITEMS), st.none())
records = st.one_of(
    catalog_items.map(lambda one: (CATALOG_ITEMS, one.item, one)),
    vectors.map(lambda one: (CATALOG_EMBEDDINGS, one.item, one)),
    declared.map(lambda one: (PAGE_RULES, one.page, one)),
    parameters.map(lambda one: (POLICY_PARAMETERS, one.page, one)),
    gone,
)


@given(st.lists(catalog_items, min_size=4, max_size=8), st.lists(records, max_size=40))
def test_candidates_are_those_of_a_catalog_made_anew_and_each_change_makes_its_page_due(
    stock: list[CatalogItem], history: list[tuple[Topic, str, Any]]
) -> None:
    """However they changed, whatever was looked at meanwhile, and whatever comes first when all is read anew."""
    topics, newest, before = Topics(), dict[tuple[str, str], tuple[Topic, str, Any]](), dict[str, Any]()
    for topic, name, value in [*((CATALOG_ITEMS, one.item, one) for one in stock), *history]:
        changes = topics.put(topic, name.encode(), value)
        newest.pop((topic.name, name), None)
        newest[topic.name, name] = topic, name, value
        after = {page: topics.catalog.candidates(page).items for page in topics.catalog.rules}
        assert {page for page in after if before.get(page) != after[page]} <= changes.pages
        before = after
    for order in (sorted(newest), sorted(newest, reverse=True)):
        anew = Topics()
        for key in order:
            topic, name, value = newest[key]
            anew.put(topic, name.encode(), value)
        assert {page: anew.catalog.candidates(page).items for page in anew.catalog.rules} == before


@given(st.integers(1, 40), st.integers(1, 70), st.integers(0, 2**32), st.data())
def test_an_arm_has_the_same_scores_whatever_others_are_scored_with_it(
    arms: int, size: int, seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    features = Features(("price", "age", "brand=x"), rng.normal(size=(arms, 3)))
    vectors, has = rng.normal(size=(arms, size)).astype(np.float32), rng.random(arms) < 0.9
    of = PolicyParameters(
        "p",
        1,
        1,
        0.1,
        5.0,
        weights={"price": 0.3, "brand=x": -0.2},
        text=packed(rng.normal(size=size)),
        picture=packed(rng.normal(size=3)),
    )
    pictures, seen = rng.normal(size=(arms, 3)).astype(np.float32), rng.random(arms) < 0.7
    pictures[~seen] = 0.0
    everything = scores(of, "*", features, (vectors, has), (pictures, seen))
    some = data.draw(st.lists(st.integers(0, arms - 1), min_size=1, unique=True))
    those = (vectors[some], has[some]), (pictures[some], seen[some])
    part = scores(of, "*", Features(features.names, features.values[some]), *those)
    assert part.features.tobytes() == everything.features[some].tobytes()
    assert part.texts.tobytes() == everything.texts[some].tobytes()
    assert part.pictures.tobytes() == everything.pictures[some].tobytes()
    known = filled(vectors, has), filled(pictures, seen)
    assert np.allclose(interest_of(everything), interest(of, "*", features, *known))


@pytest.fixture
def shop() -> Topics:
    """100 items in 20 categories, and a page for each."""
    topics = Topics()
    for number in range(20):
        rules = msgspec.structs.replace(RULES, page=f"p{number}", candidates=Candidates(categories=[f"c{number}"]))
        topics.put(PAGE_RULES, rules.page.encode(), rules)
        topics.put(POLICY_PARAMETERS, rules.page.encode(), fitted(rules.page, 1, 0.5))
    for number in range(100):
        topics.put(CATALOG_ITEMS, b"n%d" % number, item(f"n{number}", category=f"c{number % 20}"))
    return topics


def test_only_the_pages_that_a_record_may_touch_are_asked(shop: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    asks = Counter[str]()
    for name in ("replace", "touch"):
        monkeypatch.setattr(CandidateIndex, name, counted(asks, name, getattr(CandidateIndex, name)))
    shop.put(CATALOG_ITEMS, b"new", item("new", category="elsewhere"))
    shop.put(CATALOG_ITEMS, b"new", item("new", category="elsewhere", price=3))
    shop.put(CATALOG_EMBEDDINGS, b"new", vector_of("new"))
    assert not asks
    assert shop.put(CATALOG_ITEMS, b"n3", item("n3", category="c3", price=5)).pages == {"p3"}
    assert asks.pop("replace") == 1
    assert shop.put(CATALOG_ITEMS, b"n3", item("n3", category="c4", price=5)).pages == {"p3", "p4"}
    assert asks.pop("replace") == 2, "the page that it leaves, and the one that it comes to"
    assert shop.put(CATALOG_EMBEDDINGS, b"n3", vector_of("n3")).pages == {"p4"}
    assert asks.pop("touch") == 1 and not asks


def counted(asks: Counter[str], name: str, method: Any) -> Any:
    def counting(index: CandidateIndex, *arguments: Any) -> Any:
        asks[name] += 1
        return method(index, *arguments)

    return counting


def vector_of(name: str) -> CatalogEmbedding:
    return CatalogEmbedding(name, "m", "h", [1.0] * 5, "r")


def test_a_page_that_is_declared_late_looks_only_at_the_items_of_its_narrowest_filter(shop: Topics) -> None:
    shop.put(CATALOG_ITEMS, b"few", item("few", category="c7", brand="rare"))
    by_label = ItemsByLabel(shop.catalog.items)
    for name, each in shop.catalog.items.items():
        by_label.replace(name, None, each)

    def among(candidates: Candidates) -> int:
        return len(list(by_label.among([candidates])))

    assert among(Candidates(categories=["c7"])) == 6
    assert among(Candidates(categories=["c7"], brands=["rare"])) == 1
    assert among(Candidates(categories=["c7"], items=["n1", "gone"])) == 1
    assert among(Candidates(tags=["none"])) == 0
    assert among(Candidates()) == 101


def test_one_item_of_a_crowded_page_is_scored_where_one_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    topics, scored = Topics(), list[tuple[str, ...]]()
    columns = CatalogView._columns

    def counting(view: CatalogView, page: str, names: tuple[str, ...]) -> Any:
        scored.append(names)
        return columns(view, page, names)

    monkeypatch.setattr(CatalogView, "_columns", counting)
    topics.put(PAGE_RULES, b"p", msgspec.structs.replace(RULES, page="p", candidates=Candidates(limit=5, reserve=1)))
    topics.put(POLICY_PARAMETERS, b"p", fitted("p", 1, 0.5))
    for number in range(50):
        topics.put(CATALOG_ITEMS, b"n%d" % number, item(f"n{number}", price=number))
    topics.catalog.candidates("p")
    assert [len(names) for names in scored] == [50]
    topics.put(CATALOG_ITEMS, b"n7", item("n7", price=900))
    assert "n7" in topics.catalog.candidates("p").items
    assert scored[1:] == [("n7",)]


def test_texts_are_kept_for_those_alone_who_show_them() -> None:
    record = Logged(0, b"i", msgspec.json.encode(CatalogItem("i", "Title", "Words", tags=["t"], attributes={"a": "b"})))
    compact, whole = CatalogView(), TextCatalog()
    compact.take(CATALOG_ITEMS, 0, [record])
    whole.take(CATALOG_ITEMS, 0, [record])
    assert not hasattr(compact.items["i"], "title")
    assert whole.texts["i"] == CatalogItem("i", "Title", "Words", tags=["t"], attributes={"a": "b"})


class Slow(CatalogView):
    """A catalog in which a record takes two milliseconds."""

    def take(self, topic: Topic, partition: int, records: Sequence[Record]) -> Changes:
        time.sleep(0.002 * len(records))
        return super().take(topic, partition, records)


def test_a_large_batch_lets_others_have_the_event_loop() -> None:
    catalog = Slow()
    follower = Follower(KafkaSettings(prefix=""), catalog, lambda changes: None)
    batch = [Logged(at, b"i", msgspec.json.encode(item("i", price=at))) for at in range(200)]
    turns: list[int] = []

    async def others() -> None:
        while True:
            turns.append(catalog.position(CATALOG_ITEMS)[0] if catalog.position(CATALOG_ITEMS) else 0)
            await asyncio.sleep(0)

    async def run() -> None:
        other = asyncio.create_task(others())
        await asyncio.sleep(0)
        await follower._take({(CATALOG_ITEMS.name, 0): batch})
        other.cancel()

    asyncio.run(run())
    assert catalog.position(CATALOG_ITEMS) == [200]
    most = max(np.diff([*turns, 200]))
    assert most <= 32 + HOLD_S / 0.002
