"""What content is that was expected to be JSON in UTF-8, and what to do; asked only where it cannot be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from schemas.times import moment, odd_unit

LARGEST = 65_536
"""Bytes of a value that are looked into."""
BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xef\xbb\xbf", "begins with a byte order mark (BOM): write UTF-8 without it"),
    (b"\xff\xfe\x00\x00", "is text in UTF-32: write UTF-8"),
    (b"\x00\x00\xfe\xff", "is text in UTF-32: write UTF-8"),
    (b"\xff\xfe", "is text in UTF-16: write UTF-8"),
    (b"\xfe\xff", "is text in UTF-16: write UTF-8"),
    (b"{\x00", "is text in UTF-16: write UTF-8"),
    (b"\x00{", "is text in UTF-16: write UTF-8"),
    (b"\x1f\x8b", "is compressed by gzip: send it unpacked; Kafka compresses by itself (compression.type)"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd: send it unpacked; Kafka compresses by itself (compression.type)"),
    (b"\x04\x22\x4d\x18", "is compressed by LZ4: send it unpacked; Kafka compresses by itself (compression.type)"),
    (b"\xff\x06\x00\x00sNaPpY", "is compressed by Snappy: send it unpacked; Kafka compresses by itself"),
    (b"\x82SNAPPY", "is compressed by Snappy: send it unpacked; Kafka compresses by itself"),
    (b"BZh", "is compressed by bzip2: send it unpacked"),
    (b"PK\x03\x04", "is a ZIP archive, as spreadsheets are, too: unpack it, or export text"),
    (b"PAR1", "is a file of Parquet: write JSON, one object for each row"),
    (b"Obj\x01", "is a file of Avro: write JSON"),
    (b"\xac\xed\x00\x05", "is an object as Java serialises it: write JSON"),
)
REGISTRY = (
    "is framed for a schema registry (a zero byte and schema id {id}) and holds {what}: produce with a plain {kind} "
    "serializer; in Kafka Connect set {side}.converter to {converter}"
)
JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter and {side}.converter.schemas.enable to false"
TEXT_CONVERTER = "org.apache.kafka.connect.storage.StringConverter"
ENVELOPE = (
    "is an envelope of Kafka Connect (`schema` and `payload`): set {side}.converter.schemas.enable to false, so that "
    "the payload is sent alone"
)
CHANGE = "is a change event of Debezium (`before`, `after`, `op`): add its transform ExtractNewRecordState"
XML = (
    "is XML: write JSON; a Google Merchant feed of products is read by `reshelf publish --topic catalog-items --format "
    "google-xml`"
)
ROWS = (
    "is a row of values between {sign}: write JSON objects; catalog feeds of Google Merchant and Shopify are read by "
    "`reshelf publish --topic catalog-items --format` google-tsv or shopify-csv"
)
SEPARATORS = ((b"\t", "tabs"), (b";", "semicolons"), (b",", "commas"), (b"|", "bars"))
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PATH = re.compile(r"at `\$\.(\w+)`$")


def content_of(value: bytes) -> str:
    """What a value is instead of one JSON object, and what to do, as the rest of a sentence; empty where unknown."""
    if said := _beginning(value):
        return said
    if _is_framed(value):
        what = "JSON" if value[5:6] in (b"{", b"[") else "Avro or Protobuf"
        converter = JSON_CONVERTER.format(side="value")
        return REGISTRY.format(id=_schema_id(value), what=what, kind="JSON", side="value", converter=converter)
    start = value[:LARGEST].lstrip()
    kind: Callable[[bytes], str] = _json if start[:1] in (b"{", b"[", b'"') else _text
    return kind(start) or _latin(value[:LARGEST])


def encoding_of(content: bytes) -> str:
    """What hinders a file from being read as text in UTF-8, and what to do; empty where unknown."""
    return _beginning(content) or _latin(content[:LARGEST])


def _beginning(value: bytes) -> str:
    return next((said for beginning, said in BEGINNINGS if value.startswith(beginning)), "")


def key_of(key: bytes | None) -> str:
    """What a record's key is instead of a name in UTF-8, and what to do; empty where it may be one."""
    if not key:
        return ""
    if said := _beginning(key):
        return said
    if _is_framed(key):
        return REGISTRY.format(id=_schema_id(key), what="a key", kind="text", side="key", converter=TEXT_CONVERTER)
    content = _decoded(key) if key[:1] in (b"{", b'"') else None
    if isinstance(content, str):
        return f"is JSON, a text in quotes: use a text serializer (in Kafka Connect, {TEXT_CONVERTER})"
    if isinstance(content, dict):
        return (
            ENVELOPE.format(side="key") if content.keys() == {"schema", "payload"} else "is a JSON object, not a name"
        )
    return ""


