"""`reshelf explain --shelf` over a published layout, counts and parameters on real servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
import redis.asyncio

from reshelf.cli.main import run
from reshelf.inspect.shelves.words import story
from schemas.codec import encode_key
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageShelf
from schemas.rules import NotAbove
from schemas.topics import CATALOG_ITEMS, LAYOUTS, POLICY_PARAMETERS
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.state.arrays.tables import Table
from streams.state.keys import group_of
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.streams.layouts_shop import CLICKS, GROUPS, Shop, open_shop  # noqa: F401  a fixture
from tests.streams.test_layouts_shelves import ITEMS, RULES, SHELVES, SLOTS, TAGS, fitted, layout, page, table
from tests.streams.test_shelf_explanation import EPOCH, alone, explained

NOT_TOLD = "its title and its items cannot be told apart: its items stood on no other shelf"


def delta_of(counts: Table) -> TableDelta:
    """What the learner would have added for these counts."""
    axes = {
        "impressions": (ITEMS, SLOTS), "clicks": (ITEMS, SLOTS), "placed": (ITEMS, SHELVES),
        "shelf_impressions": (SLOTS, SHELVES), "shelf_clicks": (SLOTS, SHELVES),
    }  # fmt: skip
    return TableDelta(
        {
            name: {
                (rows[at], columns[to]): int(counts.counts[name][at, to])
                for at, to in np.argwhere(counts.counts[name]).tolist()
            }
            for name, (rows, columns) in axes.items()
        }
    )


async def count(shop: Shop, counts: Table) -> None:
    await shop.open_namespace()
    group = group_of("home", "s", GROUPS)
    move = GroupUpdate(
        group, 0, Watermark(1), GroupDelta({TableKey("home", "s", 0, Traffic.LEARNED): delta_of(counts)})
    )
    async with redis.asyncio.Redis.from_url(shop.redis.url) as client:
        assert await Store(client, shop.redis.namespace, GROUPS).apply(CLICKS, 0, [move]) == [1]


def test_a_shelf_of_a_running_shop_is_explained(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop, counts = open_shop(broker), table(1)
    for name in ITEMS:
        shop.put(CATALOG_ITEMS, name.encode(), CatalogItem(name, name, tags=TAGS[name]))
    rules = msgspec.structs.replace(RULES, version=8, rules=[NotAbove(name="low", shelf="sale", row="first")])
    shop.declare(rules)
    shop.put(POLICY_PARAMETERS, b"home", fitted(counts))
    published = layout([counts], page(rules), EPOCH)
    shop.put(LAYOUTS, encode_key(LAYOUTS, "home", "s"), published)
    asyncio.run(count(shop, counts))
    shop.in_environment(monkeypatch)
    assert published.row_propensities

    assert run(["explain", "home", "s", "--shelf", "new", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["page"], content["segment"], content["shelf"], content["title"]) == ("home", "s", "new", "New in")
    assert (content["version"], content["of"], content["items"]) == (100, "s", 4)
    assert {row["row"]: row["share"] for row in content["rows"] if row["share"]} == {
        row: shares["new"] for row, shares in published.row_propensities.items() if "new" in shares
    }
    assert sum(row["impressions"] for row in content["rows"]) == counts.counts["shelf_impressions"][:, 0].sum()
    assert content["adds_on_page"]["low"] < content["adds_on_page"]["mean"] < content["adds_on_page"]["high"]
    assert content["period"]["version"] == 100 and content["period"]["since"] == content["period"]["views"] > 0

    assert run(["explain", "home", "s", "--shelf", "sale"]) == 0
    words = capsys.readouterr().out
    for part in (
        "sale\nis ",
        "a grid",
        "may be on it",
        "in version 100",
        "95 % between",
        "not above first by low; holds",
    ):
        assert part in words
    assert run(["explain", "home", "s"]) == 0
    assert "row first: " in capsys.readouterr().out
    assert run(["explain", "home", "other", "--shelf", "new"]) == 0
    assert "no layout is published for this segment yet" in capsys.readouterr().out

    assert run(["explain", "home", "s", "--shelf", "nothing"]) == 1
    assert "page 'home' has no shelf 'nothing'; it has: new, sale, for-you" in capsys.readouterr().err
    assert run(["explain", "home", "s", "i1", "--shelf", "new"]) == 2
    assert "expected an item or a shelf, got both" in capsys.readouterr().err


def test_words_say_what_cannot_be_told_and_what_is_in_doubt() -> None:
    assert NOT_TOLD in story(explained("new", [alone()]), "EUR")
    nothing = story(explained("new", [table(1)]), "EUR")
    assert NOT_TOLD not in nothing and "no layout is published for this segment yet" in nothing
    rows = alone()
    rows.counts["shelf_impressions"][2:, 0] = 100
    assert "a part of that may be theirs" in story(explained("new", [rows]), "EUR")


def test_words_say_that_shelves_may_move_with_the_next_layout() -> None:
    published = layout([table(1)], page(), EPOCH)
    assert "shelves may move at " in story(explained("new", [table(1)], published), "EUR")
    grown = msgspec.structs.replace(published, rules_version=6)
    assert "shelves may move with the next layout" in story(explained("new", [table(1)], grown), "EUR")
    pinned = msgspec.structs.replace(RULES, shelves=[PageShelf("new", pinned="second"), *(RULES.shelves or [])[1:]])
    assert "pinned to second" in story(explained("new", [table(1)], published, pinned), "EUR")


def test_a_page_without_shelves_has_none_to_explain(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = open_shop(broker)
    shop.in_environment(monkeypatch)
    assert run(["explain", "home", "s", "--shelf", "new"]) == 1
    assert "page 'home' has no shelves: it is a list of slots" in capsys.readouterr().err
