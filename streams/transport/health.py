"""`/live` and `/ready` of a worker, for whatever supervises it.

Live: the event loop answers and the reader got on lately, or has a reason not to.
Ready: partitions are shared out and placed, nothing that the worker needs is away,
and it is not far behind the log.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Protocol

from aiohttp import web

from schemas.errors import BadSettings
from streams.access import required_token
from streams.metrics import CONTENT_TYPE, REGISTRY, Sample, exposition
from streams.retry import Retry
from streams.settings import HealthSettings
from streams.transport.consumer import BatchConsumer

ASK_S = 3.0
"""How often the brokers are asked whether they are there, and how long they may take."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a worker answers; `lag` counts records, by partition, that are not applied yet."""

    live: bool
    ready: bool
    reasons: tuple[str, ...]
    lag: Mapping[str, int]


class HealthSource(Protocol):
    """What a health server asks."""

    def health(self) -> Health: ...
    def samples(self) -> Iterable[Sample]: ...


class Vitals:
    """Looks at a worker from within its event loop; `consumer` is None while the worker starts."""

    def __init__(self, max_lag: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.consumer: BatchConsumer | None = None
        self._max_lag = max_lag
        self._clock = clock
        self._last: object = None
        self._since = clock()
        self._kafka_away = False

    async def ask_brokers(self) -> None:
        """Ask them now and then, for ever: a worker at the end of a log would not notice that they are gone."""
        while True:
            consumer = self.consumer
            if consumer is not None and consumer.connected:
                self._kafka_away = not await consumer.source.answers(ASK_S)
            await asyncio.sleep(ASK_S)

    def health(self) -> Health:
        """How the worker is now."""
        if self.consumer is None:
            return Health(True, False, ("starting",), {})
        live = self._gets_on(self.consumer)
        lag = lags(self.consumer)
        reasons = [] if live else [f"the reader has not moved for {_still_s(self.consumer):g} s or longer"]
        if self._kafka_away:
            reasons.append("Kafka does not answer")
        if Retry.waiting:
            reasons.append("Kafka or Redis is away")
        if not self.consumer.connected or self.consumer.source.joining or not self.consumer.flow_active:
            reasons.append("the group is sharing out its partitions")
        elif lag is None:
            reasons.append("state and positions are being loaded")
        elif (behind := sum(lag.values())) > self._max_lag:
            reasons.append(f"{behind} records behind the log, at most {self._max_lag} allowed (health.max_lag)")
        return Health(live, not reasons, tuple(reasons), lag or {})

    def samples(self) -> list[Sample]:
        """What the worker exposes to Prometheus."""
        return [
            *of_health(self.health()),
            Sample("reshelf_waiting", (), Retry.waiting + self._kafka_away),
            *REGISTRY.samples(),
        ]

    def _gets_on(self, consumer: BatchConsumer) -> bool:
        now, progress = self._clock(), consumer.progress() if consumer.connected else object()
        if progress != self._last:
            self._last, self._since = progress, now
        return now - self._since < _still_s(consumer)


def of_health(health: Health) -> list[Sample]:
    """What `/live` and `/ready` say, as samples."""
    behind = [
        Sample("reshelf_lag_records", tuple(name.rsplit("/", 1)), count) for name, count in sorted(health.lag.items())
    ]
    return [Sample("reshelf_live", (), health.live), Sample("reshelf_ready", (), health.ready), *behind]


def _still_s(consumer: BatchConsumer) -> float:
    """Half of what the watchdog waits: a supervisor hears of it before the worker ends."""
    return consumer.wiring.kafka.stall_timeout_s / 2


def lags(consumer: BatchConsumer) -> dict[str, int] | None:
    """Records of owned partitions that are not applied; None until all are placed and have been read once."""
    lag = {}
    for name, part in consumer.ledger.owned.items():
        reached, end = part.reached(), consumer.source.end(name)
        if reached is None or end is None:
            return None
        lag[str(part.tp)] = max(0, end - reached)
    return lag


class HealthServer:
    """Serves while its block runs, where `settings` name a port.

    Raises BadSettings for an address that cannot be used, or one beyond this machine without a token.
    """

    def __init__(self, settings: HealthSettings, vitals: HealthSource) -> None:
        self._settings = settings
        self._vitals = vitals
        self._token = required_token("health", settings.host, settings.token) if settings.port else ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> None:
        if not self._settings.port:
            return
        app = web.Application()
        app.router.add_get("/live", self._live)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()
        except (OSError, OverflowError) as error:
            await self._runner.cleanup()
            raise BadSettings(
                f"health: expected a free port, got {self._settings.host}:{self._settings.port}: {error}. "
                "Set health.port to another, or to 0 for none."
            ) from None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _live(self, request: web.Request) -> web.Response:
        return self._answer(request, lambda health: health.live)

    async def _ready(self, request: web.Request) -> web.Response:
        return self._answer(request, lambda health: health.ready)

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self._may(request):
            return _unknown()
        return web.Response(text=exposition(self._vitals.samples()), headers={"Content-Type": CONTENT_TYPE})

    def _may(self, request: web.Request) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return not self._token or hmac.compare_digest(token.encode(), self._token.encode())

    def _answer(self, request: web.Request, well: Callable[[Health], bool]) -> web.Response:
        """Requests without a token get yes or no alone: probes of an orchestrator cannot keep a secret."""
        health = self._vitals.health()
        status = 200 if well(health) else 503
        if self._token and "Authorization" not in request.headers:
            return web.json_response({"live": health.live, "ready": health.ready}, status=status)
        return web.json_response(asdict(health), status=status) if self._may(request) else _unknown()


def _unknown() -> web.Response:
    return web.json_response({"error": "expected the header Authorization: Bearer <health.token>"}, status=401)
