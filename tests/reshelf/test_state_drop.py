"""A namespace that nobody uses is deleted whole, and nothing else is."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from reshelf.cli.main import run
from reshelf.namespaces import drop
from schemas.errors import StateAttention
from streams.dropped import remove_dropped
from streams.settings import KafkaSettings, RedisSettings
from streams.state import keys
from streams.state.alias import alias_key
from streams.state.manifest import DROPPED, DROPPING, dropped_key
from streams.state.namespace import open_namespace
from tests.streams.namespaces import make_namespace


@pytest.fixture
def swapped(
    broker: str,
    redis: Redis,
    redis_url: str,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_topics: Callable[..., None],
) -> dict[str, object]:
    """Namespaces live, november and november-2, of which november is live; gives all that Redis holds."""
    make_topics(broker)
    for name in ("live", "november", "november-2"):
        make_namespace(redis_url, prefix, name=name)
        redis.mset({f"{keys.GroupKeys(name, group).base}revision:{at}": at for group in range(16) for at in range(9)})
        redis.set(f"reshelf:{{{name}:a3}}:clicks:0", "0.1.0 kept units here")
        for kind in ("clicks", "duplicates"):
            (tmp_path / kind / name / "0").mkdir(parents=True)
    redis.set(alias_key("live"), "november")
    redis.set("another program's", 1)
    for key, value in (
        ("KAFKA__BOOTSTRAP", broker),
        ("KAFKA__PREFIX", prefix),
        ("REDIS__URL", redis_url),
        ("ATTRIBUTION__FOLDER", str(tmp_path / "clicks")),
        ("LEARNER__FOLDER", str(tmp_path / "duplicates")),
    ):
        monkeypatch.setenv(f"RESHELF_{key}", value)
    return content(redis)


def content(redis: Redis) -> dict[str, object]:
    return {key.decode(): redis.get(key) for key in redis.scan_iter()}


def test_what_is_dropped_is_gone_and_all_else_is_there(
    swapped: dict[str, object],
    redis: Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(drop, "DELETED", 50)
    for arguments, said in (
        (["november", "--yes"], "namespace 'november' is in use: 'live' stands for it"),
        (["live"], "--yes: expected it where nobody can be asked"),
        (["live --", "--yes"], "NAMESPACE: expected 1 to 32"),
    ):
        assert run(["state", "drop", *arguments]) == 2
        assert said in capsys.readouterr().err
        assert content(redis) == swapped
    assert run(["state", "drop", "nowhere", "--yes"]) == 1
    assert "there is no namespace 'nowhere'" in capsys.readouterr().err
    assert run(["state", "drop", "live", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"namespace": "live", "keys": 16 * 9 + 2}
    left = {name: value for name, value in swapped.items() if "{live" not in name}
    assert content(redis) == left | {alias_key("live"): b"november", dropped_key("live"): DROPPED}
    for kind in ("clicks", "duplicates"):
        assert sorted(path.name for path in (tmp_path / kind).iterdir()) == ["november", "november-2"]
    monkeypatch.setenv("RESHELF_REDIS__NAMESPACE", "november")
    assert run(["state", "drop", "november", "--yes"]) == 2


def test_workers_that_run_keep_their_namespace(
    swapped: dict[str, object], redis: Redis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reshelf.inspect.consumer_groups.absent_roles", lambda admin, manifest: ["fitter", "layouts"])
    assert run(["state", "drop", "live", "--yes"]) == 2
    assert "workers run in namespace 'live' (learner, attribution)" in capsys.readouterr().err
    assert content(redis) == swapped


def test_a_drop_that_was_cut_off_is_no_namespace_until_it_is_done_again(
    swapped: dict[str, object],
    redis: Redis,
    redis_url: str,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(drop, "DELETED", 10)
        left = iter([True, False])
        unlink = drop._unlink

        async def once(client: AsyncRedis, batch: list[bytes]) -> int:
            if not next(left):
                raise StateAttention("cut off")
            return await unlink(client, batch)

        cut.setattr(drop, "_unlink", once)
        assert run(["state", "drop", "live", "--yes"]) == 1
    assert redis.get(dropped_key("live")) == DROPPING
    with pytest.raises(StateAttention, match="was dropped in part: run `reshelf state drop live` again"):
        make_namespace(redis_url, prefix, name="live")
    capsys.readouterr()
    assert run(["state", "drop", "live", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["keys"] == 16 * 9 + 2 - 10
    make_namespace(redis_url, prefix, name="live")
    assert redis.get(dropped_key("live")) is None, "a namespace of that name may be made anew"


def test_workers_delete_the_folders_of_dropped_namespaces_alone(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    for name in ("live", "old", "begun", "other"):
        (tmp_path / name / "0").mkdir(parents=True)
    redis.mset({dropped_key("live"): DROPPED, dropped_key("old"): DROPPED, dropped_key("begun"): DROPPING})

    async def remove() -> list[str]:
        async with AsyncRedis.from_url(redis_url) as client:
            return await remove_dropped(client, tmp_path, "live")

    assert asyncio.run(remove()) == ["old"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["begun", "live", "other"]


@pytest.mark.parametrize("letters", [0, 1])
def test_that_redis_was_emptied_is_said(
    letters: int, redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Redis was emptied the log is read from its beginning."""
    monkeypatch.setattr(
        "streams.state.namespace.log_bounds",
        lambda kafka, names: {name: [(0, letters if name == "dead-letters" else 9)] for name in names},
    )

    async def start() -> None:
        from schemas.topics import DEAD_LETTERS
        from streams.settings import FoldSettings

        async with AsyncRedis.from_url(redis_url) as client:
            for _ in range(2):
                await open_namespace(KafkaSettings(), client, RedisSettings(), FoldSettings(), (DEAD_LETTERS,))

    with caplog.at_level(logging.WARNING):
        asyncio.run(start())
    assert len([text for text in caplog.messages if "is new to this Redis" in text]) == letters
