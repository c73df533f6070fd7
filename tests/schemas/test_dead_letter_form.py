"""A dead letter keeps its record byte for byte, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dead_letters import HEADERS, OPTIONAL, REASONS, DeadLetter, read
from schemas.errors import BadRecord

names = st.one_of(st.text(max_size=20), st.sampled_from([*HEADERS, "ce_id", "ce_type"]))
letters = st.builds(
    DeadLetter,
    topic=st.text(max_size=30),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    reason=st.sampled_from(list(REASONS)),
    detail=st.text(max_size=200),
    key=st.none() | st.binary(max_size=40),
    value=st.none() | st.binary(max_size=200),
    headers=st.lists(st.tuples(names, st.binary(max_size=40)), max_size=8).map(tuple),
    append_time=st.sampled_from([-1, 0]) | st.integers(0, 2**63 - 1),
)


@settings(derandomize=True, deadline=None)
@given(letters)
def test_letter_comes_back_as_it_was(letter: DeadLetter) -> None:
    assert read(letter.to_headers(), letter.key, letter.value) == letter


@settings(derandomize=True, deadline=None)
@given(letters)
def test_own_headers_come_first_and_unchanged(letter: DeadLetter) -> None:
    headers = letter.to_headers()
    assert tuple(headers[: len(letter.headers)]) == letter.headers
    ours = [name for name in HEADERS if name != OPTIONAL or letter.append_time >= 0]
    assert [name for name, _ in headers[len(letter.headers) :]] == ours


@settings(derandomize=True, deadline=None)
@given(letters, st.integers(0, 10))
def test_letter_within_a_letter_is_kept(inner: DeadLetter, offset: int) -> None:
    outer = DeadLetter("dead-letters", 0, offset, "key", "", inner.key, inner.value, tuple(inner.to_headers()))
    found = read(outer.to_headers(), outer.key, outer.value)
    assert read(found.headers, found.key, found.value) == inner


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(names, st.none() | st.binary(max_size=10)), max_size=8))
def test_headers_of_anything_raise_only_bad_record(headers: list[tuple[str, bytes]]) -> None:
    try:
        read(headers)
    except BadRecord as error:
        assert error.reason == "invalid"


@pytest.mark.parametrize("name", [name for name in HEADERS if name != OPTIONAL])
def test_missing_header_is_named(name: str) -> None:
    headers = [header for header in DeadLetter("t", 0, 0, "late", "").to_headers() if header[0] != name]
    with pytest.raises(BadRecord, match=f"expected the header {name}, got none"):
        read(headers)


@pytest.mark.parametrize("value", [b"", b"-1", b"one", b"1.0", "\u00b2".encode(), b"9" * 5000, b"9" * 19, b"\xff"])
def test_position_that_is_no_number_is_refused(value: bytes) -> None:
    headers = [*DeadLetter("t", 0, 0, "late", "").to_headers(), ("reshelf-offset", value)]
    with pytest.raises(BadRecord, match="reshelf-offset"):
        read(headers)


def test_header_that_kafka_gives_without_a_value_is_kept() -> None:
    null: tuple[str, bytes] = ("empty", None)  # type: ignore[assignment]
    letter = DeadLetter("events-clicks", 1, 2, "empty", "no value", headers=(null, ("ce_id", b"7")))
    assert read(letter.to_headers()).headers == letter.headers


def test_detail_that_utf8_cannot_carry_is_escaped() -> None:
    assert dict(DeadLetter("t", 0, 0, "key", "\ud800").to_headers())["reshelf-detail"] == rb"\ud800"


def test_reasons_are_the_agreed_words_each_with_a_meaning() -> None:
    assert set(REASONS) == {"empty", "malformed", "invalid", "key", "late", "early", "currency", "quota"}
    assert all(text.endswith(".") and len(text) > 40 for text in REASONS.values())
