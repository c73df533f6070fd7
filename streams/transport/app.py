"""Faust applications on the batch transport, and running them.

app = create_app("learner", kafka, logical=..., resume=..., on_revoked=...)

@app.agent(subscription(app, ["reshelf-events-clicks"]))
async def learn(stream):
    async for event in stream.noack().events():
        if reader(app).is_current(event.value):
            await apply(event.value)
        event.ack()
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import faust
import uvloop
from faust.app.base import BootStrategy
from faust.transport.drivers import TRANSPORTS
from faust.types import AgentT, TopicT

from schemas.errors import BadSettings, ReshelfError
from streams.cancellation import cancel_all, run_exclusively
from streams.kafka.clients import bootstrap_servers, quiet_loggers
from streams.settings import HealthSettings, KafkaSettings
from streams.transport.driver import reader
from streams.transport.group.assignment import SEPARATE, Assignor
from streams.transport.health import HealthServer, Vitals
from streams.transport.watchdog import Watchdog
from streams.transport.wiring import OnError, Resume, Revoked, Wiring

log = logging.getLogger("reshelf")

SCHEME = "batches"
STREAM_BATCHES = 2
"""Batches that wait in a stream before the reader waits."""
STOP_WAIT_S = 5.0
"""From the signal to the end of the process at most."""

TRANSPORTS.aliases[SCHEME] = "streams.transport.driver:Transport"


class _ConsumerOnly(BootStrategy):
    enable_kafka_producer = False
    enable_web = False


class BatchApp(faust.App):
    """A Faust application whose streams carry batches."""

    BootStrategy = _ConsumerOnly
    wiring: Wiring

    def _create_directories(self) -> None:
        """Nothing: state lives in Redis, and there are no tables."""

    async def _on_agent_error(self, agent: AgentT[Any], exc: BaseException) -> None:
        """What escapes an agent ends the process, for its supervisor to restart; Faust would go on without it."""
        self.wiring.on_error(exc if isinstance(exc, Exception) else RuntimeError(repr(exc)))


def create_app(
    name: str,
    kafka: KafkaSettings,
    *,
    logical: Callable[[str], str],
    resume: Resume,
    on_revoked: Revoked,
    assignor: Assignor = SEPARATE,
    on_error: OnError | None = None,
    linger_s: float = 0.0,
    rest_s: Mapping[str, float] | None = None,
) -> BatchApp:
    """An application that reads as consumer group `kafka.prefix + name`.

    logical: name of a topic without the prefix.
    resume: where to read partitions from, called after every assignment.
    on_revoked: called with the partitions that went to another worker.
    on_error: called with what the transport cannot heal; by default the process ends.
    linger_s: seconds to rest after a read that brought little; events then wait longer by that at most.
    rest_s: for topics that can wait, by name without the prefix: seconds that a partition is left alone
        after a read that brought little of it.
    Raises BadSettings when the security settings cannot be used.
    """
    app = BatchApp(
        f"{kafka.prefix}{name}",
        broker=[f"{SCHEME}://{server}" for server in bootstrap_servers(kafka)],
        broker_session_timeout=kafka.session_timeout_s,
        broker_request_timeout=max(10.0, 2 * kafka.session_timeout_s),
        broker_commit_interval=1.0,
        datadir=Path(tempfile.gettempdir()) / "reshelf-unused",
        key_serializer="raw",
        value_serializer="raw",
        stream_buffer_maxsize=STREAM_BATCHES,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        cython_optimizations=False,
    )
    report = on_error or end_process

    def report_unless_stopping(error: Exception) -> None:
        """Clients that are being closed complain to whoever still waits for them."""
        if not app.should_stop:
            report(error)

    app.wiring = Wiring(kafka, logical, resume, on_revoked, report_unless_stopping, assignor, linger_s, rest_s or {})
    return app


def subscription(app: faust.App, topics: Sequence[str]) -> TopicT:
    """The stream of batches of topics, by their full names."""
    return app.topic(*topics, key_serializer="raw", value_serializer="raw", internal=False)


def exit_status(error: BaseException) -> int:
    return 2 if isinstance(error, BadSettings) else 1


def end_process(error: BaseException) -> None:
    """Log one line and end the process, without waiting for anything."""
    _report(error)
    logging.shutdown()
    os._exit(exit_status(error))


def _report(error: BaseException) -> None:
    if isinstance(error, ReshelfError):
        log.critical("%s", error)
    else:
        log.critical("Stopped by an unexpected error: %r", error, exc_info=error)


def run_app(
    make: Callable[[], Awaitable[faust.App]], health: HealthSettings | None = None, loglevel: str = "INFO"
) -> int:
    """Make and run an application until SIGINT or SIGTERM; returns the exit status.

    `health` says where its health is served.  `make` runs in the event loop that the
    application will live in, so it may open clients and check the state first.
    """
    logging.getLogger("reshelf").setLevel(loglevel)
    if loglevel != "DEBUG":
        quiet_loggers()
    limit = threading.Timer(STOP_WAIT_S, _end_at_last)
    limit.daemon = True
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(run_exclusively(_serve(make, health or HealthSettings(), limit)))
    except Exception as error:  # noqa: BLE001  the last place that can report it
        _report(error)
        return exit_status(error)
    finally:
        limit.cancel()


async def _serve(make: Callable[[], Awaitable[faust.App]], health: HealthSettings, limit: threading.Timer) -> int:
    vitals = Vitals(health.max_lag)
    async with HealthServer(health, vitals):
        return await _run_until_signal(make, vitals, limit)


async def _run_until_signal(make: Callable[[], Awaitable[faust.App]], vitals: Vitals, limit: threading.Timer) -> int:
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()

    def request_stop() -> None:
        if not signalled.is_set():
            limit.start()
        signalled.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, request_stop)
    waiting = loop.create_task(signalled.wait())
    making = loop.create_task(_awaited(make()))
    await asyncio.wait({waiting, making}, return_when=asyncio.FIRST_COMPLETED)
    if not making.done():
        await cancel_all([making])
        return 0
    app = making.result()
    vitals.consumer = reader(app)
    running, asking = loop.create_task(_running(app)), loop.create_task(vitals.ask_brokers())
    await asyncio.wait({waiting, running, asking}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    await cancel_all([asking])
    crash = app.crash_reason
    await stop(app, running)
    if crash is not None:
        _report(crash)
        return exit_status(crash)
    return 0


async def stop(app: faust.App, running: asyncio.Task[Any]) -> None:
    """Stop an application that a task runs or still starts: what begins after the stop would never end."""
    await cancel_all([running])
    await app.stop()


def _end_at_last() -> None:
    """End the process, whatever hangs while the application stops: what is unfinished is in the log."""
    log.error(
        "The application did not stop within %.0f s, so the process ends now. Nothing is lost: the log has it.",
        STOP_WAIT_S,
    )
    logging.shutdown()
    os._exit(1)


async def _awaited(app: Awaitable[faust.App]) -> faust.App:
    return await app


async def _running(app: faust.App) -> None:
    await app.start()
    consumer = reader(app)
    with Watchdog(consumer.progress, consumer.wiring.kafka.stall_timeout_s, consumer.wiring.on_error):
        await app.wait_until_stopped()
