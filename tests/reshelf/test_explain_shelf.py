"""`reshelf explain --shelf` over a published layout, counts and parameters on real servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import redis.asyncio
from aiohttp import ClientSession

from policy.assignment import choose
from reshelf.cli.main import run
from reshelf.console.web import served
from reshelf.inspect.shelves.words import story
from reshelf.service_settings import ConsoleSettings
from reshelf.settings import Settings
from schemas.codec import encode_key
from schemas.messages.catalog import CatalogItem
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageShelf
from schemas.rules import NotAbove
from schemas.topics import CATALOG_ITEMS, LAYOUTS, POLICY_PARAMETERS
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.state.arrays.tables import Table
from streams.state.keys import group_of
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.deadline import Deadline
from tests.streams.layouts_shop import CLICKS, FOLD, GROUPS, Shop, open_shop  # noqa: F401  a fixture
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


def publish(shop: Shop, counts: Table) -> Layout:
    """The page, its items, what is fitted and counted of it, and a layout."""
    for name in ITEMS:
        shop.put(CATALOG_ITEMS, name.encode(), CatalogItem(name, name, tags=TAGS[name]))
    rules = msgspec.structs.replace(RULES, version=8, rules=[NotAbove(name="low", shelf="sale", row="first")])
    shop.declare(rules)
    shop.put(POLICY_PARAMETERS, b"home", fitted(counts))
    published = msgspec.structs.replace(layout([counts], page(rules), EPOCH), expires_at=4_000_000_000_000)
    shop.put(LAYOUTS, encode_key(LAYOUTS, "home", "s"), published)
    asyncio.run(count(shop, counts))
    return published


def test_a_shelf_of_a_running_shop_is_explained(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop, counts = open_shop(broker), table(1)
    published = publish(shop, counts)
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
        "95% between",
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


async def answers(settings: Settings, *paths: str) -> list[dict[str, Any]]:
    """What the console answers, once it has read the layout and looked at the state."""
    ended = asyncio.get_running_loop().create_future()
    async with served(settings, ended) as address, ClientSession(address) as session:
        contents, end = [], Deadline(30)
        for path in paths:
            while True:
                async with session.get("/api/" + path) as answer:
                    content = await answer.json(content_type=None) if answer.status == 200 else {}
                if content.get("version") or content.get("published"):
                    break
                assert end.ahead, (path, answer.status, content)
                await asyncio.sleep(0.1)
            contents.append(content)
        return contents


def test_the_console_shows_rows_of_shelves_and_why_one_stands_there(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
) -> None:
    shop, counts = open_shop(broker), table(1)
    published = publish(shop, counts)
    console = ConsoleSettings(port=0)
    settings = Settings(kafka=shop.kafka, redis=shop.redis, fold=FOLD, layouts=shop.layouts, console=console)
    of = "page=home&segment=s"
    content, shelf, first, item = asyncio.run(
        answers(settings, f"shop?{of}&unit=u", f"why?{of}&shelf=sale", f"why?{of}&shelf=nothing", f"why?{of}")
    )
    choice = choose(published, "u")
    assert {row["row"]: row["shelf"] for row in content["rows"]} == dict(choice.rows)
    assert [slot["slot"] for slot in content["slots"]] == [slot for row in content["rows"] for slot in row["slots"]]
    assert {slot["slot"]: slot["item"] for slot in content["slots"] if slot["item"]} == dict(choice.slate)
    for row in content["rows"]:
        assert row["title"] == {"new": "New in"}.get(row["shelf"], row["shelf"])
        assert published.row_propensities
        assert row["share"] == published.row_propensities.get(row["row"], {}).get(row["shelf"], 0.0)
    assert [each["shelf"] for each in item["shelves"]] == list(SHELVES)
    assert (shelf["shelf"]["shelf"], first["shelf"]["shelf"]) == ("sale", "new")
    texts = [" ".join((fact["title"], fact["value"], fact["text"])) for fact in shelf["shelf"]["facts"]]
    assert any("not above first by low; holds" in text for text in texts)
    assert {*item["arm"]["shelves"]} <= set(SHELVES) and item["arm"]["shelves"]
