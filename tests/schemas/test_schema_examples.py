"""Every example fits its message in msgspec and in JSON Schema, and nothing is left over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from schemas import export
from schemas.codec import decoder, encode
from schemas.errors import BadRecord

EXAMPLES = sorted(export.EXAMPLES.glob("*"))


def message_of(path: Path) -> type[msgspec.Struct]:
    return export.messages()[path.name.split(".")[0]]


def validator(name: str) -> Any:
    schema = json.loads((export.GENERATED / f"{name}.json").read_bytes())
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_fits_both_checks_and_comes_back_unchanged(path: Path) -> None:
    content = json.loads(path.read_bytes())
    message = decoder(message_of(path))(path.read_bytes())
    again = json.loads(encode(message))
    assert {name: again[name] for name in content} == content
    validator(path.name.split(".")[0]).validate(content)


@pytest.mark.parametrize("path", sorted(export.EXAMPLES.glob("*.full.json")), ids=lambda path: path.name)
def test_full_example_sets_every_field_beside_those_of_pages_with_shelves(path: Path) -> None:
    of_shelves = path.with_name(path.name.replace(".full.", ".shelves."))
    fields = {name for file in (path, of_shelves) if file.exists() for name in json.loads(file.read_bytes())}
    assert fields == {field.name for field in msgspec.structs.fields(message_of(path))}


def test_each_message_has_a_small_and_a_full_example_and_no_example_is_an_orphan() -> None:
    expected = {f"{name}.{case}.json" for name in export.messages() for case in ("small", "full")}
    assert {path.name for path in EXAMPLES} == expected | {"page-rules.shelves.json", "layout.shelves.json"}


@pytest.mark.parametrize(
    ("name", "of", "by"),
    [
        ("layout.full.json", "propensities", "slates"),
        ("layout.shelves.json", "propensities", "slates"),
        ("layout.shelves.json", "row_propensities", "rows"),
    ],
)
def test_layout_example_says_the_truth_about_its_propensities(name: str, of: str, by: str) -> None:
    layout = json.loads((export.EXAMPLES / name).read_bytes())
    for place, shares in layout[of].items():
        for content, share in shares.items():
            assert share == sum(slate.get(place) == content for slate in layout[by]) / len(layout[by])


def changed(name: str, **fields: object) -> bytes:
    content = json.loads((export.EXAMPLES / f"{name}.small.json").read_bytes()) | fields
    return msgspec.json.encode({key: value for key, value in content.items() if value is not ...})


LINE = {"item": "sku-1001", "quantity": 1, "amount": 4990}
INVALID = [
    ("impression", {"unit": ...}, "Object missing required field `unit`"),
    ("impression", {"variant": 256}, "Expected `int` <= 255 - at `$.variant`"),
    ("impression", {"variant": 1.0}, "Expected `int`, got `float` - at `$.variant`"),
    ("impression", {"slots": []}, "Expected `array` of length >= 1 - at `$.slots`"),
    ("impression", {"slots": [{"slot": "a", "item": "b"}] * 257}, "Expected `array` of length <= 256 - at `$.slots`"),
    ("impression", {"slots": [{"slot": "a"}]}, "Object missing required field `item` - at `$.slots[0]`"),
    ("impression", {"slots": [{"slot": "a", "item": 7}]}, "Expected `str`, got `int` - at `$.slots[0].item`"),
    ("click", {"event_id": ""}, "Expected `str` of length >= 1 - at `$.event_id`"),
    ("click", {"item": "x" * 129}, "Expected `str` of length <= 128 - at `$.item`"),
    (
        "click",
        {"occurred_at": "2026-01-01"},
        "Expected `int`, got `str` - at `$.occurred_at`; "
        "'2026-01-01' is a date: in milliseconds since 1970 it is 1767225600000",
    ),
    ("click", {"occurred_at": -1}, "Expected `int` >= 0 - at `$.occurred_at`"),
    ("click", {"page": None}, "Expected `str`, got `null` - at `$.page`"),
    ("purchase", {"currency": "eur"}, "Expected `str` matching regex '^[A-Z]{3}$' - at `$.currency`"),
    ("purchase", {"currency": "EUR\n"}, "Expected `str` of length <= 3 - at `$.currency`"),
    ("purchase", {"lines": [LINE | {"quantity": 0}]}, "Expected `int` >= 1 - at `$.lines[0].quantity`"),
    ("purchase", {"lines": [LINE, LINE | {"amount": -5}]}, "Expected `int` >= 0 - at `$.lines[1].amount`"),
    ("purchase", {"lines": {}}, "Expected `array`, got `object` - at `$.lines`"),
    ("conversion", {"line": 100}, "Expected `int` <= 99 - at `$.line`"),
    ("conversion", {"delay": -1}, "Expected `int` >= 0 - at `$.delay`"),
    ("page-rules", {"slots": ["a", "a"]}, "Expected `slots` to name each slot once"),
    ("page-rules", {"policy": {"name": "best"}}, "Invalid enum value 'best' - at `$.policy.name`"),
]


@pytest.mark.parametrize(("name", "fields", "detail"), INVALID, ids=lambda value: str(value)[:40])
def test_invalid_message_is_refused_by_both_checks_and_the_error_says_where(
    name: str, fields: dict[str, object], detail: str
) -> None:
    value = changed(name, **fields)
    with pytest.raises(BadRecord) as caught:
        decoder(export.messages()[name])(value)
    assert (caught.value.reason, caught.value.detail) == ("invalid", detail)
    if fields != {"variant": 1.0}:  # JSON Schema counts 1.0 among the integers
        assert not validator(name).is_valid(json.loads(value))
