"""The newest layouts in memory, and what a visitor is shown of them."""

from __future__ import annotations

import zlib
from functools import lru_cache
from sys import intern
from typing import Any, NamedTuple

import msgspec
import orjson
from confluent_kafka import Message
from msgspec import UNSET

from policy.assignment import Choice, choose
from policy.segments.rule import UNASSIGNED, choose_segment
from reshelf.edge.answers import JSON, RawHeaders
from reshelf.edge.visitors import Visitor
from reshelf.inspect.layout_store import LayoutStore, unpack
from reshelf.inspect.layouts_topic import take, take_life
from schemas.codec import decode_key, decoder, encode
from schemas.errors import BadRecord
from schemas.messages.layouts import Layout
from schemas.messages.segments import UnitSegment
from schemas.topics import SEGMENTS, UNIT_SEGMENTS
from streams.catalog.segments.model_view import SegmentModelView
from streams.metrics import REGISTRY

WHOLE = "all"
EVERYONE = "*"
_decode_unit = decoder(UnitSegment)


class Answer(NamedTuple):
    """A body of JSON with its entity tag, and the headers to send with it, or without it where it is known.

    It is good until `expires_at`, which the body says, too.
    """

    body: bytes
    etag: bytes
    headers: RawHeaders
    unchanged: RawHeaders
    expires_at: int


class LayoutCache:
    """Filled by one thread, read by another; a body is written once for each variant of a layout and sign of its life.

    `decoded` layouts, those asked for last, are kept decoded with their answers.
    """

    def __init__(self, decoded: int) -> None:
        self._layouts = LayoutStore()
        self._model = SegmentModelView()
        self._unit_segments: dict[str, str] = {}
        self._opened = lru_cache(decoded)(_opened)

    def __len__(self) -> int:
        return len(self._layouts)

    def take(self, message: Message) -> None:
        """Keep the layout of a record where it is newer; a tombstone takes its key away."""
        take(self._layouts, message)

    def take_life(self, message: Message) -> None:
        """Take over how long layouts are good that did not change."""
        take_life(self._layouts.lives, message)

    def take_segments(self, message: Message) -> None:
        """Take over a part of the model of learned segments; what is none is counted and changes nothing."""
        try:
            self._model.take_record(message.key(), message.value())
        except BadRecord:
            REGISTRY.add("reshelf_skipped_records_total", SEGMENTS.name)

    def begin_unit_segments(self) -> None:
        """Forget the segments of visitors: the topic is read from its beginning."""
        self._unit_segments = {}

    def take_unit_segment(self, message: Message) -> None:
        """Take over the segment of a visitor, a null value takes it back; what is none is counted."""
        try:
            (unit,) = decode_key(UNIT_SEGMENTS, message.key())
            value = message.value()
            if value is None:
                self._unit_segments.pop(unit, None)
            else:
                self._unit_segments[unit] = intern(_decode_unit(value).segment)
        except BadRecord:
            REGISTRY.add("reshelf_skipped_records_total", UNIT_SEGMENTS.name)

    def answer_by_items(self, page: str, visitor: Visitor, now_ms: int) -> Answer | None:
        """The same as `answer` for the segment that a visitor is in, which the answer names.

        On a page with learned segments that is chosen by what they looked at, and `t00` while there is no model; where
        neither items nor a segment are said it is the one that is published of them.  On any other page it is the one
        that the visitor is said to be in.
        """
        segment = visitor.segment or EVERYONE
        if self._has_learned_segments(page):
            segment = self._chosen(visitor)
        return self.answer(page, segment, visitor.unit, now_ms, visitor_segment=segment)

    def _chosen(self, visitor: Visitor) -> str:
        if self._model.current is None:
            return UNASSIGNED
        model, points = self._model.current
        if not visitor.items and not visitor.segment:
            published = self._unit_segments.get(visitor.unit or "", UNASSIGNED)
            return published if published in model.names else UNASSIGNED
        return choose_segment(model, points, visitor.items, visitor.segment, visitor.value)

    def _has_learned_segments(self, page: str) -> bool:
        stored = self._layouts.get(page, EVERYONE)
        return stored is not None and self._opened(stored.packed)[0].segments is not UNSET

    def answer(
        self, page: str, segment: str, unit: str | None, now_ms: int, visitor_segment: str = ""
    ) -> Answer | None:
        """The slate that `unit` is shown, or the whole layout where no unit is named.

        A segment without a layout gets the one of `*`.  None where there is no
        layout or it has expired: the visitor gets the renderer's own fallback.  A slate says the `visitor_segment`
        where one is named.
        """
        stored = self._layouts.get(page, segment) or self._layouts.get(page, EVERYONE)
        if stored is None or (expires_at := self._layouts.expires_at(stored)) <= now_ms:
            return None
        layout, answers = self._opened(stored.packed)
        choice = None if unit is None else choose(layout, unit)
        name = WHOLE if choice is None else str(choice.variant)
        if visitor_segment and visitor_segment != layout.segment:
            # Any name may be asked for, so that such answers are not kept.
            return _answer(layout, expires_at, choice, name, visitor_segment)
        name += "+" if visitor_segment else ""
        cached = answers.get(name)
        if cached is None or cached.expires_at != expires_at:
            cached = answers[name] = _answer(layout, expires_at, choice, name, visitor_segment)
        return cached


def _opened(packed: bytes) -> tuple[Layout, dict[str, Answer]]:
    """A layout, and what was answered of it by variant."""
    return unpack(packed), {}


def _answer(layout: Layout, expires_at: int, choice: Choice | None, name: str, visitor_segment: str) -> Answer:
    segments = zlib.crc32(
        f"{layout.segment}\n{visitor_segment}".encode() if visitor_segment else layout.segment.encode()
    )
    etag = f'"{segments:08x}-{layout.version}-{expires_at}-{name}"'.encode()
    if choice is None:
        return _tagged(encode(msgspec.structs.replace(layout, expires_at=expires_at)), etag, expires_at)
    content = {
        "page": layout.page,
        "segment": layout.segment,
        "version": layout.version,
        "expires_at": expires_at,
        "variant": choice.variant,
        "slate": dict(choice.slate),
    }
    if visitor_segment:
        content["visitor_segment"] = visitor_segment
    return _tagged(orjson.dumps(content | _shelves(layout, choice)), etag, expires_at)


def _shelves(layout: Layout, choice: Choice) -> dict[str, Any]:
    """Which shelf stands in which row of a slate, and what these shelves are called; nothing of a flat page."""
    if layout.rows is UNSET or layout.shelves is UNSET:
        return {}
    standing = set(choice.rows.values())
    about = {name: msgspec.to_builtins(shelf) for name, shelf in layout.shelves.items() if name in standing}
    return {"rows": dict(choice.rows), "shelves": about}


def _tagged(body: bytes, etag: bytes, expires_at: int) -> Answer:
    unchanged = ((b"etag", etag), (b"cache-control", b"private, no-cache"))
    about = ((b"content-length", str(len(body)).encode()), (b"content-type", JSON.encode()))
    return Answer(body, etag, (*about, *unchanged), unchanged, expires_at)
