"""The edge over HTTP, with and without a broker behind it."""

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
from confluent_kafka import Producer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reshelf.edge.app import Parts, application
from reshelf.edge.intake import Record, Refusal
from reshelf.edge.layout_cache import LayoutCache
from reshelf.edge.run import server
from reshelf.service_settings import EdgeSettings
from schemas.codec import encode, encode_key
from schemas.messages.fields import FALLBACK
from schemas.topics import CLICKS, LAYOUTS
from streams.kafka.clients import confluent_producer_config
from streams.kafka.reader import partitions, reader, to_the_end
from streams.metrics import REGISTRY
from streams.settings import KafkaSettings
from tests.deadline import Deadline
from tests.delivery import flush
from tests.reshelf.edge_inputs import CLICK, shelf_of
from tests.reshelf.test_layouts_command import NOW_MS, layout


class _Away:
    """Stands for broker and topic where nothing is to be published."""

    live = ready = True

    async def send(self, records: list[Record]) -> list[Refusal]:
        return [Refusal(record.number, "broker", "away", retry=True) for record in records]


@contextlib.contextmanager
def running(parts: Parts) -> Iterator[int]:
    """The port of an edge that runs in this process."""
    edge = server(application(parts), parts.settings.proxies)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=edge.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            edge.should_exit = True
            thread.join(120)


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


def test_who_a_client_is_only_a_trusted_proxy_may_say() -> None:
    def second_answer(trusted: str) -> int:
        limits = EdgeSettings(max_events=10, events_per_s=1, trusted_proxies=trusted)
        with running(Parts(limits, LayoutCache(100), _Away(), _Away(), now=lambda: 100.0)) as port:
            address, batch = f"http://127.0.0.1:{port}/events", {"events": [CLICK] * 10}
            for client in ("10.0.0.1", "10.0.0.2"):
                answer = requests.post(address, json=batch, headers={"X-Forwarded-For": client}, timeout=10)
        return answer.status_code

    assert second_answer("") == second_answer("10.0.0.0/8") == 429
    assert second_answer("127.0.0.1") == second_answer("10.9.0.0/16, 127.0.0.0/8") == 200
    with pytest.raises(ValueError, match="IP addresses or networks"):
        EdgeSettings(trusted_proxies="proxy.example")


def test_without_a_token_no_page_from_elsewhere_is_answered() -> None:
    def statuses(token: str) -> list[int]:
        own, batch = {"Authorization": f"Bearer {token}"}, {"events": list[str]()}
        with running(Parts(EdgeSettings(token=token), LayoutCache(100), _Away(), _Away())) as port:
            address = f"http://127.0.0.1:{port}"
            foreign = ({"Host": "shop.example"}, {"Host": "["}, {"Origin": "http://shop.example"}, {"Origin": "null"})
            ours = (
                {"Host": "127.0.0.1"},
                {"Host": f"localhost:{port}"},
                {"Host": "[::1]"},
                {"Origin": f"http://localhost:{port}"},
            )
            return [
                requests.request(method, address + path, headers=own | headers, json=batch, timeout=10).status_code
                for headers in (*foreign, *ours)
                for method, path in (("POST", "/events"), ("GET", "/layouts/home/cooks?unit=u"))
            ]

    assert statuses("") == [403] * 8 + [200, 404] * 4
    assert statuses("a-token-of-some-length") == [200, 404] * 8


def test_who_hangs_up_in_the_middle_of_a_body_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    counted = ("reshelf_http_requests_total", "events", "400")
    before = REGISTRY.value(*counted)
    with running(Parts(EdgeSettings(), LayoutCache(100), _Away(), _Away())) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b'POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200\r\n\r\n{"events": [')
        deadline = Deadline(10)
        while REGISTRY.value(*counted) == before and deadline.ahead:
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


@pytest.fixture
def served(broker: str, prefix: str, make_topics: Callable[..., None]) -> Iterator[tuple[str, KafkaSettings]]:
    """The address of a running edge with two layouts, and its broker."""
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    producer = Producer(confluent_producer_config(kafka))
    lasting = time.time_ns() // 1_000_000 + 600_000
    for one in (layout("cooks", 9, lasting), layout("*", 3, lasting)):
        producer.produce(prefix + LAYOUTS.name, encode(one), encode_key(LAYOUTS, "home", one.segment))
    flush(producer)
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
        process.wait(120)
        process.stdout.close()


def _until_ready(address: str) -> None:
    deadline = Deadline(90)
    while deadline.ahead:
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
    import schemathesis

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
    assert tried == ["/layouts/{page}/{segment}", "/layouts/{page}", "/events", "/live", "/ready"]
