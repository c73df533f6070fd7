"""What is no JSON in UTF-8 is named in the reason, with what to do; what is takes no notice of it."""

from __future__ import annotations

import bz2
import gzip
import io
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reshelf.cli.main import run
from reshelf.topics.publish import check
from schemas.codec import decode_key, decoder
from schemas.errors import BadRecord, BadSettings
from schemas.foreign_content import content_of, key_of, remedy
from schemas.messages.events import Click
from schemas.topics import CATALOG_ITEMS, CLICKS, LAYOUTS
from streams.fold.judge import Judge
from streams.kafka.records import Logged
from streams.replay.json_lines import runs
from streams.settings import FoldSettings

CLICK = (
    b'{"event_id":"e","occurred_at":1796083200000,"unit":"u","page":"p","segment":"s","page_view_id":"v",'
    b'"layout_version":1,"variant":0,"slot":"a","item":"Stiefel gr\xc3\xbcn"}'
)
CONFLUENT = b"\x00\x00\x00\x00\x07"
ENVELOPED = b'{"schema":{"type":"struct"},"payload":' + CLICK + b"}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"\xef\xbb\xbf" + CLICK, "byte order mark"),
        (CLICK.decode().encode("utf-16"), "UTF-16"),
        (CLICK.decode().encode("utf-16-le"), "UTF-16"),
        (CLICK.decode().encode("utf-16-be"), "UTF-16"),
        (CLICK.decode().encode("utf-32"), "UTF-32"),
        (CLICK.decode().encode("latin-1"), "perhaps Latin-1 (there '\u00fc')"),
        (gzip.compress(CLICK, mtime=0), "compressed by gzip"),
        (bz2.compress(CLICK), "compressed by bzip2"),
        (b"(\xb5/\xfd\x20\x05", "compressed by zstd"),
        (b"PK\x03\x04\x14", "ZIP archive"),
        (CONFLUENT + CLICK, "schema id 7) and holds JSON: produce with a plain JSON serializer"),
        (CONFLUENT + b"\x02e\x80", "holds Avro or Protobuf"),
        (ENVELOPED, "value.converter.schemas.enable to false"),
        (b'{"before":null,"after":{},"op":"c"}', "Debezium"),
        (msgspec.json.encode(CLICK.decode()), "JSON within JSON"),
        (b"[" + CLICK + b"]", "is a list"),
        (CLICK + b"\n" + CLICK, "several lines of JSON"),
        (b"e1,1796083200000,u,home", "between commas"),
        (b"e1\t1796083200000\tu", "between tabs"),
        (b'<?xml version="1.0"?><rss/>', "is XML"),
        (b"<!doctype html><html>", "page of HTML"),
        (b"event_id=e&unit=u", "HTML form"),
        (b"{'event_id': 'e'}", "Python prints a dict"),
        (b"null", "to delete, send a record with no value at all"),
        (CLICK.replace(b"1796083200000", b'"2026-12-01T00:00:00Z"'), "in milliseconds since 1970 it is 1796083200000"),
        (CLICK.replace(b"1796083200000", b"1796083200000000"), "looks like microseconds"),
        (CLICK.replace(b"1796083200000", b"-5"), ""),
        (b'{"event_id":"e"}', ""),
        (b"", ""),
        (bytes(range(256)), ""),
    ],
)
def test_a_bad_record_says_what_it_is(value: bytes, said: str) -> None:
    with pytest.raises(BadRecord) as refused:
        decoder(Click)(value)
    if said:
        assert said in refused.value.detail
    (rejected,) = Judge(CLICKS, FoldSettings()).judge([Logged(0, 1_796_083_200_000, b"u", value)]).rejected
    assert (rejected.reason, rejected.detail) == (refused.value.reason, refused.value.detail)
    assert len(rejected.detail) < 1_000


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (CONFLUENT + b"u", "framed for a schema registry"),
        (b'"u"', "JSON, a text in quotes"),
        (b'{"schema":{"type":"string"},"payload":"u"}', "key.converter.schemas.enable to false"),
        (b"\xff\xfeu\x00", "UTF-16"),
        (b"\xef\xbb\xbfu", "byte order mark"),
        (b"v", ""),
    ],
)
def test_a_wrong_key_says_what_it_is(key: bytes, said: str) -> None:
    (rejected,) = Judge(CLICKS, FoldSettings()).judge([Logged(0, 1_796_083_200_000, key, CLICK)]).rejected
    assert rejected.reason == "key"
    assert ("; the key " in rejected.detail) == bool(said)
    assert said in rejected.detail
    if key[:1] == b"\x00":
        with pytest.raises(BadRecord, match="framed for a schema registry"):
            decode_key(LAYOUTS, key)


@settings(max_examples=60)
@given(st.binary(max_size=60), st.sampled_from([b"", CONFLUENT, b"{", b'{"payload":', b"<", b"\x1f\x8b", b'"', b"["]))
def test_whatever_comes_is_named_or_not_and_nothing_is_raised(tail: bytes, head: bytes) -> None:
    for value in (head + tail, (head + tail) * 200):
        assert isinstance(content_of(value) + key_of(value), str)
        assert isinstance(remedy(value, ValueError()), str)
    assert content_of(CLICK) == ""


@pytest.mark.parametrize("value", [b"[" * 60_000, b'{"a":' * 10_000, b"x," * 3_000_000, b"\xe4" * 3_000_000])
def test_large_and_deep_ones_cost_little(value: bytes) -> None:
    assert isinstance(remedy(value, ValueError()), str)


LINE = b'{"item":"a","title":"A"}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xef\xbb\xbf" + LINE, "byte order mark"),
        (LINE.decode().encode("utf-16"), "UTF-16"),
        (gzip.compress(LINE, mtime=0), "gzip"),
        (b"item,title,price\na,A,5\n", "google-tsv or shopify-csv"),
        (b"<rss/>", "--format google-xml"),
        (b"[\n" + LINE + b"]", "jq -c"),
        (LINE + b'{"item":"b","title":"B\xe4r"}\n', "Latin-1"),
    ],
)
def test_a_file_is_named_as_a_whole(content: bytes, said: str) -> None:
    with pytest.raises(BadSettings) as refused:
        check(io.BytesIO(content), CATALOG_ITEMS, "f")
    assert said in str(refused.value)
    assert str(refused.value).count("\n") == 0


def test_other_files_are_named_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rules = tmp_path / "home.yaml"
    rules.write_bytes("page: p\nslots: [\u00fc]\n".encode("latin-1"))
    assert run(["rules", "check", str(rules)]) == 2
    assert "perhaps Latin-1" in capsys.readouterr().err
    settings = tmp_path / "own.toml"
    settings.write_bytes("[kafka]\n".encode("utf-16"))
    assert run(["--settings", str(settings), "settings"]) == 2
    assert "it is text in UTF-16" in capsys.readouterr().err
    archive = tmp_path / "events-clicks-0.jsonl"
    archive.write_bytes(gzip.compress(b"{}"))
    with pytest.raises(BadSettings, match=r"line 1: .*; it is compressed by gzip"):
        list(runs(archive))
