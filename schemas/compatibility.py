"""Finds changes of the contract that break who wrote or who reads under the old one.

Two questions are answered for every message.  May a value that the old schema
permits be refused by the new one?  Then old records, and producers that were
not upgraded, break.  And for what Reshelf sends: may a value that the new schema
permits be refused by the old one?  Then readers that were not upgraded break.
Both are one comparison with the roles of writer and reader exchanged.

The comparison fails closed: a keyword it does not know must not change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from schemas import export

Json = dict[str, Any]
Documents = Mapping[str, bytes]

ANNOTATIONS = frozenset({"title", "description", "default", "examples", "$schema", "$id", "$defs"})
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
STRUCTURE = frozenset({"type", "enum", "required", "properties", "items", "propertyNames", "additionalProperties"})
ASYNCAPI = "asyncapi.json"


def check_released() -> list[str]:
    """What the present types break for users of the last released contract; empty when nothing."""
    return breaks(export.read(export.RELEASED), export.documents())


def breaks(old: Documents, new: Documents) -> list[str]:
    """Every breaking change from `old` to `new`, one sentence each, beginning with file and path.

    Both map file names to JSON bytes, as `schemas.export.documents` gives them.
    """
    before = {name: json.loads(content) for name, content in old.items()}
    after = {name: json.loads(content) for name, content in new.items()}
    breakages: list[str] = []
    sent = _sent(before.get(ASYNCAPI, {}))
    for name, schema in before.items():
        if name not in after:
            breakages.append(f"{name}: the file was removed; readers and writers still use it")
        elif name == ASYNCAPI:
            breakages += _topics(schema, after[name])
        else:
            breakages += _message(name, schema, after[name], schema.get("title") in sent)
    return breakages


def _message(name: str, old: Json, new: Json, sent: bool) -> list[str]:
    """Breaks of one message; `sent` when Reshelf writes it and others read it."""
    breakages = [f"{name} {text}" for text in _lost(old, new)]
    breakages += [f"{name} {path}: old records are refused: {why}" for path, why in _refusals(old, new)]
    if sent:
        breakages += [f"{name} {path}: old readers refuse new records: {why}" for path, why in _refusals(new, old)]
    return breakages


def _lost(old: Json, new: Json) -> Iterator[str]:
    """Fields that are gone, and defaults that now say something else for records without the field."""
    for path, was, now in _pairs(old, new):
        required = was.get("required", ())
        for field, schema in was.get("properties", {}).items():
            at = f"{path}.{field}"
            if field not in now.get("properties", {}):
                loss = "old readers require it" if field in required else "what writers put there is lost"
                yield f"{at}: the field was removed; {loss}"
            elif "default" in schema and not _says(now["properties"][field].get("default"), schema["default"]):
                yield f"{at}: the default changed; records that leave it out change their meaning"


def _says(now: Any, was: Any) -> bool:
    """Whether a default is what it was; fields that came into an object have defaults of their own."""
    if isinstance(was, dict) and isinstance(now, dict):
        return all(name in now and _says(now[name], value) for name, value in was.items())
    return bool(now == was)


def _pairs(old: Json, new: Json) -> Iterator[tuple[str, Json, Json]]:
    """Schemas at the same path in both, from the root down."""
    stack = [("$", old, new)]
    while stack:
        path, was, now = stack.pop()
        was, now = _resolved(was, old), _resolved(now, new)
        yield path, was, now
        stack += reversed(list(_children(path, was, now)))


def _children(path: str, was: Json, now: Json) -> Iterator[tuple[str, Json, Json]]:
    for field, schema in was.get("properties", {}).items():
        if field in now.get("properties", {}):
            yield f"{path}.{field}", schema, now["properties"][field]
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}"), ("propertyNames", "{keys}")):
        inner, other = was.get(keyword), now.get(keyword)
        if isinstance(inner, dict) and isinstance(other, dict):
            yield f"{path}{mark}", inner, other


def _resolved(schema: Json, root: Json) -> Json:
    """The schema that a local reference names, with the annotations beside it."""
    name = schema.get("$ref", "")
    if not name:
        return schema
    target: Json = root["$defs"][name.removeprefix("#/$defs/")] if name.startswith("#/$defs/") else root
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**target, **beside}


def _refusals(writer: Json, reader: Json) -> Iterator[tuple[str, str]]:
    """Where, and why, the reader's schema may refuse a value that the writer's permits."""
    for path, wrote, reads in _pairs(writer, reader):
        for rule in (_types, _required, _bounds, _choices, _closed, _unknown):
            for why in rule(wrote, reads):
                yield path, why


def _types(writer: Json, reader: Json) -> Iterator[str]:
    wrote, reads = _type_set(writer), _type_set(reader)
    if not reads:
        return
    if not wrote or not wrote <= reads | ({"integer"} if "number" in reads else set()):
        yield f"written as {_words(wrote)}, read as {_words(reads)}"


def _type_set(schema: Json) -> set[str]:
    kind = schema.get("type", ())
    if kind:
        return {kind} if isinstance(kind, str) else set(kind)
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {names[type(value)] for value in schema.get("enum", ()) if type(value) in names}


def _required(writer: Json, reader: Json) -> Iterator[str]:
    for field in reader.get("required", ()):
        if field not in writer.get("required", ()):
            yield f"the field {field!r} is required by readers, not by writers"


def _bounds(writer: Json, reader: Json) -> Iterator[str]:
    for keyword in (*LOWER, *UPPER):
        sign = 1 if keyword in LOWER else -1
        wrote, reads = writer.get(keyword), reader.get(keyword)
        if reads is not None and (wrote is None or sign * reads > sign * wrote):
            yield f"written with {keyword} {_words(wrote)}, read with {reads}"


def _choices(writer: Json, reader: Json) -> Iterator[str]:
    if "enum" not in reader:
        return
    gone = [value for value in writer.get("enum", ()) if value not in reader["enum"]]
    if gone or "enum" not in writer:
        yield f"written as {_words(gone)}, read as one of {_words(reader['enum'])}"


def _closed(writer: Json, reader: Json) -> Iterator[str]:
    """Open places of an object or a list that became closed or typed."""
    for keyword in ("items", "additionalProperties", "propertyNames"):
        wrote, reads = writer.get(keyword, True), reader.get(keyword, True)
        if reads is not True and (wrote is True or (reads is False) is not (wrote is False)):
            yield f"written with {keyword} open, read with it {'closed' if reads is False else 'limited'}"


def _unknown(writer: Json, reader: Json) -> Iterator[str]:
    supported = ANNOTATIONS | STRUCTURE | {*LOWER, *UPPER}
    for keyword in sorted(reader.keys() - supported):
        if writer.get(keyword) != reader[keyword]:
            yield f"written with {keyword} {_words(writer.get(keyword))}, read with {_words(reader[keyword])}"


def _words(value: Any) -> str:
    if not value and not isinstance(value, int | float):
        return "(any)"
    return ", ".join(sorted(map(str, value))) if isinstance(value, list | set) else str(value)


def _sent(document: Json) -> set[str]:
    """Titles of the messages that Reshelf itself writes."""
    names = {
        reference["$ref"].rpartition("/")[2]
        for operation in document.get("operations", {}).values()
        if operation["action"] == "send"
        for reference in operation["messages"]
    }
    return {document["components"]["messages"][name]["title"] for name in names}


def _topics(old: Json, new: Json) -> list[str]:
    """Breaks of topics: what is gone, and settings that readers and writers rely on."""
    breakages = []
    for group, meaning in (("channels", "topic"), ("operations", "operation")):
        gone = old[group].keys() - new[group].keys()
        breakages += [f"{ASYNCAPI} {group}.{name}: the {meaning} was removed" for name in sorted(gone)]
    for name in old["channels"].keys() & new["channels"].keys():
        changes = _channel(old, new, name)
        breakages += [f"{ASYNCAPI} channels.{name}: {text}" for text in changes]
    return sorted(breakages)


def _channel(old: Json, new: Json, name: str) -> Iterator[str]:
    was, now = old["channels"][name], new["channels"][name]
    if was["address"] != now["address"]:
        yield f"the address {was['address']} became {now['address']}"
    before, after = (channel["bindings"]["kafka"]["topicConfiguration"] for channel in (was, now))
    for keyword in sorted((before.keys() | after.keys()) - {"retention.ms"}):
        if before.get(keyword) != after.get(keyword):
            yield f"{keyword} {_words(before.get(keyword))} became {_words(after.get(keyword))}"
    if _span(after) < _span(before):
        yield f"retention.ms {before.get('retention.ms')} became shorter: {after.get('retention.ms')}"
    for message in was["messages"]:
        if message not in now["messages"]:
            yield f"the message {message!r} was removed"
        else:
            yield from _envelope(old["components"]["messages"][message], new["components"]["messages"][message])


def _span(configuration: Json) -> float:
    retention_ms = configuration.get("retention.ms", -1)
    return float("inf") if retention_ms < 0 else retention_ms


def _envelope(old: Json, new: Json) -> Iterator[str]:
    """Key, payload type and headers of one message."""
    keys = (_plain(message["bindings"]["kafka"]["key"]) for message in (old, new))
    if len({json.dumps(key, sort_keys=True) for key in keys}) > 1:
        yield f"the record key of {old['title']} changed"
    if _plain(old["payload"]) != _plain(new["payload"]):
        yield f"the value of {old['title']} became another message"
    headers = old.get("headers", {}), new.get("headers", {})
    for text in _lost(*headers):
        yield f"headers {text}"
    for writer, reader in (headers, headers[::-1]):
        for path, why in _refusals(writer, reader):
            yield f"headers {path}: {why}"


def _plain(schema: Json) -> Json:
    return {name: value for name, value in schema.items() if name not in ANNOTATIONS}
