"""A batch of events as it came over HTTP to records, each checked by itself."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from schemas.codec import bad_record, decoder, encode, encode_key
from schemas.errors import BadRecord
from schemas.export import stem
from schemas.messages.events import Signal
from schemas.messages.fields import Context, EventId, Family, Item, Millis, SignalKind, Unit
from schemas.times import odd_unit
from schemas.topic import Role, Topic
from schemas.topics import EVENT_TOPICS, SIGNALS, written_by

KINDS: dict[str, Topic] = {stem(topic.message): topic for topic in written_by(Role.EDGE) if topic.message}
"""The topic of each kind of event: a click's is `click`."""


class ReportedSignal(msgspec.Struct, frozen=True, gc=False):
    """A signal as it comes: what the visitor did is `signal`, since `kind` says that it is one."""

    event_id: EventId
    occurred_at: Millis
    unit: Unit
    signal: SignalKind
    item: Item
    family: Family = ""
    context: Context = {}

    def event(self) -> Signal:
        """As it is published."""
        return Signal(*msgspec.structs.astuple(self))


FORMS: dict[str, type[msgspec.Struct]] = {
    kind: ReportedSignal if topic is SIGNALS else topic.message for kind, topic in KINDS.items() if topic.message
}
"""What an event of each kind is decoded as."""

OPENED = re.compile(rb'\s*\{\s*"events"\s*:\s*\[')
MARK = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},]', re.DOTALL)
CLOSED = re.compile(rb"\s*\}\s*")
"""How the elements of a batch begin, what can part them (a whole string cannot), and how they end.

A string without an end is one, too: else each quote in it would be looked at to the end of the body.
"""


class Batch(msgspec.Struct):
    """The body of POST /events."""

    events: list[msgspec.Raw]


class Kind(msgspec.Struct):
    """What kind of event an element of a batch is; its other fields are the event's."""

    kind: str


class Record(NamedTuple):
    """An event to send, and its place in the batch."""

    number: int
    topic: Topic
    key: bytes
    value: bytes


class Refusal(msgspec.Struct, frozen=True):
    """Why the event at `index` was not published; `retry`: sending it again may help."""

    index: int
    reason: str
    detail: str
    retry: bool = False


def parse(body: bytes) -> list[msgspec.Raw]:
    """The elements of a batch; raises BadRecord where the body is no batch.

    One element that cannot be decoded (half of a surrogate pair, say, or a thousand brackets)
    does not spoil the others, so that it can be refused by itself.
    """
    try:
        batch: Batch = decoder(Batch)(body)
        return batch.events
    except BadRecord:
        if (elements := _split(body)) is None:
            raise
        return elements


def _split(body: bytes) -> list[msgspec.Raw] | None:
    """The elements of a batch by its brackets and commas alone; None where these are not those of a batch."""
    if (opened := OPENED.match(body)) is None:
        return None
    elements, depth, start = list[msgspec.Raw](), 0, opened.end()
    for mark in MARK.finditer(body, start):
        sign = mark[0]
        if depth == 0 and sign in b",]}":
            elements.append(msgspec.Raw(body[start : mark.start()]))
            start = mark.end()
            if sign != b",":
                return elements if sign == b"]" and CLOSED.fullmatch(body, start) else None
        elif sign in b"[{":
            depth += 1
        elif sign in b"]}":
            depth -= 1
    return None


def check(elements: list[msgspec.Raw]) -> tuple[list[Record], list[Refusal]]:
    """Records of the events that fit, and a refusal for each that does not."""
    records: list[Record] = []
    refusals: list[Refusal] = []
    for index, element in enumerate(elements):
        try:
            records.append(_record(index, bytes(element)))
        except BadRecord as error:
            refusals.append(Refusal(index, error.reason, error.detail))
    return records, refusals


def _record(index: int, element: bytes) -> Record:
    try:
        kind = msgspec.json.decode(element, type=Kind).kind
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_record(element, error) from None
    topic = KINDS.get(kind)
    if topic is None:
        raise BadRecord("kind", f"expected one of {', '.join(KINDS)}, got {kind[:80]!r}{_hint(kind)} - at `$.kind`")
    event: Any = decoder(FORMS[kind])(element)
    if isinstance(event, ReportedSignal):
        event = event.event()
    if odd := odd_unit(event.occurred_at):
        raise BadRecord("invalid", f"expected milliseconds since 1970: {odd} - at `$.occurred_at`")
    return Record(index, topic, encode_key(topic, event.unit), encode(event))


def _hint(kind: str) -> str:
    """Who sends events of a kind that is none of the edge's."""
    topic = next((topic for topic in EVENT_TOPICS if topic.message and stem(topic.message) == kind), None)
    return "" if topic is None else f", which the {topic.writers[0].value} sends to {topic.name}"
