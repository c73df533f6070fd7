"""Encoding and decoding: identity on every message, and nothing but `BadRecord` on anything else."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from schemas import export
from schemas.codec import decode_key, decoder, encode, encode_key
from schemas.errors import BadRecord
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Impression
from schemas.messages.fields import Slot
from schemas.messages.pages import PageRow, PageRules
from schemas.topic import Topic
from schemas.topics import TOPICS
from tests.all_tests import ALL_TESTS

MESSAGES = export.messages()
SLOT = msgspec.inspect.type_info(Slot)
plain = settings(derandomize=True, deadline=None, max_examples=60 if ALL_TESTS else 25)


def values(kind: Any) -> st.SearchStrategy[Any]:  # noqa: C901  one arm for each kind of type
    """Values of an inspected msgspec type, all within its limits; lists and maps stay short."""
    match kind:
        case msgspec.inspect.StrType(pattern=str() as pattern):
            return st.from_regex(pattern, fullmatch=True).filter(lambda text: len(text) <= (kind.max_length or 99))
        case msgspec.inspect.StrType():
            return st.text(min_size=kind.min_length or 0, max_size=min(kind.max_length or 20, 20))
        case msgspec.inspect.IntType():
            return st.integers(kind.ge, kind.le)
        case msgspec.inspect.FloatType():
            return st.floats(*limits(kind), allow_nan=False, allow_infinity=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType():
            return st.sampled_from(kind.values)
        case msgspec.inspect.UnionType():
            return st.one_of(*map(values, kind.types))
        case msgspec.inspect.TupleType():
            return st.tuples(*map(values, kind.item_types))
        case msgspec.inspect.BytesType():
            return st.binary(min_size=4, max_size=4)
        case msgspec.inspect.ListType():
            size = kind.min_length or 0
            return st.lists(values(kind.item_type), min_size=size, max_size=size + 3, unique=kind.item_type == SLOT)
        case msgspec.inspect.DictType():
            return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=3)
        case msgspec.inspect.Metadata():
            return values(kind.type)
        case msgspec.inspect.StructType():
            fields = st.fixed_dictionaries({field.name: values(field.type) for field in kind.fields})
            return fields.map(lambda given: built(kind.cls, given)).filter(lambda made: made is not None)
    raise AssertionError(f"no strategy for {kind}")


def built(kind: type[msgspec.Struct], fields: dict[str, Any]) -> msgspec.Struct | None:
    """A message, or None where its fields do not go together."""
    try:
        return kind(**(fields | ALONE.get(kind, lambda _: {})(fields)))
    except ValueError:
        return None


def one_way(fields: dict[str, Any]) -> dict[str, Any]:
    """A page is flat, or has shelves and rows."""
    return {"shelves": UNSET, "rows": UNSET} if len(fields["slots"]) % 2 else {"slots": []}


def by_name_or_number(fields: dict[str, Any]) -> dict[str, Any]:
    """A row names its slots, or says how many there are."""
    return {"columns": 0 if fields["slots"] else 1 + fields["columns"] % 3}


ALONE = {PageRules: one_way, PageRow: by_name_or_number}
"""What goes alone is drawn together: one of it is left out."""


def limits(kind: Any) -> tuple[float | None, float | None]:
    """Lowest and highest value, open ends moved in by a little."""
    step = 1e-9
    low = kind.ge if kind.ge is not None else None if kind.gt is None else kind.gt + step
    high = kind.le if kind.le is not None else None if kind.lt is None else kind.lt - step
    return low, high


def shape(name: str) -> Any:
    return msgspec.inspect.type_info(MESSAGES[name])


@pytest.mark.parametrize("name", MESSAGES)
def test_decode_undoes_encode(name: str) -> None:
    decode = decoder(MESSAGES[name])

    @plain
    @given(values(shape(name)))
    def law(message: msgspec.Struct) -> None:
        assert decode(encode(message)) == message

    law()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def refused_or_right(name: str, value: Any) -> None:
    try:
        message = decoder(MESSAGES[name])(value)
    except BadRecord as error:
        assert error.reason in ("empty", "malformed", "invalid")
        assert 0 < len(error.detail) <= 500
        error.detail.encode()
    else:
        assert type(message) is MESSAGES[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_random_bytes_and_random_json_raise_nothing_but_bad_record(name: str) -> None:
    @plain
    @given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
    def law(value: bytes) -> None:
        refused_or_right(name, value)

    law()


@pytest.mark.parametrize("name", MESSAGES)
def test_good_message_with_one_field_spoilt_raises_nothing_but_bad_record(name: str) -> None:
    content = json.loads((export.EXAMPLES / f"{name}.full.json").read_bytes())

    @plain
    @given(st.sampled_from(sorted(content)), json_values)
    def law(field: str, value: Any) -> None:
        refused_or_right(name, json.dumps(content | {field: value}).encode())

    law()


@pytest.mark.parametrize("name", MESSAGES)
def test_good_message_cut_or_with_a_byte_changed_raises_nothing_but_bad_record(name: str) -> None:
    whole = (export.EXAMPLES / f"{name}.small.json").read_bytes()

    @plain
    @given(st.integers(0, len(whole) - 1), st.binary(max_size=2))
    def law(at: int, bytes_: bytes) -> None:
        refused_or_right(name, whole[:at] + bytes_ + whole[at + 1 :])
        refused_or_right(name, whole[:at])

    law()


DEEP = b"[" * 100_000
HOSTILE = {
    "none": (None, "empty"),
    "no bytes": (b"", "empty"),
    "blank": (b"  ", "malformed"),
    "deep list": (b'{"x":' + DEEP, "malformed"),
    "deep object": (b'{"x":' * 100_000, "malformed"),
    "huge integer": (b'{"occurred_at":' + b"9" * 5_000 + b"}", "invalid"),
    "huge negative integer": (b'{"occurred_at":-' + b"9" * 5_000 + b"}", "invalid"),
    "huge exponent": (b'{"occurred_at":1e999999}', "invalid"),
    "NaN": (b'{"occurred_at":NaN}', "malformed"),
    "Infinity": (b'{"occurred_at":-Infinity}', "malformed"),
    "invalid UTF-8": (b'{"unit":"\xff"}', "malformed"),
    "surrogate in UTF-8": (b'{"unit":"\xed\xa0\x80"}', "malformed"),
    "lone high surrogate": (b'{"unit":"\\ud800"}', "malformed"),
    "lone low surrogate": (b'{"unit":"\\udc00"}', "malformed"),
    "two values": (b"{}{}", "invalid"),
    "byte order mark": (b"\xef\xbb\xbf{}", "malformed"),
    "UTF-16": ("{}".encode("utf-16"), "malformed"),
    "list": (b"[]", "invalid"),
    "null": (b"null", "invalid"),
}


@pytest.mark.parametrize(("value", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_value_has_its_reason(value: bytes, reason: str) -> None:
    with pytest.raises(BadRecord) as caught:
        decoder(Impression)(value)
    assert caught.value.reason == reason


def test_unknown_fields_are_ignored_and_missing_ones_take_their_default() -> None:
    item = decoder(CatalogItem)(b'{"item":"a","title":"b","of_tomorrow":{"x":[1]}}')
    assert item == CatalogItem("a", "b")


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.message], ids=lambda topic: topic.name)
def test_decode_key_undoes_encode_key(topic: Topic) -> None:
    parts = 2 if topic.key == "page, segment" else 1

    @plain
    @given(st.lists(st.text(min_size=1, max_size=20), min_size=parts, max_size=parts))
    def law(names: list[str]) -> None:
        assert decode_key(topic, encode_key(topic, *names)) == tuple(names)

    law()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_random_key_raises_nothing_but_bad_record(topic: Topic) -> None:
    @plain
    @given(st.none() | st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()))
    def law(key: bytes | None) -> None:
        try:
            assert all(isinstance(part, str) for part in decode_key(topic, key))
        except BadRecord as error:
            assert error.reason == "key"

    law()


@pytest.mark.parametrize("key", [None, b"", b"home", b"[]", b'["home"]', b'["home",1]', b'{"home":1}', DEEP, b"\xff"])
def test_key_that_is_not_page_and_segment_is_refused(key: bytes | None) -> None:
    layouts = next(topic for topic in TOPICS if topic.name == "layouts")
    with pytest.raises(BadRecord, match=r"^key: expected page, segment, got "):
        decode_key(layouts, key)
