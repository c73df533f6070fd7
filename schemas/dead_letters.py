"""Records that did not fit, dead-lettered whole.

A dead letter keeps the key, the value and the headers of its record byte for
byte and in order; what Reshelf adds are the headers of `HEADERS` at the end.  So a letter can
be looked at with any Kafka tool.  A record near the broker's size limit is put
aside without its content: topic, partition and offset say where it is; one with
a header whose name is not UTF-8 is dead-lettered without its headers.  Once
the cause is mended, publish an event again under a new `event_id`: the old one
counts as a duplicate while it is within the window.

A record is named by topic, partition, offset and append time: a topic that was
deleted and made again has other records at the same offsets.  Letters of 0.1.0
have no append time, and letters of records without a time have none either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

from schemas.errors import BadRecord

Header = tuple[str, bytes]
# Where a name is not UTF-8 confluent-kafka's `Message.headers` returns with an error that is raised later, at any
# place, if the interpreter calls it directly; called this way it is looked at.
_headers = methodcaller("headers")

HEADERS: dict[str, str] = {
    "reshelf-topic": "Topic that the record was read from, without the prefix.",
    "reshelf-partition": "Its partition, as a decimal number.",
    "reshelf-offset": "Its offset, as a decimal number.",
    "reshelf-reason": "One word for what was wrong.",
    "reshelf-detail": "What was expected, what came, and where.",
    "reshelf-append-time": "When the record was appended, in milliseconds as its topic has it, as a decimal number.",
}
OPTIONAL = "reshelf-append-time"
"""The header that a letter may lack."""

REASONS: dict[str, str] = {
    "empty": "The record has no value where one is needed. Publish the event; a null value is no event.",
    "malformed": "The value is not JSON in UTF-8; the detail says what it is, where that can be told (compressed, XML, "
    "framed for a schema registry and more). Look at the producer's serializer.",
    "invalid": "The value breaks the message's type or one of its limits; the detail names the field. "
    "Compare the producer with the message's JSON Schema.",
    "key": "The record key is missing or is not the one that the topic asks for (for events, the unit in the value). "
    "Set the key as the topic table has it.",
    "late": "The event was appended longer after it happened than the settings allow. "
    "Look for a producer that was cut off; import old data under a prefix of its own.",
    "early": "The event claims to have happened after it was appended. Set the clock of the producer.",
    "currency": "The amount is in another currency than the namespace counts in. Convert before publishing.",
    "quota": "The record names one page, segment, slot or item more than the settings allow for its partition. "
    "Look for a producer that puts ids into names; "
    "if they are real, raise the limit that the detail names (no new namespace is needed).",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record dead-lettered; `topic` is without the prefix, `headers` are the record's own.

    `append_time` is in milliseconds; below 0 where it is not known.
    """

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[Header, ...] = ()
    append_time: int = -1

    def to_headers(self) -> list[Header]:
        """The headers to publish with: the record's own, then those of `HEADERS`."""
        values = (self.topic, str(self.partition), str(self.offset), self.reason, self.detail, str(self.append_time))
        ours = [(name, text.encode(errors="backslashreplace")) for name, text in zip(HEADERS, values, strict=True)]
        return [*self.headers, *(ours if self.append_time >= 0 else ours[:-1])]


def headers_of(message: Any) -> tuple[Header, ...]:
    """The headers of a confluent-kafka message; none where the name of one is not UTF-8."""
    try:
        headers = _headers(message) or ()
    except (SystemError, UnicodeDecodeError):
        return ()
    return tuple((name, content or b"") for name, content in headers)


def read(headers: Sequence[Header], key: bytes | None = None, value: bytes | None = None) -> DeadLetter:
    """The dead letter that a record of the dead-letters topic holds.

    Only the last header of each name in `HEADERS` is taken as ours, so a letter
    inside a letter and headers added on the way are kept.  Raises `BadRecord`
    where one is missing or is not what it should be.
    """
    last = {name: index for index, (name, _) in enumerate(headers) if name in HEADERS}
    if last.get(OPTIONAL, 0) < last.get("reshelf-topic", 0):
        last.pop(OPTIONAL, None)  # of a letter inside this one, which has none
    ours = {name: _text(name, headers[index][1]) for name, index in last.items()}
    missing = [name for name in HEADERS if name not in ours and name != OPTIONAL]
    if missing:
        raise BadRecord("invalid", f"expected the header {missing[0]}, got none: this is no dead letter")
    own = tuple(header for index, header in enumerate(headers) if last.get(header[0]) != index)
    return DeadLetter(
        topic=ours["reshelf-topic"],
        partition=_number("reshelf-partition", ours["reshelf-partition"]),
        offset=_number("reshelf-offset", ours["reshelf-offset"]),
        reason=ours["reshelf-reason"],
        detail=ours["reshelf-detail"],
        key=key,
        value=value,
        headers=own,
        append_time=_number(OPTIONAL, ours[OPTIONAL]) if OPTIONAL in ours else -1,
    )


def _text(name: str, value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError as error:
        raise BadRecord("invalid", f"expected UTF-8 in the header {name}, got {error}") from None


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 2**63):
        raise BadRecord("invalid", f"expected a whole number in the header {name}, got {text[:80]!r}")
    return int(text)
