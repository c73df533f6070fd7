"""Serve until stopped."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn

from reshelf.edge.app import Parts, application
from reshelf.edge.feed import Feed
from reshelf.edge.layout_cache import LayoutCache
from reshelf.edge.sender import Sender
from reshelf.service_settings import EdgeSettings
from schemas.errors import BadSettings
from streams.access import required_token
from streams.settings import KafkaSettings

CLOSE_S = 5


@contextlib.contextmanager
def edge(
    kafka: KafkaSettings, settings: EdgeSettings, *, units: bool = False
) -> Iterator[tuple[uvicorn.Server, socket.socket]]:
    """A server and the socket it will listen at, with reader and producer running while the block does.

    With `units` it knows the segments of visitors that are published.

    Raises BadSettings for an address that cannot be used, Transient where the topic cannot be reached.
    """
    required_token("edge", settings.host, settings.token)
    with (
        _listen(settings) as listener,
        Sender(kafka) as sender,
        Feed(kafka, cache := LayoutCache(settings.decoded_layouts), units=units) as feed,
    ):
        app = application(Parts(settings, cache, feed, sender))
        yield server(app, settings.proxies), listener


def server(app: object, proxies: Sequence[str] = ()) -> uvicorn.Server:
    """One process of uvicorn, as the edge runs; `proxies` are believed about who the client is."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # any ASGI application
        http="httptools",
        loop="uvloop",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=CLOSE_S,
    )
    return uvicorn.Server(config)


def _listen(settings: EdgeSettings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=1024)
    except OSError as error:
        raise BadSettings(
            f"edge: expected a free port, got {settings.host}:{settings.port}: {error.strerror or error}. "
            "Set edge.port to another, or to 0 for any."
        ) from None
