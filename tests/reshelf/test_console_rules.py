"""What the console publishes is there for whoever looks next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest

from reshelf.console.live_view import LiveView, live_view
from reshelf.console.views.rules import published, rules_content, taken_back
from reshelf.rules.file import written
from reshelf.rules.topic import Overtaken, newest, publish
from reshelf.settings import Settings
from schemas.errors import BadSettings
from schemas.messages.pages import PageRules
from streams.settings import KafkaSettings, RedisSettings
from tests.reshelf.console_view import console_view

PAGE = "page: home\nslots: [s1, s2]\n"


def test_whoever_is_told_of_a_version_finds_it_and_can_go_back_at_once(
    broker: str, prefix: str, make_topics: Callable[..., None], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reshelf.console.views.rules.READ_S", 60.0)
    make_topics(broker)
    settings = Settings(kafka=KafkaSettings(bootstrap=broker, prefix=prefix), redis=RedisSettings(url=redis_url))

    def edited(view: LiveView) -> list[tuple[int, list[int]]]:
        def seen(done: dict[str, Any]) -> tuple[int, list[int]]:
            """The version that was published, and those of the history when that was told."""
            (page,) = done["published"]
            content = rules_content(view, view.catalog.rules["home"])
            return page["version"], [row["version"] for row in content["history"]]

        signed = {"author": "mira", "reason": "shoe week", "page": "home"}
        steps = [seen(published(view, signed | {"text": PAGE, "version": 0}))]
        pinned = PAGE + "rules: [{kind: pin, name: p, item: b, slot: s1}]\n"
        steps.append(seen(published(view, signed | {"text": pinned, "version": 1})))
        steps.append(seen(taken_back(view, signed | {"version": 1, "base": view.catalog.rules["home"].version})))
        steps.append(seen(taken_back(view, signed | {"version": 2, "base": view.catalog.rules["home"].version})))
        return steps

    def failed(error: BaseException) -> None:
        raise error

    async def edit() -> list[tuple[int, list[int]]]:
        async with live_view(settings, failed) as view:
            return await asyncio.to_thread(edited, view)

    assert asyncio.run(edit()) == [(1, [1]), (2, [2, 1]), (3, [3, 2, 1]), (4, [4, 3, 2, 1])]


def test_of_two_who_go_back_from_the_console_the_second_is_told_of_the_first(
    broker: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    for slots in (["a"], ["b"], ["c"]):
        publish(kafka, [PageRules("home", 0, slots)], "mira", "", 1)
    view = console_view(Settings(kafka=kafka))
    back = {"page": "home", "version": 1, "base": 3, "author": "ann"}
    assert taken_back(view, back) == {"published": [{"page": "home", "version": 4}]}
    for late in (back | {"version": 2, "author": "tom"}, back | {"author": "tom"}):
        with pytest.raises(Overtaken, match="ann published version 4 meanwhile: expected to change version 3"):
            taken_back(view, late)
    with pytest.raises(BadSettings, match="base: expected the version that is in force"):
        taken_back(view, {"page": "home", "version": 1, "author": "tom"})
    text = written([PageRules("home", 0, ["d"])], UTC)
    for unseen in ({"page": "other", "version": 0}, {"page": "home", "version": 3}, {}):
        with pytest.raises(Overtaken, match="ann published version 4 meanwhile"):
            published(view, {"text": text, "author": "tom", "reason": "new", **unseen})
    assert newest(kafka)["home"].version == 4
