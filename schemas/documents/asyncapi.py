"""The AsyncAPI 3.0 document: who sends what to which topic, and how the topics are set up.

It is written from Reshelf's side: Reshelf *receives* what shops publish and
*sends* what they read.  A topic between two of Reshelf's own workers has both.
Structure: https://www.asyncapi.com/docs/reference/specification/v3.0.0 and the
Kafka bindings 0.5.0.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from schemas.dead_letters import HEADERS, OPTIONAL, REASONS
from schemas.topic import Role, Topic
from schemas.topics import TOPICS

CONTRACT_VERSION = "1.0.0"
BINDING = "0.5.0"
PREFIX = "reshelf-"

Json = dict[str, Any]


RELAYS = (Role.EDGE, Role.CONSOLE)
"""They publish what web tiers and merchandisers say: such messages are not Reshelf's own."""
CLOUD_EVENT_HEADERS = ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type")


def document(components: Json) -> Json:
    """The whole document; `components` holds the JSON Schemas of all types by name."""
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {name: body for topic in TOPICS for name, body in _operations(topic)},
        "components": {
            "messages": {name: body for topic in TOPICS for name, body in _messages(topic).items()},
            "schemas": components,
        },
    }


def _info() -> Json:
    return {
        "title": "Reshelf",
        "version": CONTRACT_VERSION,
        "description": (
            "Page layouts that are re-arranged while they are being shopped. Shops publish events, catalog and "
            "page rules; Reshelf publishes layouts. Values are JSON in UTF-8; unknown fields are ignored; every "
            "producer partitions with murmur2, and readers of events use read_committed. Headers are free; "
            "those of CloudEvents in binary mode (ce_*) are accepted and never required. A record that does not "
            "fit goes to dead-letters."
        ),
    }


def _channel(topic: Topic) -> Json:
    return {
        "address": "{prefix}" + topic.name,
        "title": topic.name,
        "description": f"{topic.about} {_partitioning(topic)}",
        "parameters": {"prefix": {"description": "The setting kafka.prefix.", "default": PREFIX}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _messages(topic)},
        "bindings": {"kafka": {"topicConfiguration": _configuration(topic), "bindingVersion": BINDING}},
    }


def _configuration(topic: Topic) -> Json:
    timestamps = {"message.timestamp.type": "LogAppendTime"} if topic.event else {}
    return {"cleanup.policy": [topic.cleanup], "retention.ms": topic.retention_ms} | timestamps


def _partitioning(topic: Topic) -> str:
    if topic.event:
        return "Event topics all have one number of partitions (the setting kafka.partitions), key and partitioner."
    return "Any number of partitions; it may differ from other topics'."


def _operations(topic: Topic) -> list[tuple[str, Json]]:
    writing = [role for role in topic.writers if role.ours and role not in RELAYS]
    reading = [role for role in topic.readers if role.ours]
    who = f"Written by: {', '.join(topic.writers)}. Read by: {', '.join(topic.readers)}."
    operations = []
    if writing:
        summary = f"Of Reshelf's parts these write here: {', '.join(writing)}."
        operations.append((f"send.{topic.name}", _operation(topic, "send", summary, who)))
    if reading:
        summary = f"Of Reshelf's parts these read here: {', '.join(reading)}."
        operations.append((f"receive.{topic.name}", _operation(topic, "receive", summary, who)))
    return operations


def _operation(topic: Topic, action: str, summary: str, who: str) -> Json:
    return {
        "action": action,
        "summary": summary,
        "description": who,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _messages(topic)],
    }


def _messages(topic: Topic) -> dict[str, Json]:
    """The messages of a topic by name: its values, and the null value where that means something."""
    if topic.message is None:
        return {topic.name: _dead_letter(topic)}
    messages = {topic.name: _value(topic, topic.message)}
    messages |= {f"{topic.name}.{message.__name__}": _value(topic, message) for message in topic.other_messages}
    if topic.tombstone:
        null = {"title": "Null value", "summary": f"A null value: {topic.tombstone}.", "payload": {"type": "null"}}
        messages[f"{topic.name}.null"] = null | _envelope(topic)
    return messages


def _value(topic: Topic, message: type[Struct]) -> Json:
    return {
        "title": message.__name__,
        "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
    } | _envelope(topic)


def _envelope(topic: Topic) -> Json:
    cloud_events = {"type": "object", "properties": {name: {"type": "string"} for name in CLOUD_EVENT_HEADERS}}
    return {
        "contentType": "application/json",
        "headers": cloud_events,
        "bindings": {"kafka": {"key": _key(topic), "bindingVersion": BINDING}},
    }


def _key(topic: Topic) -> Json:
    if topic.key == "page, segment":
        parts = {"type": "string", "minLength": 1}
        about = "The JSON array of page and segment."
        return {"type": "array", "items": parts, "minItems": 2, "maxItems": 2, "description": about}
    return {"type": "string", "minLength": 1, "description": f"The {topic.key}, as UTF-8 text without quotes."}


def _dead_letter(topic: Topic) -> Json:
    properties: Json = {name: {"type": "string", "description": about} for name, about in HEADERS.items()}
    properties["reshelf-reason"]["enum"] = list(REASONS)
    return {
        "title": "DeadLetter",
        "summary": "A record that did not fit: key and value byte for byte as they came, its own headers, and these.",
        "contentType": "application/octet-stream",
        "payload": {"description": "The value as it came; not necessarily JSON."},
        "headers": {
            "type": "object",
            "properties": properties,
            "required": [name for name in HEADERS if name != OPTIONAL],
        },
        "bindings": {"kafka": {"key": {"description": "The key as it came."}, "bindingVersion": BINDING}},
    }
