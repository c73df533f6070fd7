"""What the answers of a Redis that is there mean, each in a sentence with what to do."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from pathlib import Path
from queue import Queue

import pytest
from redis import Redis
from redis import exceptions as redis_errors
from redis._parsers.base import BaseParser

from reshelf.processes.servers import redis_server
from schemas.errors import BadSettings, StateAttention, Transient
from streams.retry import Retry
from streams.settings import RedisSettings
from streams.state import alias
from streams.state.connection.client import redis_sync_client
from streams.state.connection.errors import translate_error
from tests.deadline import Deadline


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "Redis is full: .*Raise maxmemory"),
        ("OOM command not allowed. script: 5, on @user_script:1.", "Redis is full: .*Raise maxmemory"),
        ("READONLY You can't write against a read only replica.", "Redis is a replica.*redis.url name the primary"),
        ("LOADING Redis is loading the dataset in memory", "Redis is loading its data"),
        ("NOAUTH Authentication required.", "Redis asks for a password. Set redis.password"),
        ("WRONGPASS invalid username-password pair", "Redis refuses: .*was it changed on the server"),
        ("NOPERM this user has no permissions to run the 'evalsha' command", "Redis refuses: .*that user's rights"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "could not save to disk.*No space left"),
        ("NOREPLICAS Not enough good replicas to write.", "too few replicas"),
        ("CLUSTERDOWN The cluster is down", "The Redis Cluster is down: .*cluster check"),
        ("MASTERDOWN Link with MASTER is down", "lost its primary"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "moving slots"),
        ("MOVED 3999 127.0.0.1:6381", "moving slots"),
        ("ASK 3999 127.0.0.1:6381", "moving slots"),
        ("BUSY Redis is busy running a script.", "SCRIPT KILL"),
    ],
)
def test_each_refusal_of_redis_has_its_own_sentence(answer: str, said: str) -> None:
    """Raised as the client raises it for this line of the protocol."""
    meant = translate_error(BaseParser.parse_error(answer))  # type: ignore[no-untyped-call]
    assert isinstance(meant, BadSettings if answer.startswith(("NOAUTH", "NOPERM", "WRONGPASS")) else Transient)
    assert re.search(said, str(meant))
    assert "does not answer" not in str(meant)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("MISCONF Errors writing to the AOF file: No space left on device", "could not save to disk.*No space left"),
        ("NOREPLICAS Not enough good replicas to write.", "too few replicas"),
        ("BUSY Redis is busy running a script.", "SCRIPT KILL"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "Redis is full"),
        ("('TTL exhausted.',)", "moving slots.*TTL exhausted"),
    ],
)
def test_a_refusal_within_a_pipeline_is_told_as_one(answer: str, said: str) -> None:
    """The client puts the command before what Redis said; a cluster's also takes the error apart."""
    bare = BaseParser.parse_error(answer)  # type: ignore[no-untyped-call]
    error = redis_errors.ClusterError() if answer.startswith("(") else bare
    error.args = (f"Command # 1 (GET {{a}}:1) of pipeline caused error: {answer}",)
    meant = translate_error(error)
    assert isinstance(meant, Transient) and re.search(said, str(meant))
    assert "does not answer" not in str(meant) and "GET" not in str(meant)


def test_a_move_that_goes_round_in_circles_is_told_as_one() -> None:
    meant = translate_error(redis_errors.ClusterError("TTL exhausted."))
    assert isinstance(meant, Transient) and "moving slots" in str(meant)


def test_what_is_away_is_told_by_itself_and_comes_back_once(caplog: pytest.LogCaptureFixture) -> None:
    """A call to Kafka, which answers, says nothing of Redis, which does not."""
    caplog.set_level(logging.INFO)
    answers, retry = iter([False] * 4 + [True]), Retry()

    async def redis() -> None:
        if not next(answers):
            raise Transient("Redis does not answer: refused.")

    async def kafka() -> None:
        return

    async def both() -> None:
        waiting = asyncio.create_task(retry.until_success(redis))
        while not waiting.done():
            await retry.until_success(kafka)
            await asyncio.sleep(0.01)

    asyncio.run(both())
    assert caplog.messages == [
        "Redis does not answer: refused. Waiting; work goes on where it was.",
        "It is over: Redis does not answer. Work goes on.",
    ]


