"""The console's page of learned segments, as the server answers for it."""

from __future__ import annotations

import asyncio

import pytest

from reshelf.console.live_view import LiveView
from reshelf.console.views.segments import segments
from reshelf.settings import Settings
from schemas.codec import encode, encode_key
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.messages.segments import LearnedSegment, SegmentModel
from schemas.topics import CATALOG_ITEMS
from streams.fitter.segments import published
from streams.settings import RedisSettings
from streams.state.connection.client import redis_client
from tests.streams.logs import LoggedRecord

PAN = CatalogItem("pan", "Iron pan", "", "kitchen", "", 990, "EUR", True, 1)
ABOUT = [LearnedSegment(30, 0.75, ["kitchen"], ["pan", "gone"]), LearnedSegment(10, 0.25)]


def test_segments_are_shown_with_their_versions_and_what_items_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = LiveView(Settings(), redis_client(RedisSettings()))
    assert asyncio.run(segments(seen)) == {"model": None, "segments": [], "versions": [], "pages": []}
    seen.catalog.rules |= {
        "home": PageRules("home", 1, ["s1"], segments="learned"),
        "cart": PageRules("cart", 1, ["s1"]),
    }
    record = LoggedRecord(0, 0, encode_key(CATALOG_ITEMS, "pan"), encode(PAN))
    seen.catalog.take(CATALOG_ITEMS, 0, [record])
    model = SegmentModel(3, 1, 1, ["t01", "t02"], [0, 0], 0, segments=ABOUT)
    seen.catalog.segment_model.current = model, {}
    read = [SegmentModel(2, 1, 1, [], [], 0, gain=0.1), model]
    monkeypatch.setattr(published, "history", lambda kafka: read.copy())
    content = asyncio.run(segments(seen))
    assert content["model"]["version"] == 3 and content["model"]["names"] == ["t01", "t02"]
    shown = [(one["name"], one["share"], one["words"]) for one in content["segments"]]
    assert shown == [("t01", 0.75, ["kitchen"]), ("t02", 0.25, [])]
    assert [item["title"] for item in content["segments"][0]["items"]] == ["Iron pan", "gone"]
    assert [one["version"] for one in content["versions"]] == [3, 2]
    assert content["versions"][1]["likelier"] == pytest.approx(0.105, abs=0.001)
    assert content["pages"] == [{"page": "home", "gains": []}]
    read.append(model)
    assert len(asyncio.run(segments(seen))["versions"]) == 2, "the history is read once for each version"
