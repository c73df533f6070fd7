"""What the transport leans on inside Faust, mode and aiokafka.

None of it is public API.  When this fails after an upgrade, read what changed in
the named source, check `streams/transport` against it, run the behaviour tests on
both brokers, and only then write the new version and digest here.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import inspect
from collections import OrderedDict
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.record._crecords import DefaultRecordBatch, DefaultRecordBatchBuilder
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers import TRANSPORTS

from streams.kafka.parsed import ParsedRecords
from streams.transport.consumer import BatchConsumer
from streams.transport.driver import Transport

VERSIONS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}

DIGESTS = {
    "aiokafka.consumer.fetcher:FetchResult": "d7db13f06de8248c",
    "aiokafka.consumer.fetcher:PartitionRecords": "94aa0da0dbec8d1b",
    "aiokafka.consumer.fetcher:Fetcher._proc_fetch_request": "59bf948fff47eed5",
    "aiokafka.consumer.fetcher:Fetcher._update_fetch_positions": "d7774d8241dc6a7e",
    "aiokafka.consumer.fetcher:Fetcher.fetched_records": "be4348896b9b66af",
    "aiokafka.consumer.fetcher:Fetcher.seek_to": "f0ba6aba6c22ef83",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._maybe_leave_group": "016cd88a16e6c4b5",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._on_join_prepare": "4d9524afc0ee2c2f",
    "aiokafka.consumer.group_coordinator:GroupCoordinator.close": "f30d831089456312",
    "aiokafka.consumer.subscription_state:TopicPartitionState": "2b83334afadf6d98",
    "faust.app.base:App._on_partitions_assigned": "de932b7927db85b3",
    "faust.app.base:App._on_partitions_revoked": "d5c895bbe57dc73a",
    "faust.app.base:App._stop_consumer": "55854a5de12c3f52",
    "faust.app.base:App._on_agent_error": "bdd12f286de64429",
    "faust.app.base:App._create_directories": "a9f571c3b04abec3",
    "faust.streams:Stream._c_aiter": "fa44582a5882e9df",
    "faust.streams:Stream.noack": "921a6f5c674d32d4",
    "faust.tables.recovery:Recovery._resume_streams": "d986a6710c1aca98",
    "faust.transport.conductor:Conductor._compile_message_handler": "9fbc0538097aa4ec",
    "faust.transport.consumer:Consumer.__init__": "302410d59e6972d1",
    "faust.transport.consumer:Consumer._drain_messages": "44a2500309e83c63",
    "faust.transport.consumer:Consumer.ack": "5fcf41cf45153475",
    "faust.transport.consumer:Consumer.commit": "a354437baaa08bf8",
    "faust.transport.consumer:Consumer.on_partitions_assigned": "29ce96596f05a18c",
    "faust.transport.consumer:Consumer.on_partitions_revoked": "d04b7ae72c6fc206",
    "faust.transport.consumer:Consumer.on_stop": "45b1d2210ce2b526",
    "faust.transport.consumer:Consumer.perform_seek": "0e8c130ff4b0afd8",
    "faust.transport.consumer:Consumer.wait_empty": "e4662fe24f094819",
    "faust.transport.consumer:Fetcher": "c922e4ab78d9e296",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener": "f3d04f29dfb3f716",
    "faust.types.tuples:Message": "e8c4626e99192f7e",
    "mode.services:Service.wait_first": "feade6a31f8a6789",
}

OVERRIDDEN = (
    "_commit",
    "_drain_messages",
    "_to_message",
    "assignment",
    "commit",
    "on_buffer_drop",
    "on_buffer_full",
    "on_partitions_assigned",
    "on_partitions_revoked",
    "on_stop",
    "perform_seek",
    "wait_empty",
)

OWN = (
    "_commit_lock",
    "_deliver",
    "_in_work",
    "_message",
    "_out_of_range",
    "_outside",
    "_place",
    "_read",
    "_source",
    "bounds",
    "guarded",
    "is_current",
    "ledger",
    "owned",
    "rewind",
    "source",
    "wiring",
)


def resolve(path: str) -> Any:
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def digest(path: str) -> str:
    return hashlib.sha256(inspect.getsource(resolve(path)).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("package", "version"), VERSIONS.items())
def test_versions(package: str, version: str) -> None:
    assert importlib.metadata.version(package) == version


@pytest.mark.parametrize("path", DIGESTS)
def test_sources(path: str) -> None:
    assert digest(path) == DIGESTS[path]


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_overridden_methods_are_called_as_before(name: str) -> None:
    ours, theirs = getattr(BatchConsumer, name), getattr(FaustConsumer, name)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


@pytest.mark.parametrize("name", OWN)
def test_own_names_do_not_shadow(name: str) -> None:
    assert not hasattr(FaustConsumer, name)


def test_no_abstract_method_is_left() -> None:
    assert not getattr(BatchConsumer, "__abstractmethods__", None)
    assert TRANSPORTS.by_url("batches://broker:9092") is Transport


def record_bytes() -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    builder.append(0, 5, b"key", b"value", [("name", b"x")])
    builder.append(1, 6, None, None, [])
    return bytes(builder.build())


def test_parsed_records_have_what_a_record_needs() -> None:
    records = list(DefaultRecordBatch(record_bytes()))
    first, second = records
    assert (first.offset, first.timestamp, first.key, first.value) == (0, 5, b"key", b"value")
    assert list(first.headers) == [("name", b"x")]
    assert (second.offset, second.key, second.value, list(second.headers)) == (1, None, None, [])


def test_a_parser_can_be_told_to_hand_records_on() -> None:
    class Memory:
        batches = [DefaultRecordBatch(record_bytes())]  # noqa: RUF012

        def has_next(self) -> bool:
            return bool(self.batches)

        def next_batch(self) -> Any:
            return self.batches.pop()

    tp = ("topic", 0)
    parser = PartitionRecords(tp, Memory(), [], 0, None, None, True, 1)
    kept = ParsedRecords()
    kept[tp] = FetchResult(tp, assignment=None, partition_records=parser, backoff=0.1)
    assert isinstance(kept, OrderedDict)
    assert [type(record).__name__ for record in parser] == ["DefaultRecord", "DefaultRecord"]
    assert parser.next_fetch_offset == 2


def test_the_fetcher_keeps_results_by_item_assignment() -> None:
    source = inspect.getsource(Fetcher)
    assert "self._records[tp] = FetchResult(" in source
    assert "self._records = collections.OrderedDict()" in source
    assert source.count("self._records =") == 1
