"""Rows of a click store: fingerprints of a unit and of what a row is found by, a time and an offset, as bytes.

A click lies under its item, and under its family where it has one; so does the first signal of each kind, under
those of its click.  A line of an order lies under its order and under its click.  The names of units are
not stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from policy.attribution.clicks import ClickRecord, Match, SignalRecord
from policy.attribution.outcomes import OrderLine, ReturnedLine
from schemas.messages.events import Conversion, Credit

FINGERPRINT = 8
"""Bytes of the fingerprint of a unit, and of what a row is found by."""
_PLACE = Struct(">qq")
END_OF_TIME = LAST = (1 << 63) - 1
"""Later than whatever an event claims."""


class StoredClick(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is stored under a click's key: one msgpack array.  `delay` is from the event to its append."""

    delay: int
    click_id: str
    page: str
    segment: str
    slot: str
    layout_version: int
    variant: int
    item: str = ""
    family: str = ""


class StoredSignal(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is stored under a signal's key."""

    delay: int
    kind: str
    clicked_at: int
    click_offset: int
    click: StoredClick


class StoredLine(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is stored of a line of an order."""

    append_time: int
    conversion: Conversion


class StoredReturn(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is stored of a line of a return."""

    append_time: int
    credit: Credit


class Row(NamedTuple):
    """A row, and the time (ms) that decides which bucket it lies in."""

    time: int
    key: bytes
    content: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode_click = msgspec.msgpack.Decoder(StoredClick).decode
_decode_signal = msgspec.msgpack.Decoder(StoredSignal).decode
_decode_line = msgspec.msgpack.Decoder(StoredLine).decode
_decode_return = msgspec.msgpack.Decoder(StoredReturn).decode


@lru_cache(maxsize=10_000)
def fingerprint(name: str) -> bytes:
    """A unit, or what a row is found by, as part of a key; two that share it may be expected among 2^32 names."""
    return blake2b(name.encode(), digest_size=FINGERPRINT).digest()


def place(time: int, offset: int) -> bytes:
    """The end of a key: rows of one prefix are in the order of these."""
    return _PLACE.pack(time, offset)


def clicks_prefix(unit: str, match: Match) -> bytes:
    """What the keys of a unit's clicks on an item, or a family, begin with."""
    return fingerprint(unit) + fingerprint(match.name if match.by == "item" else f"family\0{match.name}")


def signals_prefix(unit: str, match: Match) -> bytes:
    """Likewise of its signals that were credited to such clicks."""
    return fingerprint(unit) + fingerprint(f"signal\0{match.by}\0{match.name}")


def order_prefix(unit: str, order_id: str) -> bytes:
    """Likewise of the lines of an order."""
    return fingerprint(unit) + fingerprint(f"order\0{order_id}")


def returned_prefix(unit: str, order_id: str) -> bytes:
    """Likewise of what was returned of an order."""
    return fingerprint(unit) + fingerprint(f"returned\0{order_id}")


def converted_prefix(unit: str, click_id: str) -> bytes:
    """Likewise of the lines that were credited to a click."""
    return fingerprint(unit) + fingerprint(f"click\0{click_id}")


def click_rows(unit: str, click: ClickRecord) -> Iterator[Row]:
    """The rows of a click."""
    stored = _stored(click)
    for match in _of_click(click):
        content = _encode(replace(stored, item="") if match.by == "item" else stored)
        yield Row(click.occurred_at, clicks_prefix(unit, match) + place(click.occurred_at, click.offset), content)


def signal_rows(unit: str, signal: SignalRecord) -> Iterator[Row]:
    """The rows of a signal."""
    click, time = signal.click, signal.occurred_at
    delay = signal.append_time - time
    content = _encode(StoredSignal(delay, signal.kind, click.occurred_at, click.offset, _stored(click)))
    for match in _of_click(click):
        yield Row(time, signals_prefix(unit, match) + place(time, signal.offset), content)


def line_rows(unit: str, line: OrderLine) -> Iterator[Row]:
    """The rows of a line of an order, by when its purchase was appended."""
    event = line.conversion
    content = _encode(StoredLine(line.append_time, event))
    for prefix in (order_prefix(unit, event.order_id), converted_prefix(unit, event.click_id)):
        yield Row(line.append_time, prefix + place(line.offset, event.line), content)


def returned_rows(unit: str, line: ReturnedLine) -> Iterator[Row]:
    """The row of a line of a return, by when that was appended."""
    content, number = _encode(StoredReturn(line.append_time, line.credit)), line.credit.event_id.rpartition("/")[2]
    prefix = returned_prefix(unit, line.credit.order_id)
    yield Row(line.append_time, prefix + place(line.offset, int(number)), content)


def read_click(item: str, key: bytes, content: bytes) -> ClickRecord:
    """The click of a row; `item` is its item where the row does not say it, as those of older versions do not."""
    occurred_at, offset = _PLACE.unpack(key[2 * FINGERPRINT :])
    return _click(_decode_click(content), item, occurred_at, offset)


def read_signal(key: bytes, content: bytes) -> SignalRecord:
    """The signal of a row."""
    occurred_at, offset = _PLACE.unpack(key[2 * FINGERPRINT :])
    stored = _decode_signal(content)
    click = _click(stored.click, "", stored.clicked_at, stored.click_offset)
    return SignalRecord(offset, occurred_at + stored.delay, occurred_at, stored.kind, click)


def read_line(key: bytes, content: bytes) -> OrderLine:
    """The line of an order of a row."""
    offset, _ = _PLACE.unpack(key[2 * FINGERPRINT :])
    stored = _decode_line(content)
    return OrderLine(offset, stored.append_time, stored.conversion)


def read_returned(key: bytes, content: bytes) -> ReturnedLine:
    """The line of a return of a row."""
    offset, _ = _PLACE.unpack(key[2 * FINGERPRINT :])
    stored = _decode_return(content)
    return ReturnedLine(offset, stored.append_time, stored.credit)


def _of_click(click: ClickRecord) -> list[Match]:
    return [Match("item", click.item), *([Match("family", click.family)] if click.family else [])]


def _stored(click: ClickRecord) -> StoredClick:
    return StoredClick(
        delay=click.append_time - click.occurred_at,
        click_id=click.click_id,
        page=click.page,
        segment=click.segment,
        slot=click.slot,
        layout_version=click.layout_version,
        variant=click.variant,
        item=click.item,
        family=click.family,
    )


def _click(stored: StoredClick, item: str, occurred_at: int, offset: int) -> ClickRecord:
    return ClickRecord(
        offset=offset,
        append_time=occurred_at + stored.delay,
        occurred_at=occurred_at,
        click_id=stored.click_id,
        page=stored.page,
        segment=stored.segment,
        slot=stored.slot,
        item=stored.item or item,
        layout_version=stored.layout_version,
        variant=stored.variant,
        family=stored.family,
    )
