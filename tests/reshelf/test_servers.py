"""Servers start, answer, stop, and die with whoever started them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from confluent_kafka.admin import AdminClient
from redis import Redis

from reshelf.processes.children import PORTS, ServerFailed, free_port, process, serving
from reshelf.processes.servers import embedded_broker, embedded_redis, real_kafka
from schemas.errors import BadSettings
from tests.deadline import Deadline

HOLDER = """
import time
from collections.abc import Callable
from reshelf.processes.servers import embedded_broker, embedded_redis
with embedded_broker() as broker, embedded_redis() as redis:
    print(broker, redis, flush=True)
    time.sleep(600)
"""


def test_any_broker_answers(any_broker: str) -> None:
    assert len(AdminClient({"bootstrap.servers": any_broker}).list_topics(timeout=10).brokers) == 1


def test_redis_never_evicts_and_keeps_nothing(redis: Redis) -> None:
    assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert redis.config_get("appendonly") == {"appendonly": "no"}
    assert redis.config_get("save") == {"save": ""}


def test_redis_goes_on_from_its_folder_under_the_same_address(tmp_path: Path) -> None:
    with embedded_redis(folder=tmp_path, appendonly=True) as url, Redis.from_url(url) as client:
        client.set("kept", "yes")
    port = _port(url)
    with embedded_redis(folder=tmp_path, appendonly=True, port=port) as again, Redis.from_url(again) as client:
        assert (again, client.get("kept")) == (url, b"yes")


def test_stopped_when_the_block_fails() -> None:
    with pytest.raises(ZeroDivisionError), embedded_redis() as url:
        raise ZeroDivisionError
    assert not _listens(url)


def test_server_dies_with_a_killed_parent() -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        broker, url = holder.stdout.readline().split()
        os.kill(holder.pid, signal.SIGKILL)
    assert _soon(lambda: not _listens(url) and not _listens(broker))


def test_failed_start_shows_the_last_words(redis_url: str) -> None:
    port = _port(redis_url)
    with pytest.raises(ServerFailed, match=r"(?s)embedded Redis did not start on .*in use"), embedded_redis(port=port):
        pass


@pytest.mark.parametrize("says_something", [True, False])
def test_a_server_that_gets_on_is_waited_for(tmp_path: Path, says_something: bool) -> None:
    script = f"for at in 1 2 3 4 5; do {'echo $at' if says_something else ':'}; sleep 0.4; done; touch up; sleep 60"

    def command(port: int) -> list[str]:
        return ["sh", "-c", f"cd {tmp_path}; {script}"]

    def answers(port: int, child: subprocess.Popen[bytes]) -> bool:
        return (tmp_path / "up").exists()

    expected = contextlib.nullcontext() if says_something else pytest.raises(ServerFailed, match="did not start")
    with expected, serving("slow server", command, answers, tmp_path, 1.0):
        pass


def test_a_folder_without_kafka_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"KAFKA_HOME: expected .*kafka-storage\.sh, got "), real_kafka(tmp_path):
        pass


def test_process_that_ignores_the_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reshelf.processes.children.STOP_S", 0.2)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    log = tmp_path / "log"
    with process([sys.executable, "-c", code], log) as child:
        assert _soon(lambda: log.read_text() == "up\n")
    assert child.returncode == -signal.SIGKILL


def test_two_at_once_do_not_meet() -> None:
    with embedded_broker() as one, embedded_broker() as two:
        assert one != two


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _listens(address: str) -> bool:
    host, port = address.removeprefix("redis://").split("/")[0].split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _soon(holds: Callable[[], bool]) -> bool:
    end = Deadline(10)
    while end.ahead:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_free_port_is_none_that_systems_give_to_outgoing_connections() -> None:
    ports = [free_port() for _ in range(20)]
    assert set(ports) <= set(PORTS), "below 32,768, where Linux begins"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", ports[0]))
