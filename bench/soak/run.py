"""All parts, their traffic, and a sample now and then."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.latency.run import clear
from bench.options import with_own_names
from bench.shop.child import Part, running
from bench.soak import compression, probes
from bench.soak.clients import Clients
from bench.soak.events import Visits
from bench.soak.options import Options
from bench.soak.report import content
from bench.soak.servers import Servers, servers
from bench.soak.trend import Sample
from reshelf.processes.children import free_port, tail
from reshelf.processes.roles import ROLES
from reshelf.settings import Settings
from reshelf.topics.admin import apply
from schemas.errors import ReshelfError, Transient

TICK_S, READY_S = 0.02, 180.0
MOST_MISSED = 5
"""Samples one after another for which a server may not answer in time, as on a machine that is busy otherwise."""
CENSUS_EVERY = 6
"""Samples between two counts of all keys by their kinds."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Series:
    """Each figure over time."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def add(self, at: float, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.samples.setdefault(name, []).append((at, value))


def soak(settings: Settings, options: Options, say: Say) -> dict[str, Any]:
    """Run the traffic, and give what is told of it.  Raises `ReshelfError` when a part ends or does not begin."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reshelf-soak-")))
        place = stack.enter_context(servers(settings, folder, options.broker, options.kafka_home))
        own = _own_settings(place.settings, options, folder)
        if not options.broker:
            stack.callback(clear, own)
        apply(own.kafka)
        compression.compress_topics(own, options.compress, options.run_s)
        visits = _visits(own, options)
        visits.open()
        parts = stack.enter_context(_parts(own, folder, options.process_mb))
        say("waiting until all parts are ready")
        for part in parts.values():
            if part.started(READY_S, "/api/pages" if part.role == "console" else "/ready")["ready_s"] is None:
                raise ReshelfError(f"the {part.role} was not ready after {READY_S:.0f} s:\n{tail(part.log)}")
        visits.begin()
        clients = Clients(parts["edge"], parts["console"], visits)
        clients.start()
        stack.callback(clients.stop)
        series = _follow(own, options, place, parts, visits, folder, say)
        asked = {"sent": visits.sent, "requests": clients.answers, "failed_requests": clients.failures}
        return content(own, options, series.samples, asked)


def _own_settings(settings: Settings, options: Options, folder: Path) -> Settings:
    own = with_own_names(settings, f"bench-soak-{secrets.token_hex(3)}")
    return compression.compressed(own, options.compress, options.run_s, folder)


def _visits(own: Settings, options: Options) -> Visits:
    day_s = compression.day_s(options.compress)
    return Visits(own.kafka, secrets.token_hex(3), options.rate, day_s, own.attribution.window_ms)


@contextlib.contextmanager
def _parts(settings: Settings, folder: Path, limit_mb: float) -> Iterator[dict[str, Part]]:
    with contextlib.ExitStack() as stack:
        parts = {
            role: stack.enter_context(running(role, ("reshelf", "worker", role), settings, folder, limit_mb))
            for role in ROLES
        }
        for name in ("edge", "console"):
            port = free_port()
            command = ("reshelf", name, "--port", str(port))
            parts[name] = stack.enter_context(running(name, command, settings, folder, limit_mb, port))
        yield parts


def _follow(
    settings: Settings,
    options: Options,
    place: Servers,
    parts: Mapping[str, Part],
    visits: Visits,
    folder: Path,
    say: Say,
) -> Series:
    """Send traffic until the time is over, and measure now and then."""
    series, began, number, missed = Series(), time.monotonic(), 0, 0
    while (now := time.monotonic() - began) < options.run_s:
        visits.publish_due()
        if now >= number * options.sample_s:
            for part in parts.values():
                if part.ended():
                    raise ReshelfError(f"the {part.role} ended after {now:.0f} s: {part.ended()}\n{tail(part.log)}")
            try:
                figures = _figures(settings, place, parts, folder)
                census = probes.kinds_of_keys(settings) if number % CENSUS_EVERY == 0 else {}
            except Transient as error:
                missed += 1
                if missed > MOST_MISSED:
                    raise
                say(f"{now:.0f} s, no sample: {error}")
            else:
                missed = 0
                series.add(now, figures | census)
                if census:
                    say(_line(now, visits.sent, figures))
            number += 1
        time.sleep(TICK_S)
    visits.settle()
    return series


def _figures(settings: Settings, place: Servers, parts: Mapping[str, Part], folder: Path) -> probes.Figures:
    figures = probes.of_redis(settings) | probes.of_log(settings, place.log_folder)
    for part in parts.values():
        figures |= probes.of_part(part)
    for name, pid in place.processes.items():
        figures |= probes.of_process(name, pid)
    for name in ("duplicates", "clicks"):
        figures |= probes.of_folder(name, folder / name)
    return figures


def _line(now: float, sent: int, figures: Mapping[str, float]) -> str:
    memory = ", ".join(f"{name.split()[0]} {value:.0f}" for name, value in figures.items() if name.endswith(" rss_mb"))
    return (
        f"{now:.0f} s, {sent:,} events, lag {figures['events lag']:,.0f}, "
        f"{figures['redis keys']:,.0f} keys, MiB: {memory}"
    )
