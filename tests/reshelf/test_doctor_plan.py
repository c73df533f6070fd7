"""`reshelf doctor --plan`: what a shop of a given size needs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from reshelf.cli.main import cli
from reshelf.doctor.plan import Shop, limits, needs, shop_of, spans
from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.settings import FoldSettings

M = "pages=100, segments=50, items=1000, events_per_s=5000"
SIZES = st.builds(
    Shop,
    pages=st.integers(1, 2_000),
    segments=st.integers(1, 200),
    items=st.integers(1, 5_000),
    events_per_s=st.integers(1, 100_000),
    slots=st.integers(1, 60),
    days=st.integers(1, 400),
)


@given(SIZES, st.sampled_from(["pages", "segments", "items", "events_per_s", "slots", "days"]))
def test_a_larger_shop_never_needs_less(shop: Shop, name: str) -> None:
    larger = Shop(**{field: getattr(shop, field) * (1 + (field == name)) for field in Shop.__slots__})
    pairs = zip(needs(shop, Settings()), needs(larger, Settings()), strict=True)
    assert [before.what for before, after in pairs if after.amount < before.amount] == []


def test_a_shop_of_size_m_by_the_laws() -> None:
    needed = {need.what: need.amount for need in needs(shop_of(M), Settings())}
    assert spans(90, FoldSettings()) == 13
    tables = 2 * 4 + 2 * 9 * 0.5
    assert needed["Redis, state"] == pytest.approx(5_000 * tables * 32 * 1_000 * 3 / 2**30, abs=0.1)
    assert needed["learners"] == 2, "one takes two thirds of a core"
    assert needed["partitions"] == 12
    assert needed["layout workers"] == 2


def test_limits_that_are_near_name_the_setting() -> None:
    fold = FoldSettings(duplicate_mb=512)
    assert list(limits(shop_of(M), fold)) == []
    said = list(limits(shop_of(M), fold.changed(max_keys=6_000, max_page_items=900, duplicate_mb=128)))
    assert said == [
        "fold.duplicate_mb is 128 and 392 would be in use with 12 partitions: set it to 490, or shorten "
        "fold.duplicate_window_ms.",
        "fold.max_keys is 6,000 and 5,000 are in use: set it to 10,000 at least.",
        "fold.max_page_items is 900 and 1,000 are in use: set it to 2,000 at least.",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pages=1, segments=1, items=1", "events_per_s is missing"),
        ("pages=1, shelves=1", "got 'shelves'"),
        ("pages=many", "expected pages as a whole number of at least 1, got 'many'"),
        ("pages=0", "expected pages as a whole number of at least 1, got '0'"),
        ("", "pages, segments, items, events_per_s is missing"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        shop_of(text)


def test_the_command_asks_no_server() -> None:
    answer = CliRunner().invoke(cli, ["doctor", "--plan", M, "--json"])
    assert answer.exit_code == 0, answer.output
    content = json.loads(answer.output)
    assert content["shop"]["segments"] == 50
    assert {"partitions", "learners", "Redis shards"} <= {need["what"] for need in content["needs"]}
