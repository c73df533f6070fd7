"""Each kind of breaking change is found, by itself; harmless changes are not reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import export
from schemas.compatibility import breaks, check_released

Json = dict[str, Any]
Change = Callable[[dict[str, Json]], object]
CURRENT = export.documents()


def after(*changes: Change) -> dict[str, bytes]:
    documents = {name.removesuffix(".json"): json.loads(content) for name, content in CURRENT.items()}
    for change in changes:
        change(documents)
    return {f"{name}.json": json.dumps(content).encode() for name, content in documents.items()}


def put(path: str, value: object) -> Change:
    """Set what lies at the path, dots between its steps; `...` removes it."""

    def change(documents: dict[str, Json]) -> None:
        node: Any = documents
        *steps, last = path.split("/")
        for step in steps:
            node = node[step]
        if value is ...:
            del node[last]
        else:
            node[last] = value

    return change


def together(*changes: Change) -> Change:
    return lambda documents: [change(documents) for change in changes]


def required(name: str, *fields: str) -> Change:
    return lambda documents: documents[name]["required"].extend(fields)


def optional(name: str, field: str) -> Change:
    return lambda documents: documents[name]["required"].remove(field)


ADDRESS = "asyncapi/channels/events-clicks"
CONFIGURATION = f"{ADDRESS}/bindings/kafka/topicConfiguration"
MESSAGES = "asyncapi/components/messages"
HEADERS = f"{MESSAGES}/dead-letters/headers"

BREAKING: dict[str, tuple[Change, str]] = {
    "required field removed": (
        together(put("click/properties/item", ...), optional("click", "item")),
        "click.json $.item: the field was removed; old readers require it",
    ),
    "optional field removed": (
        put("catalog-item/properties/brand", ...),
        "catalog-item.json $.brand: the field was removed; what writers put there is lost",
    ),
    "nested field removed": (
        put("page-rules/$defs/Candidates/properties/tags", ...),
        "page-rules.json $.candidates.tags: the field was removed; what writers put there is lost",
    ),
    "new required field": (
        together(put("click/properties/device", {"type": "string"}), required("click", "device")),
        "click.json $: old records are refused: the field 'device' is required by readers, not by writers",
    ),
    "optional field became required": (
        required("catalog-item", "price"),
        "catalog-item.json $: old records are refused: the field 'price' is required by readers, not by writers",
    ),
    "required field of ours became optional": (
        optional("layout", "slates"),
        "layout.json $: old readers refuse new records: the field 'slates' is required by readers, not by writers",
    ),
    "type changed": (
        put("click/properties/variant/type", "string"),
        "click.json $.variant: old records are refused: written as integer, read as string",
    ),
    "number became integer": (
        put("policy-parameters/properties/strength/type", "integer"),
        "policy-parameters.json $.strength: old records are refused: written as number, read as integer",
    ),
    "upper limit lowered": (
        put("impression/properties/slots/maxItems", 12),
        "impression.json $.slots: old records are refused: written with maxItems 256, read with 12",
    ),
    "lower limit raised": (
        put("click/properties/variant/minimum", -1),
        "click.json $.variant: old records are refused: written with minimum -2, read with -1",
    ),
    "new limit": (
        put("layout/properties/watermarks/maxProperties", 3),
        "layout.json $.watermarks: old records are refused: written with maxProperties (any), read with 3",
    ),
    "limit inside a list": (
        put("impression/$defs/SlotItem/properties/item/maxLength", 64),
        "impression.json $.slots[].item: old records are refused: written with maxLength 128, read with 64",
    ),
    "limit on the values of a map": (
        put("catalog-item/properties/attributes/additionalProperties/maxLength", 9),
        "catalog-item.json $.attributes{}: old records are refused: written with maxLength 256, read with 9",
    ),
    "limit on the keys of a map": (
        put("catalog-item/properties/attributes/propertyNames/maxLength", 9),
        "catalog-item.json $.attributes{keys}: old records are refused: written with maxLength 256, read with 9",
    ),
    "limit widened for what renderers read": (
        put("layout/properties/slates/maxItems", 512),
        "layout.json $.slates: old readers refuse new records: written with maxItems 512, read with 256",
    ),
    "pattern changed": (
        put("purchase/properties/currency/pattern", "^EUR$"),
        "purchase.json $.currency: old records are refused: written with pattern ^[A-Z]{3}$, read with ^EUR$",
    ),
    "choice removed": (
        put("page-rules/$defs/PolicyChoice/properties/name/enum", ["greedy", "thompson"]),
        "page-rules.json $.policy.name: old records are refused: "
        "written as baseline, epsilon-greedy, ucb, uniform, read as one of greedy, thompson",
    ),
    "unknown fields refused": (
        put("click/additionalProperties", False),
        "click.json $: old records are refused: written with additionalProperties open, read with it closed",
    ),
    "default changed": (
        put("catalog-item/properties/available/default", False),
        "catalog-item.json $.available: the default changed; records that leave it out change their meaning",
    ),
    "keyword that the check does not know": (
        put("click/properties/unit/format", "uuid"),
        "click.json $.unit: old records are refused: written with format (any), read with uuid",
    ),
    "message removed": (
        lambda documents: documents.pop("click"),
        "click.json: the file was removed; readers and writers still use it",
    ),
    "topic removed": (
        put(ADDRESS, ...),
        "asyncapi.json channels.events-clicks: the topic was removed",
    ),
    "operation removed": (
        put("asyncapi/operations/send.layouts", ...),
        "asyncapi.json operations.send.layouts: the operation was removed",
    ),
    "topic renamed": (
        put(f"{ADDRESS}/address", "{prefix}clicks"),
        "asyncapi.json channels.events-clicks: the address {prefix}events-clicks became {prefix}clicks",
    ),
    "key changed": (
        put(f"{MESSAGES}/events-clicks/bindings/kafka/key", {"type": "array"}),
        "asyncapi.json channels.events-clicks: the record key of Click changed",
    ),
    "cleanup changed": (
        put(f"{CONFIGURATION}/cleanup.policy", ["compact"]),
        "asyncapi.json channels.events-clicks: cleanup.policy delete became compact",
    ),
    "clock of the timestamps changed": (
        put(f"{CONFIGURATION}/message.timestamp.type", "CreateTime"),
        "asyncapi.json channels.events-clicks: message.timestamp.type LogAppendTime became CreateTime",
    ),
    "kept shorter": (
        put(f"{CONFIGURATION}/retention.ms", 1_000),
        "asyncapi.json channels.events-clicks: retention.ms 2592000000 became shorter: 1000",
    ),
    "null value no longer allowed": (
        put(f"{ADDRESS}/messages/events-clicks.null", ...),
        "asyncapi.json channels.events-clicks: the message 'events-clicks.null' was removed",
    ),
    "topic carries another message": (
        put(f"{MESSAGES}/events-clicks/payload/$ref", "#/components/schemas/Impression"),
        "asyncapi.json channels.events-clicks: the value of Click became another message",
    ),
    "dead-letter header removed": (
        together(
            put(f"{HEADERS}/properties/reshelf-detail", ...),
            put(f"{HEADERS}/required", ["reshelf-topic", "reshelf-partition", "reshelf-offset", "reshelf-reason"]),
        ),
        "asyncapi.json channels.dead-letters: headers $.reshelf-detail: the field was removed; old readers require it",
    ),
}

HARMLESS: dict[str, Change] = {
    "optional field added": put("click/properties/device", {"type": "string", "default": ""}),
    "optional field added to ours": put("layout/properties/note", {"type": "string", "default": ""}),
    "limit widened for what shops write": put("impression/properties/slots/maxItems", 512),
    "limit dropped for what shops write": put("impression/properties/slots/maxItems", ...),
    "integer became number": put("click/properties/variant/type", "number"),
    "required field became optional": optional("click", "segment"),
    "choice added": put(
        "page-rules/$defs/PolicyChoice/properties/name/enum",
        ["baseline", "best", "epsilon-greedy", "greedy", "thompson", "ucb", "uniform"],
    ),
    "object default with one more field": put("page-rules/properties/policy/default/retry", 3),
    "choice became any text": put(
        "page-rules/$defs/PolicyChoice/properties/name", {"type": "string", "default": "thompson"}
    ),
    "words changed": put("click/description", "Another text."),
    "kept longer": put(f"{CONFIGURATION}/retention.ms", -1),
    "message added": put("view", {"type": "object"}),
    "topic added": put("asyncapi/channels/events-views", {}),
    "contract version raised": put("asyncapi/info/version", "2.0.0"),
}


def test_present_contract_breaks_nothing_that_was_released() -> None:
    assert check_released() == []


def test_released_files_cover_every_message() -> None:
    assert {f"{name}.json" for name in [*export.messages(), "asyncapi"]} >= set(export.read(export.RELEASED))
    assert "asyncapi.json" in export.read(export.RELEASED)


def test_a_contract_is_compatible_with_itself() -> None:
    assert breaks(CURRENT, CURRENT) == []


@pytest.mark.parametrize(("change", "sentence"), BREAKING.values(), ids=BREAKING)
def test_breaking_change_is_found(change: Change, sentence: str) -> None:
    assert sentence in breaks(CURRENT, after(change))


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_harmless_change_is_not_reported(change: Change) -> None:
    assert breaks(CURRENT, after(change)) == []


SAME_PLACE = {
    ("choice removed", "choice became any text"),
    ("required field removed", "optional field added"),
}


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(sorted(HARMLESS)), unique=True), st.sampled_from(sorted(BREAKING)))
def test_breaking_change_is_found_among_harmless_ones(harmless: list[str], breaking: str) -> None:
    change, sentence = BREAKING[breaking]
    others = [HARMLESS[name] for name in harmless if (breaking, name) not in SAME_PLACE]
    assert sentence in breaks(CURRENT, after(*others, change))


LIMITS = [
    ("click", "properties/item/maxLength", 128, -1),
    ("click", "properties/variant/minimum", -2, 1),
    ("impression", "properties/slots/minItems", 1, 1),
    ("conversion", "properties/amount/maximum", 1_000_000_000_000, -1),
]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.sampled_from(LIMITS), st.integers(-100, 100))
def test_a_limit_may_only_move_outwards_for_what_shops_write(limit: tuple[str, str, int, int], step: int) -> None:
    name, path, value, inwards = limit
    found = breaks(CURRENT, after(put(f"{name}/{path}", value + step)))
    old_refused = [text for text in found if "old records are refused" in text]
    assert bool(old_refused) is (step * inwards > 0)
    if name in ("click", "impression"):
        assert found == old_refused


def test_released_schemas_are_not_changed_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "documents", lambda: after(put("click/properties/item/maxLength", 1)))
    assert check_released() == ["click.json $.item: old records are refused: written with maxLength 128, read with 1"]
