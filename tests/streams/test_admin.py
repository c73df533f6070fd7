"""No request of an admin client is left behind, whatever becomes of the others."""

from __future__ import annotations

import ast
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.kafka.admin import answers, outcomes

ROOT = Path(__file__).parents[2]
ROOMS = ("reshelf", "streams", "encoders", "bench", "examples")
AT_ONCE = {"list_topics", "list_groups", "cluster_id", "poll", "set_sasl_credentials"}
"""Methods that give no future."""
REFUSED = KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))


def test_nobody_asks_but_by_way_of_what_waits() -> None:
    asking = {name for name in dir(AdminClient) if not name.startswith("_")} - AT_ONCE
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "AdminClient" in (text := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in asking
    ]
    assert calls == []


def test_all_have_ended_before_the_first_error_is_raised() -> None:
    def ask(names: list[str], request_timeout: float) -> dict[str, Future[int]]:
        assert request_timeout == 5
        futures = {name: Future[int]() for name in names}
        futures["a"].set_exception(REFUSED)
        threading.Timer(0.05, futures["b"].set_result, [7]).start()
        asked.append(futures["b"])
        return futures

    asked: list[Future[int]] = []
    assert outcomes(ask, ["a", "b"], 5) == {"a": REFUSED, "b": 7}
    with pytest.raises(KafkaException):
        answers(ask, ["a", "b"], 5)
    assert all(future.done() for future in asked)


def test_a_client_goes_through_outages_and_ends_with_nothing_under_way() -> None:
    kept: list[Future[Any]] = []
    client = AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    places = {TopicPartition("clicks", number): OffsetSpec.latest() for number in range(4)}  # type: ignore[no-untyped-call]

    def noted(ask: Any) -> Any:
        def call(what: Any, **options: Any) -> Any:
            futures = ask(what, **options)
            kept.extend(futures.values())
            return futures

        return call

    for _ in range(40):
        for ask, what in ((client.list_offsets, places), (client.describe_consumer_groups, ["a", "b"])):
            with pytest.raises(KafkaException):
                answers(noted(ask), what, 0.01)
    assert len(kept) == 40 * 6 and all(future.done() for future in kept)
