"""`reshelf edge`: layouts and events over HTTP."""

from __future__ import annotations

import click

from reshelf.cli.front import Front


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="The port to listen at; 0: any free port.  [default: edge.port]"
)
@click.pass_obj
def edge(front: Front, port: int | None) -> None:
    """Serve layouts and accept events over HTTP, until it is stopped.

    \b
    GET  /layouts/PAGE/SEGMENT?unit=UNIT   the slate that a visitor is shown
    POST /events                           a batch of events
    GET  /openapi.json, /live, /ready

    Example: reshelf edge --port 8780
    """
    from reshelf.edge.run import edge as opened

    settings = front.settings.edge
    chosen = settings if port is None else settings.changed(port=port)
    with opened(front.settings.kafka, chosen, units=front.settings.segments.publish_units) as (server, listener):
        address = f"http://{chosen.host}:{listener.getsockname()[1]}/"
        front.answer({"address": address}, f"Serving at {address}")
        server.run(sockets=[listener])