def test_a_password_that_was_changed_ends_the_look_for_another_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alias, "LOOK_S", 0.05)
    ends: Queue[Exception] = Queue()
    with redis_server(tmp_path, appendonly=False) as served, Redis.from_url(f"redis://{served.address}/0") as client:
        client.config_set("requirepass", "before")
        alias.watch_alias(RedisSettings(url=f"redis://:before@{served.address}/0"), "live", ends.put)
        time.sleep(0.2)
        assert ends.empty()
        client.config_set("requirepass", "after")
        ended = ends.get(timeout=120)
    assert isinstance(ended, BadSettings) and "was it changed on the server" in str(ended)


def test_all_looks_for_another_namespace_go_through_one_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one for each left some kilobytes behind, every second, in every process."""
    loops: Queue[asyncio.AbstractEventLoop] = Queue()
    names = iter(["live", "live", "live", "other"])

    async def look(*_: object) -> str:
        loops.put(asyncio.get_running_loop())
        return next(names)

    monkeypatch.setattr(alias, "LOOK_S", 0.01)
    monkeypatch.setattr(alias, "resolve", look)
    ends: Queue[Exception] = Queue()
    alias.watch_alias(RedisSettings(), "live", ends.put)
    assert isinstance(ends.get(timeout=120), StateAttention)
    first, *others = [loops.get(timeout=120) for _ in range(4)]
    assert all(loop is first for loop in others) and isinstance(first, asyncio.SelectorEventLoop)


def test_looks_for_another_namespace_share_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening one costs a fifth of what a worker at rest takes, when each look does."""
    monkeypatch.setattr(alias, "LOOK_S", 0.01)
    ends: Queue[Exception] = Queue()
    with redis_server(tmp_path, appendonly=False) as served, Redis.from_url(f"redis://{served.address}/0") as client:
        alias.watch_alias(RedisSettings(url=f"redis://{served.address}/0"), "live", ends.put)
        limit = Deadline(20)
        while (looks := _calls(client, "get")) < 2 * alias.LOOKS and limit.ahead:
            time.sleep(0.01)
        opened = client.info("stats")["total_connections_received"]
        assert looks >= 2 * alias.LOOKS and opened < looks / 2
        client.set(alias.alias_key("live"), "other")
        assert isinstance(ends.get(timeout=120), StateAttention)


def _calls(client: Redis, command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_the_password_is_rotated_as_documented(tmp_path: Path) -> None:
    """The commands are those of the page; what was opened before goes on."""
    page = (Path(__file__).parents[2] / "docs" / "operating" / "operating.md").read_text("utf-8")
    add, remove = re.findall(r"^ +valkey-cli ACL SETUSER default '(.)(?:NEW|OLD)'$", page, re.MULTILINE)

    def passes(client: Redis) -> bool:
        try:
            return bool(client.ping())
        except redis_errors.AuthenticationError as error:
            assert isinstance(translate_error(error), BadSettings)
            return False

    with redis_server(tmp_path, appendonly=False) as served:
        old, new = (RedisSettings(url=f"redis://:{word}@{served.address}/0") for word in ("before", "after"))
        with Redis.from_url(f"redis://{served.address}/0") as admin, redis_sync_client(old) as opened:
            admin.config_set("requirepass", "before")
            assert passes(opened) and not passes(redis_sync_client(new))
            admin.execute_command("ACL", "SETUSER", "default", f"{add}after")
            assert passes(redis_sync_client(old)) and passes(redis_sync_client(new))
            admin.execute_command("ACL", "SETUSER", "default", f"{remove}before")
            assert passes(opened) and not passes(redis_sync_client(old)) and passes(redis_sync_client(new))


def test_a_redis_that_is_full_is_told_so(tmp_path: Path) -> None:
    with redis_server(tmp_path, appendonly=False) as served:
        client = redis_sync_client(RedisSettings(url=f"redis://{served.address}/0"))
        client.config_set("maxmemory", 1)
        with client, pytest.raises(redis_errors.RedisError) as caught:
            client.eval("return redis.call('SET', KEYS[1], 'v')", 1, "key")
        assert str(translate_error(caught.value)).startswith("Redis is full")
