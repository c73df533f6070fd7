"""What the console exposes to Prometheus: how log, state, workers and Redis look from beside them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator

from aiohttp import web

from reshelf.console.monitor import Monitor
from streams.metrics import REGISTRY, Sample

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def of_pulse(monitor: Monitor) -> Iterator[Sample]:
    """The last look at everything."""
    yield Sample("reshelf_console_away", (), bool(monitor.away))
    yield Sample("reshelf_console_look_age_seconds", (), monitor.look_age_s)
    for partition in monitor.standings:
        yield Sample("reshelf_state_lag_records", (partition.topic, str(partition.partition)), partition.lag)
    now = time.time_ns() // 1_000_000
    for topic, age_ms in monitor.ages_ms(now).items():
        yield Sample("reshelf_state_age_seconds", (topic,), age_ms / 1000)
    if (newest_ms := monitor.newest_age_ms(now)) is not None:
        yield Sample("reshelf_newest_event_age_seconds", (), newest_ms / 1000)
    for worker in monitor.workers:
        yield Sample("reshelf_workers", (worker["role"],), len(worker["members"]))
    for server in monitor.servers:
        yield Sample("reshelf_redis_memory_bytes", (server["name"],), server["used"])
        yield Sample("reshelf_redis_memory_limit_bytes", (server["name"],), server["limit"])


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count requests by the pattern of their address."""
    response = await handler(request)
    resource = request.match_info.route.resource
    REGISTRY.add("reshelf_http_requests_total", resource.canonical if resource else "unknown", str(response.status))
    return response
