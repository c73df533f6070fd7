"""Whether workers run and keep up, and whether layouts live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from reshelf.doctor.finding import Finding
from reshelf.inspect.lag import partition_lags
from reshelf.inspect.layouts_topic import latest
from reshelf.namespaces.open_state import open_state
from reshelf.processes.parts import groups_of
from reshelf.settings import Settings
from streams.kafka.clients import confluent_admin_config
from streams.settings import KafkaSettings
from streams.state.alias import namespace_of
from streams.state.manifest import Manifest, NamespaceMissing

TIMEOUT_S = 10.0
ATTEMPTS = 4
SOON = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)


def look_at_work(settings: Settings) -> Iterator[Finding]:
    """Whether workers are there and keep up with the log, and whether layouts live; of the namespace that is live."""
    admin = AdminClient(confluent_admin_config(settings.kafka))
    try:
        made, behind = asyncio.run(_behind(settings, admin))
    except NamespaceMissing:
        found = f"none has run yet for namespace {asyncio.run(namespace_of(settings.redis))!r}"
        yield Finding("workers", "note", found, "Run `reshelf worker`.")
        return
    absent = _absent(made, admin)
    yield _workers(absent)
    yield _lag(behind, settings.health.max_lag, "learner" in absent or "attribution" in absent)
    yield from _layouts(settings.kafka)


async def _behind(settings: Settings, admin: AdminClient) -> tuple[Manifest, int]:
    """The namespace, and how many records of the log it lacks."""
    async with open_state(settings) as state:
        made = state.reader.manifest
        return made, sum(one.lag for one in await partition_lags(admin, state.redis, made))


def _absent(made: Manifest, admin: AdminClient) -> list[str]:
    """The roles whose consumer group has no member."""
    groups = groups_of(made.prefix, made.namespace)
    return [role for name, role in groups.items() if not _members(admin, name)]


def _members(admin: AdminClient, group: str) -> int:
    for _ in range(ATTEMPTS):
        try:
            return len(admin.describe_consumer_groups([group])[group].result(TIMEOUT_S).members)
        except KafkaException as error:
            last = error
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            if error.args[0].code() not in SOON:
                break
            time.sleep(0.5)  # a cluster that has known no group yet answers so at first
    raise last


def _workers(absent: Sequence[str]) -> Finding:
    if not absent:
        return Finding("workers", "ok", "all parts run")
    remedy = f"Run `reshelf worker {' '.join(absent)}`: they go on where the state stands."
    return Finding("workers", "note", f"none runs as {', '.join(absent)}", remedy)


def _lag(behind: int, most: int, alone: bool) -> Finding:
    found = f"{behind:,} records behind the log"
    if behind <= (0 if alone else most):
        return Finding("state", "ok", found)
    remedy = "Start the workers that are missing." if alone else "Add learners, at most one for each partition."
    return Finding("state", "note", found, f"{remedy} docs/operating/operating.md says more, under ReshelfLag.")


def _layouts(kafka: KafkaSettings) -> Iterator[Finding]:
    newest = latest(kafka)
    if newest is None:
        yield Finding("layouts", "note", "none is published", "Declare a page: `reshelf rules apply FILE`.")
        return
    left_s = newest.expires_at / 1000 - time.time()
    if left_s > 0:
        yield Finding("layouts", "ok", f"the newest expires in {left_s:.0f} s")
        return
    remedy = "Renderers show their own fallback. Run `reshelf worker layouts`; where one runs, see its log."
    yield Finding("layouts", "note", f"all have expired, the newest {-left_s:,.0f} s ago", remedy)
