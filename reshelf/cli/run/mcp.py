"""`reshelf mcp`: the console's operations for programs that speak the Model Context Protocol."""

from __future__ import annotations

import asyncio
import importlib.util

import click

from reshelf.cli.front import Front
from schemas.errors import BadSettings


@click.command()
@click.option("--http", is_flag=True, help="Serve over HTTP at mcp.host and mcp.port, in place of standard input.")
@click.option("--port", type=click.IntRange(0, 65_535), help="The port to listen at; 0: any.  [default: mcp.port]")
@click.pass_obj
def mcp(front: Front, http: bool, port: int | None) -> None:
    """Let programs look, explain, search, price changes, publish and roll back by the Model Context Protocol.

    Without --http a program starts this command and speaks to it on standard input and output; publishing.token says
    whose name and roles it has. With --http each request has a token: Authorization: Bearer TOKEN. Without a token,
    where that is allowed, one may look and price, and publish nothing. It needs the extra "mcp".

    Example: reshelf mcp --http --port 8790
    """
    if front.embedded:
        raise BadSettings("--embedded: servers that just started have nothing to show. Use those of a running shop.")
    if importlib.util.find_spec("mcp") is None:
        raise BadSettings('mcp: expected the package mcp, which is not installed: pip install "reshelf[mcp]"')
    from reshelf.processes.parallel import limit_threads

    limit_threads()
    from reshelf.mcp_server.run import serve_http, serve_stdio
    from streams.kafka.clients import quiet_loggers

    settings = front.settings if port is None else front.settings.changed(mcp={"port": port})
    quiet_loggers(("aiokafka", "kafka"))
    if http:
        asyncio.run(serve_http(settings, lambda address: front.answer({"address": address}, f"Serving at {address}")))
    else:
        asyncio.run(serve_stdio(settings))
