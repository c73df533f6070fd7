"""The exported documents: in step with the types, valid by their own standards, complete."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas import export
from schemas.dead_letters import HEADERS, OPTIONAL, REASONS
from schemas.documents import typescript
from schemas.topics import BY_NAME, TOPICS

DOCUMENT: dict[str, Any] = json.loads(export.documents()["asyncapi.json"])


def test_checked_in_files_are_those_that_the_types_give() -> None:
    assert export.read(export.GENERATED) == export.documents(), "run `reshelf schemas export` and commit the files"
    assert (export.GENERATED / export.TYPES).read_bytes() == export.declarations(), "run `reshelf schemas export`"
    assert {path.name for path in export.GENERATED.iterdir()} == {*export.documents(), export.TYPES}


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = export.write(tmp_path / "new" / "folder")
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in export.write(tmp_path / "new" / "folder")] == first
    assert export.read(tmp_path / "new" / "folder") == export.documents()


@pytest.mark.parametrize("name", export.messages())
def test_json_schema_is_valid_by_its_metaschema(name: str) -> None:
    schema = json.loads(export.documents()[f"{name}.json"])
    assert schema["$schema"] == export.DIALECT
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "array", "items": {"anyOf": [{"$ref": "#/x/A"}, {"type": "null"}]}}, "(A | null)[]"),
        (
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
            "Record<string, number[]>",
        ),
        ({"type": "array", "prefixItems": [{"type": "number"}, {"enum": ["a"]}]}, '[number, "a"]'),
    ],
)
def test_a_schema_has_its_type_in_typescript(schema: dict[str, Any], expected: str) -> None:
    assert typescript.type_of(schema) == expected


def test_a_schema_without_a_type_in_typescript_is_told() -> None:
    with pytest.raises(ValueError, match="got the schema"):
        typescript.type_of({"type": "object"})


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def resolve(root: Any, reference: str) -> Any:
    node = root
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


@pytest.mark.parametrize("name", export.documents())
def test_every_reference_leads_somewhere(name: str) -> None:
    root = json.loads(export.documents()[name])
    for reference in references(root):
        assert reference.startswith("#/")
        assert resolve(root, reference)


def test_limits_are_in_the_schema() -> None:
    schema = json.loads(export.documents()["impression.json"])
    assert schema["properties"]["slots"] | {"items": 0} == {"type": "array", "items": 0, "minItems": 1, "maxItems": 256}
    assert schema["properties"]["unit"]["maxLength"] == 128
    assert (schema["properties"]["variant"]["minimum"], schema["properties"]["variant"]["maximum"]) == (-2, 255)


def test_asyncapi_has_the_parts_that_version_3_asks_for() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = resolve(DOCUMENT, operation["channel"]["$ref"])
        assert [ref["$ref"].rpartition("/")[2] for ref in operation["messages"]] == list(channel["messages"])
    used = {reference.rpartition("/")[2] for reference in references(DOCUMENT["channels"])}
    assert used == set(DOCUMENT["components"]["messages"])


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_each_topic_is_a_channel_with_its_configuration_and_key(topic: Any) -> None:
    channel = DOCUMENT["channels"][topic.name]
    assert channel["address"] == "{prefix}" + topic.name
    configuration = channel["bindings"]["kafka"]["topicConfiguration"]
    assert configuration["cleanup.policy"] == [topic.cleanup]
    assert configuration["retention.ms"] == topic.retention_ms
    assert (configuration.get("message.timestamp.type") == "LogAppendTime") is topic.event
    key = DOCUMENT["components"]["messages"][topic.name]["bindings"]["kafka"]["key"]
    types = {"page, segment": "array", "as came": None}
    assert key.get("type") == types.get(topic.key, "string")
    assert (f"{topic.name}.null" in channel["messages"]) is bool(topic.tombstone)


def test_every_topic_has_writers_and_readers_and_an_operation() -> None:
    assert BY_NAME.keys() == DOCUMENT["channels"].keys()
    assert all(topic.writers and topic.readers for topic in TOPICS)
    used = {operation["channel"]["$ref"].rpartition("/")[2] for operation in DOCUMENT["operations"].values()}
    assert used == BY_NAME.keys()


def test_dead_letter_headers_are_declared_with_all_reasons() -> None:
    headers = DOCUMENT["components"]["messages"]["dead-letters"]["headers"]
    assert list(headers["properties"]) == list(HEADERS)
    assert headers["required"] == [name for name in HEADERS if name != OPTIONAL]
    assert headers["properties"]["reshelf-reason"]["enum"] == list(REASONS)


@pytest.mark.parametrize("name", ["events-impressions", "events-clicks", "events-purchases"])
def test_cloud_event_headers_are_accepted_and_never_required(name: str) -> None:
    headers = DOCUMENT["components"]["messages"][name]["headers"]
    assert "ce_id" in headers["properties"]
    assert "required" not in headers
