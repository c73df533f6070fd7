"""What a worker answers when it is asked how it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from reshelf.processes.children import free_port
from reshelf.processes.servers import embedded_broker, redis_server
from schemas.errors import BadSettings
from streams.metrics import exposition
from streams.settings import HealthSettings, KafkaSettings, RedisSettings
from streams.transport import reader
from streams.transport.health import HealthServer, Vitals
from tests.all_tests import if_all
from tests.deadline import Deadline
from tests.streams.logs import example_log
from tests.streams.test_learner import Running, drained, publish

WAIT_S = 90.0
TOKEN = "a-token-of-some-length"
ROLES = ["learner", *(pytest.param(role, marks=if_all) for role in ("attribution", "layouts"))]


def asked(port: int, path: str, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def metrics(port: int) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=5) as response:
        text: str = response.read().decode()
        return text


def awaited(port: int, path: str, status: int) -> dict[str, Any]:
    """What is answered once it comes with `status`."""
    until, said = Deadline(WAIT_S), None
    while until.ahead:
        try:
            said = asked(port, path)
        except OSError as error:
            said = (0, {"error": str(error)})
        if said[0] == status:
            return said[1]
        time.sleep(0.1)
    raise AssertionError(f"{path} never answered {status}; the last answer was {said}")


@contextlib.contextmanager
def worker(role: str, port: int, broker: str, prefix: str, redis_url: str, token: str = TOKEN) -> Iterator[None]:
    """A worker whose health is served at the port while the block runs."""
    own = {
        "RESHELF_KAFKA__BOOTSTRAP": broker,
        "RESHELF_KAFKA__PREFIX": prefix,
        "RESHELF_REDIS__URL": redis_url,
        "RESHELF_REDIS__NAMESPACE": prefix.strip("-"),
        "RESHELF_HEALTH__PORT": str(port),
        "RESHELF_HEALTH__TOKEN": token,
    }
    child = subprocess.Popen([sys.executable, "-m", "reshelf", "worker", role], env=os.environ | own)
    try:
        yield
    finally:
        child.terminate()
        child.wait(120)


@pytest.mark.parametrize("role", ROLES)
def test_a_worker_is_ready_once_it_works_and_not_while_redis_is_away(
    role: str, broker: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path
) -> None:
    make_topics(broker)
    port = free_port()
    with (
        redis_server(tmp_path, appendonly=False) as redis,
        worker(role, port, broker, prefix, f"redis://{redis.address}/0"),
    ):
        ready = awaited(port, "/ready", 200)
        assert ready["live"] and ready["reasons"] == []
        assert ready["lag"] and set(ready["lag"].values()) == {0}
        assert asked(port, "/live")[0] == 200
        assert asked(port, "/ready", token="something else")[0] == 401
        assert asked(port, "/metrics", token="something else")[0] == asked(port, "/metrics", token="")[0] == 401
        assert asked(port, "/ready", token="") == (200, {"live": True, "ready": True})
        assert "reshelf_ready 1\n" in metrics(port)
        redis.child.kill()
        if role == "learner":
            assert "Kafka or Redis is away" in awaited(port, "/ready", 503)["reasons"]
        assert asked(port, "/live")[0] == 200


def test_a_worker_that_waits_for_redis_is_live_and_starting(
    broker: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    make_topics(broker)
    port = free_port()
    with worker("learner", port, broker, prefix, "redis://127.0.0.1:1/0", token=""):
        assert awaited(port, "/ready", 503)["reasons"] == ["starting"]
        assert asked(port, "/live")[0] == 200


@pytest.mark.parametrize("role", ROLES)
def test_a_worker_with_nothing_to_read_is_not_ready_while_kafka_is_away(
    role: str, redis_url: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    port = free_port()
    with embedded_broker() as broker:
        make_topics(broker)
        (server,) = [pid for pid, line in commands().items() if broker in line and "broker" in line]
        with worker(role, port, broker, prefix, redis_url):
            awaited(port, "/ready", 200)
            os.kill(server, signal.SIGSTOP)
            try:
                assert "Kafka does not answer" in awaited(port, "/ready", 503)["reasons"]
                assert "reshelf_waiting 0\n" not in metrics(port)
            finally:
                os.kill(server, signal.SIGCONT)
            assert awaited(port, "/ready", 200)["reasons"] == []


def commands() -> dict[int, str]:
    """The processes of this machine, with their command lines."""
    lines = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            lines[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    return lines


def test_what_is_not_applied_is_lag(
    broker: str, redis: Redis, redis_url: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix, partitions=2)
    store = RedisSettings(url=redis_url, namespace=prefix.strip("-"))
    make_topics(broker, partitions=2)
    log = example_log(seed=3, records=200)

    async def run() -> None:
        async with Running(kafka, store) as running:
            vitals = Vitals(max_lag=10)
            vitals.consumer = reader(running.app)
            publish(kafka, log)
            await drained(kafka, store)
            await until(lambda: vitals.health().ready)
            told = exposition(vitals.samples())
            for name in ("reshelf_fold_seconds", "reshelf_event_age_seconds"):
                assert f'{name}_count{{topic="events-impressions"}} ' in told
            assert "reshelf_script_seconds_count " in told and "reshelf_waiting 0\n" in told
            assert 'reshelf_dead_letters_total{topic="events-clicks",reason=' in told
            redis.execute_command("CLIENT", "PAUSE", "2000", "WRITE")  # type: ignore[no-untyped-call]
            publish(kafka, log)
            await until(lambda: "records behind the log" in " ".join(vitals.health().reasons))
            await until(lambda: vitals.health().ready)

    asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "shop.example"])
def test_an_address_beyond_this_machine_needs_a_token(host: str) -> None:
    vitals = Vitals(1)
    with pytest.raises(BadSettings, match=r"health\.token"):
        HealthServer(HealthSettings(port=1, host=host), vitals)
    HealthServer(HealthSettings(port=1, host=host, token=TOKEN), vitals)
    HealthServer(HealthSettings(port=1, host="127.0.0.1"), vitals)


def test_a_port_that_is_taken_is_said_to_be() -> None:
    port = free_port()

    def server() -> HealthServer:
        return HealthServer(HealthSettings(port=port), Vitals(1))

    async def twice() -> None:
        async with server(), server():
            pass

    with pytest.raises(BadSettings, match=r"health\.port"):
        asyncio.run(twice())
