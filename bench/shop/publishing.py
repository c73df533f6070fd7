"""A merchandiser's draft in the console of a shop: previewed, published, and on the topic of layouts."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from confluent_kafka import Message

from bench.shop.catalog import number_in
from bench.shop.child import Part
from bench.shop.workplace import Workplace
from reshelf.console.followed.topic_tail import TopicTail
from schemas.codec import decode_key, decoder
from schemas.errors import ReshelfError
from schemas.messages.layouts import Layout
from schemas.topics import LAYOUTS
from streams.catalog.page import Key

QUIET_S = 5.0
"""A worker that has made no layout for so long has come to rest."""
LOOK_S = 0.25
REASON = "to see how long it takes"

_decode = decoder(Layout)


def measure_draft(at: Workplace, console: Part, key: Key) -> dict[str, Any]:
    """How long a draft of two pins and two boosts takes until it is priced, is published, and is in layouts.

    Milliseconds; `alone` is until it is seen how one segment's page would look, `cpu_of_one` what a preview takes of a
    processor.  `in_layouts_ms` are those from publishing to the
    first layout with the pin, and to that of the last segment.  A layout worker runs beside the console, and has come
    to rest before.
    """
    limit_s = at.options.ready_s
    with at.part("layouts") as layouts:
        layouts.started(limit_s)
        _wait_for_rest(layouts, limit_s)
        page, edits = {"page": key.page}, _edits(at, key.page)
        text = _answer(console, "/api/rules/draft", page | {"edits": edits}, limit_s)[1]["text"]
        draft = page | {"text": text, "segment": key.segment}
        alone_ms, _ = _answer(console, "/api/rules/preview", draft | {"alone": True}, limit_s)
        cpu_s = console.cpu_s()
        previews = [_answer(console, "/api/rules/preview", draft, limit_s)[0] for _ in range(2)]
        previews.append(round(500 * (console.cpu_s() - cpu_s)))
        version = json.loads(console.get(f"/api/rules?{urlencode(page | {'brief': 1})}", limit_s)[1])["version"]
        pinned = _Pinned(key.page, edits[0]["rule"]["slot"], edits[0]["rule"]["item"])
        tail = TopicTail(at.settings.kafka, LAYOUTS, pinned.take, last=0)
        tail.read()
        began_ms = time.time() * 1000
        body = draft | {"version": version, "author": "bench", "reason": REASON}
        published_ms, _ = _answer(console, "/api/rules/publish", body, limit_s)
        segments = {each.segment for each in at.shop.layout_keys() if each.page == key.page}
        until = time.monotonic() + limit_s
        while not segments <= pinned.since.keys() and layouts.alive and time.monotonic() < until:
            tail.read()
        tail.close()
    seen = [round(since - began_ms) for since in pinned.since.values()]
    return {
        "preview_ms": {"alone": alone_ms, **dict(zip(("first", "again", "cpu_of_one"), previews, strict=True))},
        "publish_ms": published_ms,
        "in_layouts_ms": {"first": min(seen, default=None), "all": max(seen) if len(seen) >= len(segments) else None},
    }


@dataclass(slots=True)
class _Pinned:
    """Since when the layouts of a page have an item in a slot of every slate, by segment, in milliseconds."""

    page: str
    slot: str
    item: str
    since: dict[str, int] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        """Look at a record of the topic."""
        key, value = message.key(), message.value()
        if not isinstance(key, bytes) or not value:
            return
        page, segment = decode_key(LAYOUTS, key)
        if page == self.page and segment not in self.since:
            layout: Layout = _decode(value)
            if all(slate.get(self.slot) == self.item for slate in layout.slates):
                self.since[segment] = message.timestamp()[1]


def _edits(at: Workplace, page: str) -> list[dict[str, Any]]:
    """Two pins, one of them soft, and two boosts of the items of a brand."""
    last, before, *others = reversed(at.shop.candidates(number_in(page)))
    brands = dict.fromkeys(at.shop.item(number_in(item)).brand for item in others[:2])
    rules = [
        {"kind": "pin", "name": "pin", "item": last, "slot": at.shop.slots[0]},
        {"kind": "pin", "name": "soft pin", "item": before, "slot": at.shop.slots[4], "or_above": True},
        *({"kind": "boost", "name": brand, "match": {"brands": [brand]}, "factor": 1.5} for brand in brands),
    ]
    return [{"do": "put", "rule": rule} for rule in rules]


def _answer(console: Part, path: str, body: Mapping[str, Any], timeout_s: float) -> tuple[int, dict[str, Any]]:
    """How long an answer takes, in milliseconds, and what it says; raises ReshelfError where it is none."""
    began = time.perf_counter()
    status, content = console.post(path, body, timeout_s)
    took = round(1000 * (time.perf_counter() - began))
    if status != 200:
        raise ReshelfError(f"{path} of the console: expected status 200, got {status}: {content[:500].decode()}")
    answer: dict[str, Any] = json.loads(content)
    return took, answer


def _wait_for_rest(layouts: Part, limit_s: float) -> None:
    """Until it makes no more layouts, or the time is over."""
    composed, at = -1.0, time.monotonic()
    until = at + limit_s
    while layouts.alive and time.monotonic() < min(until, at + QUIET_S):
        if (now := layouts.count("reshelf_layouts_total")) != composed:
            composed, at = now, time.monotonic()
        time.sleep(LOOK_S)
