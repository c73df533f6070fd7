"""What the compacted topics say, and which changes make which pages due."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from policy.model.priors import packed
from policy.slates.candidates import candidates
from schemas.codec import encode, encode_key
from schemas.messages.catalog import CatalogEmbedding, CatalogItem, PictureEmbedding
from schemas.messages.layouts import Layout
from schemas.messages.pages import Candidates, PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.topic import Topic
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS, LAYOUTS, PAGE_RULES, POLICY_PARAMETERS
from streams.catalog.items import compact
from streams.catalog.layouts.latest_layout import latest_layout_of
from streams.catalog.page import Changes, Key
from tests.streams.layout_inputs import Topics, item

ITEMS = [f"i{number}" for number in range(6)]
KEY = Key("home", "new")
RAW_KEY = encode_key(LAYOUTS, *KEY)

catalog_items = st.builds(
    item,
    st.sampled_from(ITEMS),
    available=st.booleans(),
    category=st.sampled_from(["a", "b"]),
    brand=st.sampled_from(["x", "y"]),
    tags=st.lists(st.sampled_from(["t", "u"]), unique=True),
    created_at=st.integers(0, 3),
    price=st.integers(0, 2),
)
declared = st.builds(
    Candidates,
    items=st.lists(st.sampled_from(ITEMS), unique=True, max_size=4),
    categories=st.lists(st.sampled_from(["a", "b"]), unique=True, max_size=1),
    tags=st.lists(st.sampled_from(["t", "u"]), unique=True, max_size=1),
    limit=st.integers(1, 4),
    reserve=st.integers(0, 2),
)
records = st.lists(
    st.one_of(
        catalog_items.map(lambda one: (CATALOG_ITEMS, one.item.encode(), one)),
        st.sampled_from(ITEMS).map(lambda name: (CATALOG_ITEMS, name.encode(), None)),
        st.sampled_from(ITEMS).map(lambda name: (CATALOG_ITEMS, name.encode(), b"{not json")),
        declared.map(lambda one: (PAGE_RULES, b"home", PageRules("home", 1, ["s"], candidates=one))),
        st.just((PAGE_RULES, b"home", None)),
    ),
    max_size=30,
)


@given(records)
def test_candidates_are_those_of_the_newest_records_and_each_change_of_them_is_told(
    history: list[tuple[Topic, bytes, Any]],
) -> None:
    topics = Topics()
    catalog = topics.catalog
    newest: dict[str, CatalogItem] = {}
    before: tuple[str, ...] | None = None
    for topic, key, value in history:
        changes = topics.put(topic, key, value)
        if topic is CATALOG_ITEMS and value is None:
            newest.pop(key.decode(), None)
        elif isinstance(value, CatalogItem):
            newest[value.item] = value
        rules = catalog.rules.get("home")
        after = None if rules is None else catalog.candidates("home").items
        assert after == (None if rules is None else tuple(candidates(newest.values(), rules.candidates, {})))
        if after != before:
            assert changes.pages == {"home"}
        before = after
    assert catalog.items == {name: compact(item) for name, item in newest.items()}
    assert topics.invalid[CATALOG_ITEMS.name] == sum(value == b"{not json" for _, _, value in history)


def test_a_record_that_does_not_fit_leaves_what_was_there() -> None:
    topics = Topics()
    topics.put(CATALOG_ITEMS, b"i1", item("i1"))
    invalid: list[tuple[bytes | None, CatalogItem | bytes]] = [
        (b"i1", b"[]"),
        (b"i1", b""),
        (b"i1", item("i2")),
        (None, item("i1")),
        (b"\xff", item("i1")),
        (b"i1", b'{"item": "i1", "title": 3}'),
    ]
    for key, value in invalid:
        assert len(topics.put(CATALOG_ITEMS, key, value).invalid) == 1
    assert topics.catalog.items == {"i1": compact(item("i1"))}
    assert topics.invalid == {CATALOG_ITEMS.name: 6}
    assert topics.catalog.position(CATALOG_ITEMS) == [7]


def test_a_change_of_words_makes_no_page_due_and_one_of_price_changes_what_is_known_alone() -> None:
    topics = Topics()
    topics.put(PAGE_RULES, b"home", PageRules("home", 1, ["s"]))
    topics.put(CATALOG_ITEMS, b"i1", item("i1"))
    fitted = PolicyParameters("home", 1, 1, 0.1, 5.0, scales={"price": (2.0, 1.0)}, weights={"price": 0.5})
    topics.put(POLICY_PARAMETERS, b"home", fitted)
    kept, known = topics.catalog.candidates("home"), topics.catalog.described("home")
    assert known is not None
    assert not topics.put(CATALOG_ITEMS, b"i1", item("i1", description="new words"))
    assert topics.catalog.described("home") is known
    assert topics.put(CATALOG_ITEMS, b"i1", item("i1", price=500, description="new words")).pages == {"home"}
    assert topics.catalog.candidates("home") is kept
    dearer = topics.catalog.described("home")
    assert dearer is not None and dearer.features.values[0, 0] > known.features.values[0, 0]
    assert topics.put(CATALOG_ITEMS, b"i1", item("i1", available=False)).pages == {"home"}
    assert topics.catalog.candidates("home").items == ()


def test_rules_and_parameters_make_their_page_due_when_they_differ() -> None:
    topics = Topics()
    rules, fitted = PageRules("home", 1, ["s"]), PolicyParameters("home", 1, 1, 0.1, 5.0)
    home = Changes(pages={"home"})
    declared: list[tuple[Topic, PageRules | PolicyParameters]] = [(PAGE_RULES, rules), (POLICY_PARAMETERS, fitted)]
    for topic, value in declared:
        assert topics.put(topic, b"home", value) == home
        assert not topics.put(topic, b"home", value)
        assert topics.put(topic, b"home", msgspec.structs.replace(value, version=2)) == home
        assert topics.put(topic, b"home", None) == home
        assert not topics.put(topic, b"home", None)


def test_what_was_known_of_the_items_of_a_page_goes_with_the_page() -> None:
    topics = Topics()
    topics.put(CATALOG_ITEMS, b"i1", item("i1"))
    for number in range(3):
        page = f"campaign-{number}"
        topics.put(PAGE_RULES, page.encode(), PageRules(page, 1, ["s"]))
        topics.put(POLICY_PARAMETERS, page.encode(), PolicyParameters(page, 1, 1, 0.1, 5.0))
        assert topics.catalog.described(page) is not None
        topics.put(PAGE_RULES, page.encode(), None)
    assert not topics.catalog._described


def test_parameters_older_than_those_known_are_refused() -> None:
    topics = Topics()
    fitted = PolicyParameters("home", 5, 1, 0.1, 5.0)
    topics.put(POLICY_PARAMETERS, b"home", fitted)
    stale = topics.put(POLICY_PARAMETERS, b"home", msgspec.structs.replace(fitted, version=4, click_rate=0.5))
    malformed = topics.put(POLICY_PARAMETERS, b"home", b'{"page":"home","version":9,"click_rate":"high"}')
    assert [error.reason for error in (*stale.invalid, *malformed.invalid)] == ["stale", "invalid"]
    assert topics.catalog.parameters["home"] == fitted


def test_where_more_items_fit_than_may_be_candidates_the_likeliest_are_kept() -> None:
    topics = Topics()
    for number in range(6):
        topics.put(CATALOG_ITEMS, b"i%d" % number, item(f"i{number}", category="abc"[number % 3]))
    topics.put(PAGE_RULES, b"home", PageRules("home", 1, ["s"], candidates=Candidates(limit=2, reserve=0)))
    for best, version in (("b", 1), ("c", 2)):
        weights = {f"category={best}": 1.0}
        topics.put(POLICY_PARAMETERS, b"home", PolicyParameters("home", version, 1, 0.1, 5.0, weights=weights))
        kept = topics.catalog.candidates("home").items
        assert {topics.catalog.items[name].category for name in kept} == {best}


def vector(name: str, revision: str, *numbers: float) -> CatalogEmbedding:
    return CatalogEmbedding(name, "m", "h", list(numbers), revision)


def texts(revision: str, version: int, *weights: float) -> PolicyParameters:
    return PolicyParameters("home", version, 1, 0.1, 5.0, text_model=f"m@{revision}", text=packed(np.array(weights)))


def test_a_page_keeps_to_the_model_of_its_parameters_and_changes_by_no_other() -> None:
    topics = Topics()
    topics.put(PAGE_RULES, b"home", PageRules("home", 1, ["s"], candidates=Candidates(items=["i1", "i2", "i3"])))
    for name in ("i1", "i2", "i3", "i4"):
        topics.put(CATALOG_ITEMS, name.encode(), item(name))
    assert not topics.put(CATALOG_EMBEDDINGS, b"i1", vector("i1", "old", 1.0, 0.0))
    topics.put(POLICY_PARAMETERS, b"home", texts("old", 1, 1.0, 0.0))

    def used() -> list[list[float]] | None:
        known = topics.catalog.described("home")
        assert known is not None
        return None if known.vectors is None else known.vectors.tolist()

    assert used() == [[1.0, 0.0]] * 3
    assert topics.put(CATALOG_EMBEDDINGS, b"i2", vector("i2", "old", 0.0, 1.0)).pages == {"home"}
    assert used() == [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]
    assert not topics.put(CATALOG_EMBEDDINGS, b"i3", vector("i3", "new", 7.0, 7.0))
    assert not topics.put(CATALOG_EMBEDDINGS, b"i4", vector("i4", "old", 7.0, 7.0)), "no candidate"
    assert topics.put(CATALOG_EMBEDDINGS, b"i1", vector("i1", "new", 7.0, 0.0)).pages == {"home"}
    assert used() == [[0.0, 1.0]] * 3
    topics.put(POLICY_PARAMETERS, b"home", texts("new", 2, 1.0, 0.0))
    assert used() == [[7.0, 0.0], [7.0, 3.5], [7.0, 7.0]]
    topics.put(CATALOG_EMBEDDINGS, b"i1", None)
    topics.put(CATALOG_EMBEDDINGS, b"i3", None)
    assert used() is None
    assert topics.catalog.page("home").embeddings_position == [7]


def test_pictures_are_of_a_model_of_their_own() -> None:
    topics = Topics()
    topics.put(PAGE_RULES, b"home", PageRules("home", 1, ["s"], candidates=Candidates(items=["i1", "i2"])))
    for name in ("i1", "i2"):
        topics.put(CATALOG_ITEMS, name.encode(), item(name))
    fitted = msgspec.structs.replace(texts("old", 1, 1.0), picture_model="eye@1", picture=packed(np.array([1.0, 0.0])))
    topics.put(POLICY_PARAMETERS, b"home", fitted)
    eye = PictureEmbedding("eye", "h", "i", np.array([-3, 100], dtype=np.int8).tobytes(), "1", 0.5)
    both = msgspec.structs.replace(vector("i1", "old", 2.0), picture=eye)
    assert topics.put(CATALOG_EMBEDDINGS, b"i1", both).pages == {"home"}
    assert topics.put(CATALOG_EMBEDDINGS, b"i2", vector("i2", "old", 4.0)).pages == {"home"}
    known = topics.catalog.described("home")
    assert known is not None and known.vectors is not None and known.pictures is not None
    assert (known.vectors.tolist(), known.pictures.tolist()) == ([[2.0], [4.0]], [[-1.5, 50.0]] * 2)
    newer = msgspec.structs.replace(both, picture=msgspec.structs.replace(eye, revision="2"))
    topics.put(CATALOG_EMBEDDINGS, b"i1", newer)
    known = topics.catalog.described("home")
    assert known is not None and known.pictures is None


@given(st.permutations(range(12)), st.integers(0, 12))
def test_the_order_of_items_and_vectors_makes_no_difference(order: list[int], cut: int) -> None:
    topics, parameters = Topics(), texts("r", 1, 0.5, -1.0)
    for at, number in enumerate(order):
        name = ITEMS[number % 6]
        if number < 6:
            topics.put(CATALOG_ITEMS, name.encode(), item(name))
        else:
            topics.put(CATALOG_EMBEDDINGS, name.encode(), vector(name, "r", number, 1.0))
        if at == cut:
            topics.put(PAGE_RULES, b"home", PageRules("home", 1, ["s"]))
            topics.put(POLICY_PARAMETERS, b"home", parameters)
            topics.catalog.described("home")
    if cut < 12:
        known = topics.catalog.described("home")
        assert known is not None and known.vectors is not None
        assert known.vectors.tolist() == [[number, 1.0] for number in range(6, 12)]


@given(st.permutations(range(4)), st.permutations(range(6)), st.integers(0, 6))
def test_which_items_a_crowded_page_has_does_not_depend_on_what_was_read_first(
    topics_in: list[int], items_in: list[int], looked_at: int
) -> None:
    topics, weights = Topics(), {"price": 0.5}
    fitted = msgspec.structs.replace(texts("r", 1, 1.0, 0.0), scales={"price": (2.0, 1.0)}, weights=weights)
    chosen = Candidates(limit=3, reserve=1)
    told: list[list[tuple[Topic, str, Any]]] = [
        [(PAGE_RULES, "home", PageRules("home", 1, ["s"], candidates=chosen))],
        [(POLICY_PARAMETERS, "home", fitted)],
        [(CATALOG_ITEMS, ITEMS[n], item(ITEMS[n], price=n % 3 * 9, created_at=9 - n)) for n in items_in],
        [(CATALOG_EMBEDDINGS, ITEMS[n], vector(ITEMS[n], "r", -n / 4, 1.0)) for n in items_in if n != 5],
    ]
    for at, (topic, name, value) in enumerate(record for each in topics_in for record in told[each]):
        topics.put(topic, name.encode(), value)
        if at == looked_at and "home" in topics.catalog.rules:
            topics.catalog.candidates("home")
    assert topics.catalog.candidates("home").items == ("i0", "i1", "i2")


def test_a_content_block_that_the_catalog_takes_off_makes_its_pages_due() -> None:
    topics = Topics()
    voucher = item("voucher", category="blocks")
    topics.put(CATALOG_ITEMS, b"voucher", voucher)
    rules = PageRules("home", 1, ["s"], candidates=Candidates(categories=["shoes"]), blocks=["voucher"])
    topics.put(PAGE_RULES, b"home", rules)
    before = topics.catalog.page("home")
    changes = topics.put(CATALOG_ITEMS, b"voucher", msgspec.structs.replace(voucher, available=False))
    after = topics.catalog.page("home")
    assert changes.pages == {"home"} and after.revision > before.revision
    assert after.candidates is before.candidates and not after.bound("s", 1).eligible.any()


def layout(version: int, item_shown: str = "i1") -> Layout:
    slate = {"top": item_shown}
    return Layout(
        page="home", segment="new", version=version, produced_at=100, expires_at=300, epoch=1, template="t",
        policy="thompson", settings_digest="d", rules_version=1, parameters_version=0, catalog_position=[1],
        watermarks={}, holdout_share=0.1, holdout_salt="s", baseline=slate, slates=[slate],
        propensities={"top": {item_shown: 1.0}},
    )  # fmt: skip


def test_a_fingerprint_is_over_what_a_renderer_acts_on() -> None:
    def of(made: Layout) -> bytes:
        return latest_layout_of(encode(made)).fingerprint

    one = layout(1)
    same = msgspec.structs.replace(one, version=2, produced_at=5, rules_version=3, watermarks={"a": [1]})
    assert of(one) == of(same)
    changes: list[dict[str, Any]] = [
        {"epoch": 2},
        {"template": "u"},
        {"policy": "greedy"},
        {"settings_digest": "e"},
        {"baseline": {}},
        {"slates": [{}]},
        {"propensities": {}},
    ]
    for field in changes:
        assert of(msgspec.structs.replace(one, **field)) != of(one)
    assert latest_layout_of(encode(one)).half_life_at == 200
    fell = msgspec.structs.replace(one, guard_rail="clicks", experiment_since=7)
    assert of(fell) == of(one) and latest_layout_of(encode(fell)).content != latest_layout_of(encode(one)).content


def test_an_older_version_on_top_makes_its_key_due() -> None:
    topics = Topics()
    assert not topics.put(LAYOUTS, RAW_KEY, layout(5))
    assert not topics.put(LAYOUTS, RAW_KEY, layout(6))
    assert topics.put(LAYOUTS, RAW_KEY, layout(4)).keys == {KEY}
    assert topics.catalog.latest_layout(KEY).lost and topics.catalog.latest_layout(KEY).version == 6
    assert not topics.put(LAYOUTS, RAW_KEY, layout(7))
    assert not topics.catalog.latest_layout(KEY).lost


def test_what_we_are_publishing_is_not_undone_by_reading_what_we_published_before() -> None:
    topics = Topics()
    ours = latest_layout_of(encode(layout(6)))
    topics.catalog.remember(KEY, ours)
    assert not topics.put(LAYOUTS, RAW_KEY, layout(5))
    assert not topics.put(LAYOUTS, RAW_KEY, layout(6))
    assert topics.catalog.latest_layout(KEY) == ours


def test_a_tombstone_makes_its_key_due_and_keeps_the_version() -> None:
    topics = Topics()
    topics.put(LAYOUTS, RAW_KEY, layout(5))
    assert topics.put(LAYOUTS, RAW_KEY, None).keys == {KEY}
    assert topics.catalog.latest_layout(KEY).version == 5 and not topics.catalog.latest_layout(KEY).live
    assert not topics.put(LAYOUTS, RAW_KEY, None)
