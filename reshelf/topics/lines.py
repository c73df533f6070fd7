"""Lines of JSON as records of a topic, held against each other and against what is so for the shop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Any, BinaryIO, NamedTuple

import msgspec

from schemas.codec import decoder, encode_key
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogItem
from schemas.similar_names import SimilarNames
from schemas.times import moments_of, odd_moments, read_moments
from schemas.topic import Topic
from schemas.topics import CATALOG_ITEMS, PAGE_RULES

MOST_WARNINGS = 1_000


class Line(NamedTuple):
    """A record to send; `value` is None for a tombstone."""

    number: int
    key: bytes
    value: bytes | None


class Shop(NamedTuple):
    """What lines are read by: dates without a zone are in `zone`, prices in `currency`; empty: in any."""

    zone: tzinfo = UTC
    currency: str = ""


class Tombstone(msgspec.Struct, forbid_unknown_fields=True):
    """How a null value is written in a line."""

    key: str | tuple[str, str]
    value: None


class LineCheck:
    """Checks lines of one topic one after the other; `warnings` says what can only be a mistake and is not refused."""

    def __init__(self, topic: Topic, shop: Shop, each: str = "line") -> None:
        self.warnings: list[str] = []
        self.warned = 0
        self._topic, self._shop, self._each = topic, shop, each
        self._line_of: dict[bytes, int] = {}
        self._names = {kind: SimilarNames(kind) for kind in ("item", "category", "brand", "tag")}

    def check(self, number: int, text: bytes) -> None:
        """Raise `BadRecord` where a line does not fit."""
        message, line = _parsed(number, text, self._topic, self._shop)
        for path, odd in odd_moments(message) if message is not None else ():
            raise BadRecord("invalid", f"{odd} - at `$.{path}`")
        self._require_once(line, message)
        if isinstance(message, CatalogItem):
            self._check_item(number, message, b'"currency"' in text)

    def _require_once(self, line: Line, message: Any) -> None:
        if self._topic.event and message is not None:
            identity, name = message.event_id.encode(), f"event_id {message.event_id!r}"
        elif self._topic in (CATALOG_ITEMS, PAGE_RULES):
            identity, name = line.key, f"{self._topic.key} {line.key.decode()!r}"
        else:
            return
        first = self._line_of.setdefault(identity, line.number)
        if first != line.number:
            raise BadRecord("repeated", f"{name} is in the file already, in {self._each} {first}: expected each once")

    def _check_item(self, number: int, item: CatalogItem, priced: bool) -> None:
        currency = self._shop.currency
        if currency and priced and item.price and item.currency != currency:
            raise BadRecord(
                "currency", f"expected prices in {currency} (fold.currency), got {item.currency} - at `$.currency`"
            )
        labels = {"item": [item.item], "category": [item.category], "brand": [item.brand], "tag": item.tags}
        for kind, names in labels.items():
            for said in self._names[kind].take_all(names):
                self.warned += 1
                if self.warned <= MOST_WARNINGS:
                    self.warnings.append(f"{self._each} {number}: {said}")


def record(number: int, text: bytes, topic: Topic, shop: Shop) -> Line:
    """The record of one line; raises `BadRecord`."""
    return _parsed(number, text, topic, shop)[1]


def numbered(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, with their numbers."""
    for number, line in enumerate(lines, 1):
        if text := line.strip():
            yield number, text


def _parsed(number: int, text: bytes, topic: Topic, shop: Shop) -> tuple[Any, Line]:
    """The message of a line, None for a tombstone, and its record."""
    assert topic.message is not None
    key = _tombstone(text)
    if key is None:
        message, value = _message(text, topic, shop)
        return message, Line(number, _key(topic, message), value)
    if not topic.tombstone:
        raise BadRecord("tombstone", f"expected a message: a null value means nothing in {topic.name}")
    if not all(key) or (len(key) == 2) != (topic.key == "page, segment"):
        raise BadRecord("key", f"expected {topic.key}, got {json.dumps(key)} - at `$.key`")
    return None, Line(number, encode_key(topic, *key), None)


def _message(text: bytes, topic: Topic, shop: Shop) -> tuple[Any, bytes]:
    """The message, and its JSON with milliseconds in place of dates."""
    assert topic.message is not None
    decode = decoder(topic.message)
    try:
        return decode(text), text
    except BadRecord as error:
        if error.reason != "invalid" or not moments_of(topic.message):
            raise
        refusal = error
    try:
        content = read_moments(msgspec.json.decode(text), topic.message, shop.zone)
    except ValueError as error:
        raise BadRecord("invalid", str(error)) from None
    if content == msgspec.json.decode(text):
        raise refusal
    value = msgspec.json.encode(content)
    return decode(value), value


def _tombstone(text: bytes) -> tuple[str, ...] | None:
    try:
        key = msgspec.json.decode(text, type=Tombstone).key
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return (key,) if isinstance(key, str) else key


def _key(topic: Topic, message: Any) -> bytes:
    """Keys are named after the fields that hold them."""
    return encode_key(topic, *(getattr(message, field) for field in topic.key.split(", ")))
