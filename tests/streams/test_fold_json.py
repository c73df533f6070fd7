"""The compiled fold reads JSON as the decoder does: any script, escapes, and fields that the message does not have."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages.events import Impression
from schemas.topics import CLICKS
from streams.fold.fast import path as fast_path
from streams.fold.judge import Judged
from streams.kafka.records import Batch, TopicPartition
from streams.learner.agent import _count_batch
from streams.metrics import REGISTRY
from streams.state.partition import Prepared
from streams.state.watermark import Watermark
from tests.streams.logs import LoggedRecord
from tests.streams.test_fold_fast_path import ROOMY, TP, assert_same, impression, partition, record, told

pytestmark = pytest.mark.skipif(
    not fast_path.BUILT, reason="streams.fold.fast.compiled was not built: is there a C compiler and Python's headers?"
)

FIELDS = frozenset(Impression.__struct_fields__)
TELLING = [
    "häuser",
    "家具/椅子",
    "дом",
    "بيت",
    "🏠",
    "👩‍👩‍👧‍👦",
    "é",
    "e\u0301",
    'a"b',
    "\\",
    "\n",
    "\x00",
    "\x7f",
    "\u2028",
    "\ufeff",
    "\uffff",
]
_SHORT = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_scripts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_names = st.one_of(_scripts, st.sampled_from(TELLING))
_long = st.builds(str.__mul__, st.sampled_from("aä家🏠"), st.sampled_from([63, 64, 65, 127, 128, 129]))
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_numbers = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), _numbers, _texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_texts, inner, max_size=3)),
    max_leaves=8,
)
_unknown = st.dictionaries(_texts.filter(lambda key: key not in FIELDS | {"slot", "item"}), _values, max_size=3)


def written(chance: random.Random, value: Any) -> str:
    """JSON with each character of a string in one of the forms that it may take, fields in any order and spaces."""
    if isinstance(value, str):
        return '"' + "".join(_character(chance, one) for one in value) + '"'
    space = chance.choice(["", "", "", " ", "\n\t", "\r"])
    if isinstance(value, dict):
        rows = [f"{space}{written(chance, key)}{space}:{written(chance, one)}" for key, one in value.items()]
        return f"{space}{{{space}{','.join(chance.sample(rows, len(rows)))}{space}}}{space}"
    if isinstance(value, list):
        return f"{space}[{space}{','.join(written(chance, one) for one in value)}{space}]{space}"
    return f"{space}{json.dumps(value)}{space}"


def _character(chance: random.Random, one: str) -> str:
    way = chance.random()
    if way < 0.2 and one in _SHORT:
        return _SHORT[one]
    if way < 0.5 or ord(one) < 32 or one in '"\\':
        units = one.encode("utf-16-be").hex()
        return "".join("\\u" + (units.upper() if way < 0.3 else units)[at : at + 4] for at in range(0, len(units), 4))
    return one


def seen_twice(first: list[LoggedRecord], again: list[LoggedRecord]) -> tuple[Prepared, Prepared]:
    """Both paths agree on what brings the names and on what has none to bring; what the latter led to in both."""
    built, unbuilt = partition(ROOMY, True), partition(ROOMY, False)
    for cut in (first, again):
        batch = Batch(TP, cut[0].offset, cut[-1].offset + 1, 0, cut)
        one, other = built.prepare(batch), unbuilt.prepare(batch)
        floor = cut[len(cut) // 2].offset
        assert told(built, one, floor) == told(unbuilt, other, floor)
    return one, other


def twice(seed: int, events: list[dict[str, Any]]) -> tuple[list[LoggedRecord], list[LoggedRecord]]:
    """The events, and the same under other ids in other page views, each written in a way of its own."""
    chance, halves = random.Random(seed), []
    for half in range(2):
        rows = [
            event
            | {"event_id": f"{half}{at}{event['event_id']}", "page_view_id": f"{event['page_view_id'][:-1]}{half}"}
            for at, event in enumerate(events)
        ]
        values = [written(chance, row).encode() for row in rows]
        halves.append([record(half * len(rows) + at, values[at], row["unit"]) for at, row in enumerate(rows)])
    return halves[0], halves[1]


@st.composite
def _events(draw: st.DrawFn) -> list[dict[str, Any]]:
    texts, found = draw(st.lists(_names, min_size=2, max_size=6)), []
    names = st.sampled_from(texts)
    for number in range(draw(st.integers(1, 8))):
        slots = [{"slot": draw(names), "item": draw(names)} | draw(_unknown) for _ in range(draw(st.integers(1, 3)))]
        keys = ("event_id", "unit", "page", "segment", "page_view_id")
        event = impression(number, slots=slots, **{key: draw(names) for key in keys}) | draw(_unknown)
        if draw(st.integers(0, 3)) == 0:
            event[draw(st.sampled_from(keys))] = draw(_long)
        found.append(event)
    return found


@given(events=_events(), seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_what_the_decoder_accepts_is_taken_once_its_names_are_known(events: list[dict[str, Any]], seed: int) -> None:
    built, plain = seen_twice(*twice(seed, events))
    assert len(built.judged.fast_events or ()) == len(plain.judged.accepted)
    assert built.judged.accepted == []


@pytest.mark.parametrize("ensure_ascii", [False, True])
@pytest.mark.parametrize("name", [*TELLING, "ä" * 64, "🏠" * 64])
def test_names_of_any_script_with_a_field_more_are_taken(name: str, ensure_ascii: bool) -> None:
    slots = [{"slot": name, "item": name * (2 if len(name) == 64 else 1), "shown_ms": 1.5}]
    event = impression(0, page=name, segment=name, unit=name, slots=slots, producer={"host": "web-3"})
    rows = [event | dict.fromkeys(("event_id", "page_view_id"), f"{name[:60]}{at}") for at in range(2)]
    cuts = [[record(at, json.dumps(row, ensure_ascii=ensure_ascii).encode(), name)] for at, row in enumerate(rows)]
    built, _ = seen_twice(*cuts)
    assert len(built.judged.fast_events or ()) == 1


@pytest.mark.parametrize("field", ["event_id", "unit", "page_view_id"])
@pytest.mark.parametrize("letter", ["a", "ä", "\\u00e4", "🏠", "\\ud83c\\udfe0"])
def test_a_limit_is_of_characters(field: str, letter: str) -> None:
    rows = []
    for offset, size in enumerate([1, 128, 129]):
        event = (
            json.dumps(impression(0, event_id=f"e{size}", page_view_id=f"v{size}") | {field: "?"})
            .replace("?", letter * size)
            .encode()
        )
        rows.append(record(offset, event, json.loads(event)["unit"]))
    built, _ = seen_twice(rows[:1], rows[1:])
    assert len(built.judged.fast_events or ()) == 1
    assert [(one.record.offset, one.reason) for one in built.judged.rejected] == [(2, "invalid")]


def around(before: bytes, value: bytes, after: bytes) -> bool:
    """Whether the fast path takes an impression with this value in it, all names being known."""
    rows = []
    for at in range(3):
        plain = json.dumps(impression(0, event_id=f"e{at}", page_view_id=f"v{at}")).encode()
        assert before in plain
        rows.append(record(at, plain.replace(before, value + after) if at else plain, "u0"))
    return len(seen_twice(rows[:2], rows[2:])[0].judged.fast_events or ()) == 1


TAKEN_STRINGS = [
    b"\\u00e4", b"\\u00E4", b"\\ud83c\\udfe0", b"\\uD83C\\uDFE0", b'\\"\\\\\\/\\b\\f\\n\\r\\t', b"\\u0000",
    b"\\uffff", b"\x7f", b"\xc2\x80", b"\xdf\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xc3\xa4\\u00e4\xc3\xa4",
]  # fmt: skip
LEFT_STRINGS = [
    b"\\ud83c", b"\\udfe0", b"\\ud83c\\ud83c", b"\\ud83cxxxxxxxx", b"\\ud83c\\u0041", b"\\ud83c\\n", b"\\x41",
    b"\\u00g4", b"\\u00 4", b"\\u+041", b"\\u-041", b"\\U00e4", b"\\'", b"\\", b"\\u", b"\x00", b"\x1f", b"\n", b"\t",
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc3", b"\xc3x", b"\xe0\x9f\xbf", b"\xe4\xb8", b"\xe4\xb8x",
    b"\xe4x\x80", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x8f", b"\xf0\x9f\x8fx", b"\xf0\x9fx\xa0",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xff", b"\xc3\xc3", b"\xe4\xb8\xc3", b"\\u00e4\xff", b"\\u00e4\n",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fast_events"), [(text, True) for text in TAKEN_STRINGS] + [(text, False) for text in LEFT_STRINGS]
)
def test_strings_at_the_edge_of_json(text: bytes, fast_events: bool) -> None:
    assert around(b'"home"', b'"' + text, b'"') == fast_events, "as a page"
    assert around(b'"variant"', b'"more": "' + text, b'", "variant"') == fast_events, "as what is passed over"
    assert around(b'"variant"', b'"' + text, b'": 1, "variant"') == fast_events, "as a key"
    assert around(b'"slot":', b'"' + text, b'": 1, "slot":') == fast_events, "as a key beside a slot"


def nested(depth: int) -> bytes:
    return b'[{"a":' * (depth // 2) + b"[" * (depth % 2) + b"0" + b"]" * (depth % 2) + b"}]" * (depth // 2)


TAKEN_VALUES = [
    b"0", b"-0", b"10", b"-1", b"1.0", b"0.5", b"-0.0e0", b"1e5", b"1E+5", b"1e-400", b"1e400", b"9" * 400, b"true",
    b"false", b"null", b"[]", b"{}", b"[ ]", b"{ }", b"[1,[2],{}]", b'{"":{"a":[null,true]}}', b'{"a":1,"a":2}',
    b"\r\n\t [ 1 , 2 ] ", b'""', b'"\xc3\xa4"', nested(31), nested(32),
]  # fmt: skip
LEFT_VALUES = [
    b"", b"-", b"+1", b"01", b"-01", b"00", b"1.", b".5", b"1.e5", b"1e", b"1e+", b"0x1", b"1_0", b"NaN", b"Infinity",
    b"tru", b"truex", b"True", b"nul", b"fals", b"[", b"]", b"{", b"}", b"[1,]", b"[,1]", b"[1 2]", b"[1}", b"[1",
    b'"\\ud83c', b'"\\x',
    b'{"a":1]', b'{"a":1,}', b'{"a"}', b'{"a":}', b'{"a" 1}', b"{1:1}", b"{,}", b'{"a":1 "b":2}', b"'a'", b'"', b'"a',
    b"1 2", b"// a", b"\x0b1", b"\xc2\xa01", b'{"\xff":1}', b'["\\ud800"]', nested(33), nested(200), nested(4_000),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "fast_events"), [(value, True) for value in TAKEN_VALUES] + [(value, False) for value in LEFT_VALUES]
)
def test_values_that_are_passed_over(value: bytes, fast_events: bool) -> None:
    assert around(b'"variant"', b'"more":' + value, b', "variant"') == fast_events, "beside the fields"
    assert around(b'"slot":', b'"more":' + value, b', "slot":') == fast_events, "beside a slot"
    assert around(b'"}]}', b'"}], "more":' + value, b"}") == fast_events, "at the end"


def test_a_field_is_known_however_its_name_is_written() -> None:
    assert around(b'"page":', b'"p\\u0061ge":', b"")
    assert around(b'"slot":', b'"\\u0073lot":', b"")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"page":', b'"page": "home", "page":'),
        (b'"page":', b'"page": "home", "p\\u0061ge":'),
        (b'"slot":', b'"slot": "slot0", "slot":'),
        (b'"variant":', b'"variant": 0, "variant":'),
        (b'"segment"', b'"segmenT"'),
        (b'"slot":', b'"sl\\u006ft ":'),
        (b'"}]}', b'"}],}'),
        (b'"}]}', b'",}]}'),
        (b'"}]}', b'"},]}'),
        (b'"}]}', b'"}]}}'),
        (b'"}]}', b'"}]} x'),
        (b'"}]}', b'"}]'),
        (b'{"event_id"', b'\xef\xbb\xbf{"event_id"'),
        (b'{"event_id"', b'{,"event_id"'),
        (b'"layout_version": 1, ', b""),
        (b', "item": "i0"', b""),
        (b'"slot": "slot0", ', b""),
    ],
)
def test_fields_that_are_twice_or_not_there_and_what_is_no_object_are_left(before: bytes, after: bytes) -> None:
    assert not around(before, after, b"")


@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 3), ensure_ascii=st.booleans())
@settings(max_examples=80)
def test_damaged_bytes(seed: int, cuts: int, ensure_ascii: bool) -> None:
    chance, records = random.Random(seed), []
    marks = [*b'{}[]",:\\/bfnrtu019-+eE. \x00\x1f\x7f', *range(0x80, 0x100)]
    for number in range(40):
        places = [{"slot": "é", "item": chance.choice(TELLING), "shown": [1.5e3, None, {"a": "🏠"}]} for _ in range(2)]
        event = impression(number, page="häuser", unit="ü", slots=places, more={"家": [True, -0.5, "\\\n"], "": {}})
        fields = dict(chance.sample(list(event.items()), len(event)))
        value = bytearray(json.dumps(fields, ensure_ascii=ensure_ascii).encode())
        if number > 15 and chance.random() < 0.8:
            for _ in range(cuts):
                at = chance.randrange(len(value))
                value[at : at + chance.randint(0, 3)] = bytes(chance.choices(marks, k=chance.randint(0, 2)))
            if chance.random() < 0.2:
                del value[chance.randrange(len(value)) :]
        records.append(record(number, bytes(value), "ü"))
    assert_same(ROOMY, records, 20)


def test_a_field_that_the_compiled_code_does_not_know_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = fast_path._limits
    monkeypatch.setattr(fast_path, "_limits", lambda message: limits(message) | {"weather": {"least": 0, "most": 9}})
    with pytest.raises(ValueError, match=r"expected the fields .* got .*'weather'"):
        partition(ROOMY, True)


def test_impressions_are_counted_by_path() -> None:
    part, before = partition(ROOMY, True), _paths()
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    for at in (0, 10):
        events = [impression(number, unit="u0", page="häuser", more=1) for number in range(at, at + 8)]
        events += [impression(number, unit="u0", page="häuser", more=deep) for number in (at + 8, at + 9)]
        events += [impression(at, unit="u0"), impression(at + 1, unit="u1", variant=999)]
        rows = [record(2 * at + step, json.dumps(event).encode(), "u0") for step, event in enumerate(events)]
        batch = Batch(TP, rows[0].offset, 2 * at + 20, 0, rows)
        _count_batch(part, part.prepare(batch))
    # Two of each batch are nested too deeply for the compiled code; one is a duplicate, and one is invalid.
    assert [now - then for now, then in zip(_paths(), before, strict=True)] == [16, 4]


def test_other_topics_have_no_path() -> None:
    before = _paths()
    part = partition(ROOMY, True)
    part.tp = TopicPartition(CLICKS.name, 0)
    batch = Batch(part.tp, 0, 0, 0, [])
    accepted: list[Any] = [None] * 3
    _count_batch(part, Prepared(batch, Watermark(0), Judged(accepted=accepted)))
    assert _paths() == before


def _paths() -> list[float]:
    return [REGISTRY.value("reshelf_fold_events_total", path) for path in ("fast", "plain")]
