"""The AsyncAPI 3.0 document: who sends what to which topic, and how the topics are set up.

It is written from Reshelf's side: Reshelf *receives* what shops publish and
*sends* what they read.  A topic between two of Reshelf's own workers has both.
Structure: https://www.asyncapi.com/docs/reference/specification/v3.0.0 and the
Kafka bindings 0.5.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schemas.dead_letters import HEADERS, REASONS
from schemas.topics import TOPICS, Topic

CONTRACT_VERSION = "1.0.0"
BINDING = "0.5.0"
PREFIX = "reshelf-"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parties:
    """Who writes a topic and who reads it; names in `OURS` are parts of Reshelf."""

    writers: tuple[str, ...]
    readers: tuple[str, ...]


OURS = frozenset({"attribution", "console", "learner", "encoder worker", "fitter", "layout producer", "every worker"})
PARTIES: dict[str, Parties] = {
    "events-impressions": Parties(("web tier",), ("learner",)),
    "events-clicks": Parties(("web tier",), ("attribution", "learner")),
    "events-purchases": Parties(("web tier",), ("attribution",)),
    "events-conversions": Parties(("attribution",), ("learner",)),
    "catalog-items": Parties(("catalog team",), ("encoder worker", "layout producer")),
    "catalog-embeddings": Parties(("encoder worker",), ("layout producer",)),
    "page-rules": Parties(("merchandisers",), ("attribution", "layout producer")),
    "page-rules-history": Parties(("merchandisers",), ("console",)),
    "policy-parameters": Parties(("fitter",), ("layout producer", "fitter")),
    "layout-requests": Parties(("learner",), ("layout producer",)),
    "layouts": Parties(("layout producer",), ("layout producer", "page renderers")),
    "layouts-history": Parties(("layout producer",), ("evaluation",)),
    "dead-letters": Parties(("every worker",), ("operators",)),
}
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
    parties = PARTIES[topic.name]
    ours_read = ", ".join(name for name in parties.readers if name in OURS)
    ours_write = ", ".join(name for name in parties.writers if name in OURS)
    who = f"Written by: {', '.join(parties.writers)}. Read by: {', '.join(parties.readers)}."
    found = []
    if ours_write:
        found.append((f"send.{topic.name}", _operation(topic, "send", f"The {ours_write} writes here.", who)))
    if ours_read:
        found.append((f"receive.{topic.name}", _operation(topic, "receive", f"Read by the {ours_read}.", who)))
    return found


def _operation(topic: Topic, action: str, summary: str, who: str) -> Json:
    return {
        "action": action,
        "summary": summary,
        "description": who,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _messages(topic)],
    }


def _messages(topic: Topic) -> dict[str, Json]:
    """The messages of a topic by name: its value, and the null value where that means something."""
    if topic.message is None:
        return {topic.name: _dead_letter(topic)}
    value = {"title": topic.message.__name__, "payload": {"$ref": f"#/components/schemas/{topic.message.__name__}"}}
    found = {topic.name: value | _envelope(topic)}
    if topic.tombstone:
        null = {"title": "Null value", "summary": f"A null value: {topic.tombstone}.", "payload": {"type": "null"}}
        found[f"{topic.name}.null"] = null | _envelope(topic)
    return found


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
        "headers": {"type": "object", "properties": properties, "required": list(HEADERS)},
        "bindings": {"kafka": {"key": {"description": "The key as it came."}, "bindingVersion": BINDING}},
    }
