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

import msgspec

from policy.attribution.clicks import ClickRecord, Match, SignalRecord, matches
from policy.attribution.outcomes import OrderLine, ReturnedLine
from schemas.messages.events import Conversion, Credit

FINGERPRINT = 8
"""Bytes of the fingerprint of a unit, and of what a row is found by."""
_PLACE = Struct(">qq")
Row = tuple[int, bytes, bytes]
"""The time (ms) that decides which bucket a row lies in, its key and its content."""
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
    shelf: str = ""


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


def click_rows(unit: str, click: ClickRecord) -> list[Row]:
    """The rows of a click; that of its item does not say it again."""
    time = click.occurred_at
    end = place(time, click.offset)
    rows = [(time, clicks_prefix(unit, Match("item", click.item)) + end, _encode(_stored(click, "")))]
    if click.family:
        prefix = clicks_prefix(unit, Match("family", click.family))
        rows.append((time, prefix + end, _encode(_stored(click, click.item))))
    return rows


def signal_rows(unit: str, signal: SignalRecord) -> list[Row]:
    """The rows of a signal."""
    click, time = signal.click, signal.occurred_at
    stored = _stored(click, click.item)
    delay, end = signal.append_time - time, place(time, signal.offset)
    content = _encode(StoredSignal(delay, signal.kind, click.occurred_at, click.offset, stored))
    return [(time, signals_prefix(unit, match) + end, content) for match in matches(click.item, click.family)]


def line_rows(unit: str, line: OrderLine) -> Iterator[Row]:
    """The rows of a line of an order, by when its purchase was appended."""
    event = line.conversion
    content = _encode(StoredLine(line.append_time, event))
    for prefix in (order_prefix(unit, event.order_id), converted_prefix(unit, event.click_id)):
        yield line.append_time, prefix + place(line.offset, event.line), content


def returned_rows(unit: str, line: ReturnedLine) -> Iterator[Row]:
    """The row of a line of a return, by when that was appended."""
    content, number = _encode(StoredReturn(line.append_time, line.credit)), line.credit.event_id.rpartition("/")[2]
    prefix = returned_prefix(unit, line.credit.order_id)
    yield line.append_time, prefix + place(line.offset, int(number)), content


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


def _stored(click: ClickRecord, item: str) -> StoredClick:
    return StoredClick(
        click.append_time - click.occurred_at,
        click.click_id,
        click.page,
        click.segment,
        click.slot,
        click.layout_version,
        click.variant,
        item,
        click.family,
        click.shelf,
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
        shelf=stored.shelf,
    )
