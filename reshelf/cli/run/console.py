"""`reshelf console`: pages for a browser."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings

if TYPE_CHECKING:
    from reshelf.settings import Settings


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="The port to listen at; 0: any free port.  [default: console.port]"
)
@click.pass_obj
def console(front: Front, port: int | None) -> None:
    """Serve the console until it is stopped, and print its address.

    It shows what is in the topics and in Redis, and writes nothing but rules, drafts of them, and marks of notices
    that it sent.  It listens on the loopback interface; any other console.host needs a console.token or people with
    tokens (publishing.people).  Where Kafka is away at its start it waits, as workers do.

    Example: reshelf console --port 8765
    """
    if front.embedded:
        raise BadSettings("--embedded: servers that just started have nothing to show. Try `reshelf demo`.")
    from reshelf.processes.parallel import limit_threads

    limit_threads()
    settings = front.settings
    if port is not None:
        settings = settings.changed(console={"port": port})
    asyncio.run(_serve(front, settings))


async def _serve(front: Front, settings: Settings) -> None:
    from reshelf.console.web import served
    from streams.kafka.clients import quiet_loggers

    quiet_loggers(("aiokafka", "kafka"))
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    work, serves = asyncio.current_task(), False
    assert work is not None

    def stop() -> None:
        if not serves:
            work.cancel()
        if not ended.done():
            ended.set_result(None)

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop)
    try:
        async with served(settings, ended) as address:
            serves = True
            front.answer({"address": address}, f"The console is at {address}")
            await ended
    except asyncio.CancelledError:
        if not ended.done():
            raise
