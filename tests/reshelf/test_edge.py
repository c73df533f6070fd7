"""`reshelf edge` over HTTP, against a broker."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import requests
import schemathesis
from confluent_kafka import Producer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.datastructures import QueryParams

from policy.assignment import choose
from reshelf.edge.app import Parts, application
from reshelf.edge.intake import Record, Refusal, check, parse
from reshelf.edge.layout_cache import LayoutCache
from reshelf.edge.limits import Limiter
from reshelf.edge.run import server
from reshelf.edge.slates import unit_of
from reshelf.service_settings import EdgeSettings
from schemas.codec import encode, encode_key
from schemas.errors import BadRecord, BadSettings
from schemas.messages.fields import BASELINE, FALLBACK
from schemas.messages.layouts import Layout
from schemas.topics import CLICKS, LAYOUTS
from streams.access import required_token
from streams.kafka.clients import confluent_producer_config
from streams.kafka.reader import partitions, reader, to_the_end
from streams.metrics import REGISTRY
from streams.settings import KafkaSettings
from tests.reshelf.test_layouts_command import NOW_MS, layout

CLICK: dict[str, Any] = {
    "kind": "click",
    "event_id": "c-1",
    "occurred_at": NOW_MS,
    "unit": "u-1",
    "page": "home",
    "segment": "cooks",
    "slot": "home-1",
    "item": "tent",
    "page_view_id": "v-1",
    "layout_version": 9,
    "variant": 0,
}


def shelf_of(*layouts: Layout) -> LayoutCache:
    cache = LayoutCache(100)
    for one in layouts:
        cache.take(_Message(one))  # type: ignore[arg-type]  # what it reads of a message
    return cache


class _Message:
    def __init__(self, one: Layout) -> None:
        self._layout = one

    def key(self) -> bytes:
        return encode_key(LAYOUTS, self._layout.page, self._layout.segment)

    def value(self) -> bytes:
        return encode(self._layout)


@settings(max_examples=40)
@given(unit=st.text(min_size=1, max_size=20))
def test_a_visitor_is_shown_what_the_reference_chooses(unit: str) -> None:
    one = layout("cooks", 9)
    found = shelf_of(one).answer("home", "cooks", unit, NOW_MS)
    assert found is not None
    told = json.loads(found.body)
    assert (told["variant"], told["slate"]) == choose(one, unit)
    assert told["variant"] in (BASELINE, 0, 1)


@given(
    query=st.one_of(
        st.binary(max_size=30),
        st.lists(st.sampled_from([b"unit", b"=", b"&", b"+", b"%41", b"%E5%AE%A2", b"%", b"x", b"\xe9"])).map(b"".join),
    )
)
def test_a_query_is_read_as_starlette_reads_it(query: bytes) -> None:
    assert unit_of(query) == QueryParams(query).get("unit")


def test_another_version_or_variant_has_another_tag() -> None:
    cache = shelf_of(layout("cooks", 9), layout("*", 9))
    tags = {cache.answer("home", segment, None, NOW_MS) for segment in ("cooks", "campers")}
    tags |= {cache.answer("home", "cooks", f"u{number}", NOW_MS) for number in range(100)}
    tags |= {shelf_of(layout("cooks", 10)).answer("home", "cooks", None, NOW_MS)}
    assert len({one.etag for one in tags if one}) == len(tags) == 6


def test_an_expired_layout_is_not_served() -> None:
    cache = shelf_of(layout("*", 9, expires_at=NOW_MS + 1))
    assert cache.answer("home", "cooks", "u", NOW_MS) is not None
    assert cache.answer("home", "cooks", "u", NOW_MS + 1) is None
    assert cache.answer("other", "cooks", "u", NOW_MS) is None


@given(costs=st.lists(st.tuples(st.integers(1, 10), st.floats(0, 2)), max_size=50))
def test_nobody_gets_more_than_the_rate_allows(costs: list[tuple[int, float]]) -> None:
    limiter, now, taken = Limiter(rate=5.0, burst=10.0), 0.0, 0
    for cost, pause in costs:
        now += pause
        if not limiter.wait_s("client", cost, now):
            taken += cost
    assert taken <= 10 + 5 * now + 1e-6


@given(asked=st.lists(st.tuples(st.integers(1, 10), st.floats(0, 1e9)), max_size=20))
def test_a_clock_that_is_set_back_makes_nobody_wait_longer(asked: list[tuple[int, float]]) -> None:
    limiter = Limiter(rate=5.0, burst=10.0)
    for cost, now in asked:
        assert limiter.wait_s("client", cost, now) <= cost / 5.0


def test_who_waits_as_told_is_let_in() -> None:
    limiter = Limiter(rate=5.0, burst=10.0)
    assert limiter.wait_s("one", 10, 0.0) == 0
    wait = limiter.wait_s("one", 4, 0.0)
    assert wait == pytest.approx(0.8)
    assert limiter.wait_s("other", 10, 0.0) == 0
    assert limiter.wait_s("one", 4, wait) == 0


def test_events_that_do_not_fit_are_told_one_by_one() -> None:
    wrong = [CLICK | {"kind": "view"}, CLICK | {"variant": 999}, 3, {"event_id": "x"}]
    records, refusals = check(parse(json.dumps({"events": [CLICK, *wrong]}).encode()))
    assert [(record.number, record.key) for record in records] == [(0, b"u-1")]
    assert [(one.index, one.reason) for one in refusals] == [(1, "kind"), *((at, "invalid") for at in (2, 3, 4))]
    assert "`$.variant`" in refusals[1].detail
    for body in (b"", b"[]", b"{", b'{"events": 3}'):
        with pytest.raises(BadRecord):
            parse(body)


UNREADABLE = [
    json.dumps(CLICK | {"unit": "\ud800"}).encode(),
    json.dumps(CLICK).encode().replace(b"tent", b"t\xff"),
    json.dumps(CLICK)[:-1].encode() + b', "x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    b'{"kind": "click", "unit": }',
]
READABLE = [json.dumps(CLICK | {"unit": unit}).encode() for unit in ("u", 'a"]}, {"', "\\", '\\"', "\U0001f6d2", "],[")]


@given(st.lists(st.sampled_from(READABLE + UNREADABLE), max_size=6))
def test_an_event_that_cannot_be_read_spoils_no_other(elements: list[bytes]) -> None:
    records, refusals = check(parse(b' {"events" : [\n' + b" , ".join(elements) + b"]}\n"))
    assert [one.number for one in records] == [at for at, one in enumerate(elements) if one in READABLE]
    assert [one.value for one in records] == [
        record.value for one in elements if one in READABLE for record in check([msgspec.Raw(one)])[0]
    ]
    assert [one.index for one in refusals] == [at for at, one in enumerate(elements) if one in UNREADABLE]


@given(st.sampled_from(UNREADABLE), st.integers(1, 12))
def test_a_batch_that_is_cut_off_is_none(element: bytes, cut: int) -> None:
    body = b'{"events": [' + READABLE[0] + b"," + element + b"]}"
    with pytest.raises(BadRecord):
        parse(body[:-cut])
    with pytest.raises(BadRecord):
        parse(body + b"]}"[:cut])


def test_a_long_string_without_an_end_is_soon_refused() -> None:
    began = time.process_time()
    with pytest.raises(BadRecord):
        parse(b'{"events":["' + b'\\"' * 500_000)
    assert time.process_time() - began < 2.0


class _Away:
    """Stands for broker and topic where nothing is to be published."""

    live = ready = True

    async def send(self, records: list[Record]) -> list[Refusal]:
        return [Refusal(record.number, "broker", "away", retry=True) for record in records]


@contextlib.contextmanager
def running(parts: Parts) -> Iterator[int]:
    """The port of an edge that runs in this process."""
    edge = server(application(parts))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=edge.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            edge.should_exit = True
            thread.join(20)


def test_who_sends_too_much_over_http_is_told_when_to_come_again() -> None:
    limits = EdgeSettings(max_events=10, events_per_s=4)
    clock = iter([100.0, 100.5, 102.0])
    with running(Parts(limits, LayoutCache(100), _Away(), _Away(), now=lambda: next(clock))) as port:
        address = f"http://127.0.0.1:{port}/events"
        answers = [requests.post(address, json={"events": [CLICK] * 10}, timeout=10) for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 429, 429]
    # Ten tokens are asked for: two are there after half a second, eight after two.
    assert [one.headers.get("Retry-After") for one in answers] == [None, "2", "1"]
    assert "edge.events_per_s" in answers[1].json()["error"]


def test_who_hangs_up_in_the_middle_of_a_body_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    counted = ("reshelf_http_requests_total", "events", "400")
    before = REGISTRY.value(*counted)
    with running(Parts(EdgeSettings(), LayoutCache(100), _Away(), _Away())) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b'POST /events HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n{"events": [')
        deadline = time.monotonic() + 10
        while REGISTRY.value(*counted) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert requests.get(f"http://127.0.0.1:{port}/live", timeout=5).status_code == 200
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == []


NAMES = st.text(min_size=1, max_size=64) | st.sampled_from(["women/shoes", "/", "%2F", "a/b/c", "a\nb", "?", "..", "*"])


@given(names=st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=20, unique=True))
@settings(max_examples=10, deadline=None)
def test_a_layout_is_had_whatever_its_page_and_segment_are_called(names: list[tuple[str, str]]) -> None:
    cache = shelf_of(*(msgspec.structs.replace(layout(segment, 9), page=page) for page, segment in names))
    with (
        running(Parts(EdgeSettings(), cache, _Away(), _Away(), now=lambda: NOW_MS / 1_000)) as port,
        contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=10)) as client,
    ):
        for page, segment in names:
            client.request("GET", f"/layouts/{quote(page, safe='')}/{quote(segment, safe='')}?unit=u")
            answer = client.getresponse()
            told = json.loads(answer.read())
            assert (answer.status, told["page"], told["segment"]) == (200, page, segment)


def test_an_open_address_needs_a_token() -> None:
    with pytest.raises(BadSettings, match=r"edge\.token with at least 16 characters, got 0"):
        required_token("edge", "0.0.0.0", SecretStr(""))
    assert required_token("edge", "0.0.0.0", SecretStr("0123456789abcdef")) == "0123456789abcdef"


@pytest.fixture
def served(broker: str, prefix: str, make_topics: Callable[..., None]) -> Iterator[tuple[str, KafkaSettings]]:
    """The address of a running edge with two layouts, and its broker."""
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    producer = Producer(confluent_producer_config(kafka))
    # They outlive the slowest run of all tests.
    lasting = NOW_MS + 86_400_000
    for one in (layout("cooks", 9, lasting), layout("*", 3, lasting)):
        producer.produce(prefix + LAYOUTS.name, encode(one), encode_key(LAYOUTS, "home", one.segment))
    assert producer.flush(30) == 0
    chosen = {
        "RESHELF_KAFKA__BOOTSTRAP": broker,
        "RESHELF_KAFKA__PREFIX": prefix,
        "RESHELF_EDGE__TOKEN": "a-token-for-tests",
        "RESHELF_EDGE__MAX_EVENTS": "10",
        "RESHELF_EDGE__MAX_BYTES": "500000",
    }
    command = [sys.executable, "-m", "reshelf", "edge", "--port", "0", "--json"]
    process = subprocess.Popen(command, env=os.environ | chosen, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = json.loads(process.stdout.readline())["address"].rstrip("/")
        _until_ready(address)
        yield address, kafka
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stdout.close()


def _until_ready(address: str) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{address}/ready", timeout=5).json()["layouts"] == 2:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    raise AssertionError("the edge did not become ready")


def test_layouts_and_events_over_http(served: tuple[str, KafkaSettings]) -> None:
    address, kafka = served
    client = requests.Session()
    assert client.get(f"{address}/layouts/home/cooks").status_code == 401
    client.headers["Authorization"] = "Bearer a-token-for-tests"
    first = client.get(f"{address}/layouts/home/cooks", params={"unit": "u-1"})
    assert (first.json()["version"], first.json()["segment"]) == (9, "cooks")
    again = client.get(f"{address}/layouts/home/cooks?unit=u-1", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(f"{address}/layouts/home/campers").json()["segment"] == "*"
    missing = client.get(f"{address}/layouts/other/cooks")
    assert (missing.status_code, missing.json()["variant"]) == (404, FALLBACK)
    batch = [CLICK, CLICK | {"slot": ""}, CLICK | {"event_id": "c2"}]
    answer = client.post(f"{address}/events", json={"events": batch})
    assert answer.json()["accepted"] == 2
    assert [one["index"] for one in answer.json()["errors"]] == [1]
    assert _published(kafka) == ["c-1", "c2"]
    assert client.post(f"{address}/events", json={"events": [CLICK] * 11}).status_code == 413
    assert client.post(f"{address}/events", data=b" " * 500_001).status_code == 413
    assert client.post(f"{address}/events", data=b"{").status_code == 400
    told = client.get(f"{address}/metrics").text
    assert 'reshelf_http_requests_total{route="layouts",status="304"} 1\n' in told
    assert 'reshelf_edge_events_total{result="accepted"} 2\n' in told
    assert "reshelf_edge_layouts 2\n" in told
    assert requests.get(f"{address}/metrics", timeout=5).status_code == 401


def _published(kafka: KafkaSettings) -> list[str]:
    with reader(kafka) as consumer:
        found = to_the_end(consumer, partitions(consumer, kafka.prefix + CLICKS.name))
        values: list[Any] = [json.loads(message.value() or b"") for message in found if message.error() is None]
    assert all("kind" not in value for value in values)
    return sorted(value["event_id"] for value in values)


def test_the_edge_keeps_to_its_openapi_document(served: tuple[str, KafkaSettings]) -> None:
    address, _ = served
    document = requests.get(f"{address}/openapi.json", timeout=5).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=address)
    tried = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]

        @given(case=operation.as_strategy())
        @settings(max_examples=8, suppress_health_check=list(HealthCheck))
        def keeps(case: Any) -> None:
            case.call_and_validate(headers={"Authorization": "Bearer a-token-for-tests"})

        keeps()
        tried.append(operation.path)
    assert tried == ["/layouts/{page}/{segment}", "/events", "/live", "/ready"]
