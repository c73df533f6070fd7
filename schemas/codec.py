"""Bytes to checked messages and back.

Decoding checks types and limits in one pass.  What does not fit raises
`BadRecord` with one of these reasons: `empty` (no value where one is needed),
`malformed` (not JSON), `invalid` (JSON that breaks the type or a limit).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec
import orjson

from schemas.errors import BadRecord
from schemas.foreign_content import key_of, remedy
from schemas.topic import Topic

M = TypeVar("M", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """The message as JSON in UTF-8."""
    return _encoder.encode(message)


@cache
def decoder(message: type[M]) -> Callable[[bytes], M]:
    """A decode function for one message type; it raises `BadRecord`."""
    decode_json = msgspec.json.Decoder(message).decode

    def decode(value: bytes) -> M:
        try:
            return decode_json(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
            raise bad_record(value, error) from None

    return decode


def bad_record(value: object, error: Exception) -> BadRecord:
    """The `BadRecord` for a value that could not be decoded because of `error`."""
    if not value:
        return BadRecord("empty", "expected a JSON object, got no value")
    reason = "invalid" if isinstance(error, msgspec.ValidationError) else "malformed"
    said = remedy(value, error)
    return BadRecord(reason, f"{str(error)[:500]}; {said}" if said else str(error)[:500])


def encode_key(topic: Topic, *parts: str) -> bytes:
    """The record key: one name in UTF-8, or the JSON array of page and segment."""
    if topic.key == "page, segment":
        return orjson.dumps(parts)
    (name,) = parts
    return name.encode()


def decode_key(topic: Topic, key: bytes | None) -> tuple[str, ...]:
    """The parts of a record key; raises `BadRecord` with reason `key`."""
    try:
        if not key:
            raise ValueError("no key")
        if topic.key != "page, segment":
            return (key.decode(),)
        parts: Any = orjson.loads(key)
        if not (isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, str) for part in parts)):
            raise ValueError(f"{key[:80]!r}")
        return tuple(parts)
    except ValueError as error:
        said = key_of(key)
        raise BadRecord("key", f"expected {topic.key}, got {error}" + (f"; the key {said}" if said else "")) from None


def named(message: Any, field: str, name: str) -> Any:
    """The message of a record whose key is that name; raises `BadRecord` where a field of it says another."""
    value = getattr(message, field)
    if value != name:
        said = key_of(name.encode())
        more = f"; the key {said}" if said else ""
        raise BadRecord("key", f"expected `{field}` to be the record's key {name!r}, got {value!r}{more}")
    return message
