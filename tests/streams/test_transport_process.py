"""A program on the transport: how it ends, by errors, signals and being stuck."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from schemas.errors import BadSettings
from streams.settings import KafkaSettings
from streams.transport import run_app
from tests.deadline import Deadline
from tests.streams.transport_worker import CLICKS, WAIT_S, committed, produce, settings

if TYPE_CHECKING:
    pass

PROGRAM = """
import asyncio, sys, time
from schemas.errors import Transient
from streams.retry import Retry
from streams.settings import KafkaSettings
from streams.transport import create_app, run_app, subscription

kafka = KafkaSettings(bootstrap=sys.argv[1], prefix=sys.argv[2], session_timeout_s=2.0, stall_timeout_s=2.0)

async def away():
    raise Transient("Redis does not answer")

async def resume(tps):
    return dict.fromkeys(tps, 0)

async def ignore(tps):
    pass

async def make():
    app = create_app("probe", kafka, logical=str, resume=resume, on_revoked=ignore)

    @app.agent(subscription(app, [kafka.prefix + "events-clicks"]))
    async def work(stream):
        async for batch in stream:
            if b"bad" in [record.value for record in batch.records]:
                raise RuntimeError("cannot go on")
            if b"block" in [record.value for record in batch.records]:
                time.sleep(600)
            if b"hang" in [record.value for record in batch.records]:
                await asyncio.sleep(600)
            if b"away" in [record.value for record in batch.records]:
                await Retry().until_success(away)
            print("applied", batch.end, flush=True)

    return app

sys.exit(run_app(make))
"""


def start_program(kafka: KafkaSettings) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, kafka.bootstrap, kafka.prefix]
    root = Path(__file__).parents[2]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)


def test_an_error_that_escapes_an_agent_ends_the_process(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    produce(kafka, [b"bad"], partitions=1)
    with start_program(kafka) as program:
        output, errors = program.communicate(timeout=WAIT_S)
    assert program.returncode == 1
    assert "cannot go on" in errors
    assert output == ""
    assert committed(kafka, 0) < 0


@pytest.mark.parametrize(("value", "said"), [(b"block", "event loop"), (b"hang", "batches in work")])
def test_a_worker_that_is_stuck_ends_itself(
    value: bytes, said: str, broker: str, prefix: str, make_topics: Any
) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    with start_program(kafka) as program:
        produce_until_ended(kafka, program, value)
        output, errors = program.communicate(timeout=WAIT_S)
    assert program.returncode == 1
    assert "Stuck: the" in errors
    assert said in errors
    assert len(errors.splitlines()) == 1
    assert output == ""


def test_waiting_for_redis_or_for_records_is_not_being_stuck(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    with start_program(kafka) as program:
        assert program.stdout is not None
        produce(kafka, [b"good"], partitions=1)
        assert program.stdout.readline() == "applied 1\n"
        time.sleep(3)
        for _ in range(12):
            produce(kafka, [b"away"], partitions=1)
            time.sleep(0.25)
        assert program.poll() is None
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=WAIT_S)


def produce_until_ended(kafka: KafkaSettings, program: subprocess.Popen[str], value: bytes) -> None:
    """A batch for each, until the stream is full and the reader waits."""
    deadline = Deadline(WAIT_S)
    while program.poll() is None and deadline.ahead:
        produce(kafka, [value], partitions=1)
        time.sleep(0.1)


def test_sigterm_commits_what_is_applied_and_leaves_the_group(broker: str, prefix: str, make_topics: Any) -> None:
    kafka = settings(broker, prefix)
    make_topics(broker, 1, (CLICKS,))
    produce(kafka, [b"good"] * 3, partitions=1)
    with start_program(kafka) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "applied 3\n"
        program.send_signal(signal.SIGTERM)
        _, errors = program.communicate(timeout=WAIT_S)
    assert (program.returncode, errors) == (0, "")
    assert committed(kafka, 0) == 3


def test_errors_before_the_start_end_with_their_status() -> None:
    async def refuse() -> Any:
        raise BadSettings("no")

    assert run_app(refuse) == 2