def remedy(value: object, error: Exception) -> str:
    """What to say beside the error of a decoder; empty where nothing is known."""
    if not isinstance(value, bytes | bytearray | memoryview):
        return ""
    try:
        raw = bytes(value)
        said = content_of(raw)
        if said:
            return f"the value {said}"
        return _moment(raw, str(error)) if isinstance(error, msgspec.ValidationError) else ""
    except (ValueError, RecursionError, OverflowError, msgspec.DecodeError):
        return ""


def _is_framed(value: bytes) -> bool:
    return len(value) > 5 and value[0] == 0 and 0 < _schema_id(value) < 10**8


def _schema_id(value: bytes) -> int:
    return int.from_bytes(value[1:5], "big")


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _json(start: bytes) -> str:
    content = _decoded(start) if len(start) < LARGEST else None
    if isinstance(content, dict):
        if content.keys() == {"schema", "payload"}:
            return ENVELOPE.format(side="value")
        return CHANGE if {"after", "op"} <= content.keys() else ""
    if isinstance(content, list):
        return "is a list: send each of its elements in a record of its own"
    if isinstance(content, str):
        return "is JSON within JSON, a text in quotes: encode the object once" if content[:1] in ("{", "[") else ""
    first, _, rest = start.partition(b"\n")
    if rest[:1] == b"{" and isinstance(_decoded(first), dict):
        return "holds several lines of JSON: send each in a record of its own"
    return "is how Python prints a dict: encode it as JSON" if re.match(rb"\{'\w+': ", start) else ""


def _text(start: bytes) -> str:
    if start.startswith(b"<"):
        is_page = start[:14].lower().startswith((b"<!doctype html", b"<html"))
        return "is a page of HTML, perhaps the error page of a server" if is_page else XML
    if start.strip() == b"null":
        return "is the text null: to delete, send a record with no value at all"
    if re.match(rb"[\w.]+=[^&\s]*&[\w.]+=", start):
        return "is an HTML form (name=value&...): encode the event as JSON"
    line = start.split(b"\n", 1)[0]
    for sign, name in SEPARATORS:
        if line.count(sign) >= 2:
            return ROWS.format(sign=name)
    return ""


def _latin(value: bytes) -> str:
    """Text of one byte for each letter, as Windows writes it: read as UTF-8 it fails, else it makes sense."""
    try:
        value.decode()
    except UnicodeDecodeError as error:
        if error.end >= len(value) - 3 and len(value) == LARGEST:
            return ""
        letter = value[error.start : error.start + 1].decode("latin-1")
        readable = letter.isalpha() or letter in "\x80\x91\x92\x93\x94\x96\xa0°§€"
        if readable and not _CONTROL.search(value):
            return f"is not UTF-8 from byte {error.start} on, perhaps Latin-1 (there {letter!r}): write UTF-8"
    return ""


def _moment(value: bytes, error: str) -> str:
    """What stands where milliseconds since 1970 were expected."""
    path = _PATH.search(error)
    content = _decoded(value) if path and "`int`" in error and len(value) <= LARGEST else None
    number = content.get(path[1]) if isinstance(content, dict) and path else None
    if isinstance(number, str) and re.match(r"\d{4}-\d\d-\d\d", number):
        try:
            return f"{number!r} is a date: in milliseconds since 1970 it is {moment(number)}"
        except ValueError:
            return ""
    if isinstance(number, int | float) and "4102444800000" in error:
        return odd_unit(number)
    return ""
