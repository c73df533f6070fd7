"""Where the parts of a shop are measured: its topics, its state, and what is read of them from outside."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer

from bench.latency.run import clear
from bench.options import with_own_names
from bench.shop.catalog import Shop
from bench.shop.child import Part, running
from bench.shop.sending import declare
from bench.shop.size import Share, Size
from bench.shop.state.filling import Filled, fill
from reshelf.drill.setup.stores import GivenStore
from reshelf.drill.watch import Reader, Watch, missing
from reshelf.settings import Settings
from reshelf.topics.admin import apply
from schemas.topics import DAY_MS, EVENT_TOPICS, LAYOUTS_HISTORY
from streams.kafka.bounds import log_bounds
from streams.kafka.clients import confluent_consumer_config
from streams.kafka.reader import partitions
from streams.kafka.records import TopicPartition
from streams.state.connection.client import redis_client, redis_servers
from streams.state.keys import GroupKeys, home_group
from streams.state.namespace import open_namespace

LOOK_S = 0.1
QUOTA = "quota"
Say = Callable[[str], None]
Readers = Sequence[Reader]
"""Topics, and how the names of the groups that follow them begin."""


@dataclass(frozen=True, slots=True)
class Options:
    """Seconds that count under traffic, before it and at rest; how long to wait for what, and the memory of a process.

    `backlog` is how many events a part that is timed finds waiting.  Where servers end with the command, nothing
    `remains` that would have to be deleted.
    """

    rate: float
    seconds: float = 20.0
    warm_up_s: float = 5.0
    rest_s: float = 20.0
    ready_s: float = 180.0
    round_s: float = 120.0
    settle_s: float = 10.0
    backlog: int = 100_000
    process_mb: float = 6_000.0
    redis_mb: int | None = None
    remains: bool = True


@dataclass(frozen=True, slots=True)
class RedisUse:
    """Memory, and processor time so far, of all servers of the state."""

    mb: float
    cpu_s: float


@dataclass(slots=True)
class Workplace:
    """A shop that was made, for its parts to be measured one after another."""

    settings: Settings
    shop: Shop
    options: Options
    filled: Filled
    folder: Path
    say: Say
    layouts_made: bool = False

    @contextlib.contextmanager
    def part(self, role: str, *module: str, port: int | None = None) -> Iterator[Part]:
        """A part as a process; without `module` it is the worker of that role."""
        command = module or ("reshelf", "worker", role)
        with running(role, command, self.settings, self.folder, self.options.process_mb, port) as part:
            yield part

    def ends(self, readers: Readers) -> dict[TopicPartition, int]:
        """Where the log that the readers follow ends now; see `reshelf.drill.watch.READERS`."""
        bounds = log_bounds(self.settings.kafka, [name for name, _ in readers])
        return {TopicPartition(name, at): end for name in bounds for at, (_, end) in enumerate(bounds[name])}

    def left(self, readers: Readers, ends: Mapping[TopicPartition, int]) -> int:
        """Records up to there that the readers' watermarks have not passed."""
        redis = self.settings.redis
        watch = Watch(redis.namespace, redis.groups, self.settings.kafka.partitions)
        return missing(watch.reached(GivenStore(redis).read, readers), dict(ends))

    def settled_lag(self, readers: Readers, part: Part) -> tuple[int, float]:
        """The lag once all was read, or when the time for that is over; and how long that took."""
        began, ends = time.monotonic(), self.ends(readers)
        while (lag := self.left(readers, ends)) and part.alive and time.monotonic() - began < self.options.settle_s:
            time.sleep(LOOK_S)
        return lag, round(time.monotonic() - began, 1)

    def redis(self) -> RedisUse:
        """What Redis takes now."""
        with redis_servers(self.settings.redis) as servers:
            reply = [server.info() for server in servers.values()]
        cpu = sum(entry["used_cpu_user"] + entry["used_cpu_sys"] for entry in reply)
        return RedisUse(round(sum(entry["used_memory"] for entry in reply) / 2**20, 1), cpu)

    def quota_letters(self) -> int:
        """Records of all event topics that a quota refused, as the state has counted them."""
        redis = self.settings.redis
        tps = [TopicPartition(topic.name, at) for topic in EVENT_TOPICS for at in range(self.settings.kafka.partitions)]
        names = [GroupKeys(redis.namespace, home_group(tp, redis.groups)).tally(tp) for tp in tps]

        async def counted() -> int:
            client = redis_client(redis)
            try:
                return sum([int(await client.hget(name, QUOTA) or 0) for name in names])
            finally:
                await client.aclose()

        return asyncio.run(counted())

    def history_bytes(self, since: Sequence[int]) -> int:
        """Bytes of keys and values in layouts-history from these offsets on."""
        consumer = Consumer(confluent_consumer_config(self.settings.kafka, "bench") | {"enable.partition.eof": True})
        with contextlib.closing(consumer):
            own = partitions(consumer, self.settings.kafka.prefix + LAYOUTS_HISTORY.name)
            for tp in own:
                tp.offset = since[tp.partition]
            consumer.assign(own)
            unread, size = len(own), 0
            while unread:
                message = consumer.poll(5.0)
                if message is None:
                    break
                if message.error() is not None:
                    unread -= 1
                else:
                    size += len(message.key() or b"") + len(message.value() or b"")
        return size

    def history_ends(self) -> list[int]:
        """Where layouts-history ends now."""
        return [end for _, end in log_bounds(self.settings.kafka, [LAYOUTS_HISTORY.name])[LAYOUTS_HISTORY.name]]


@contextlib.contextmanager
def workplace(
    settings: Settings, size: Size, options: Options, share: Share, seed: int, say: Say
) -> Iterator[Workplace]:
    """The shop, made in topics and a namespace that no other run uses; both are gone afterwards."""
    own = own_settings(settings, size)
    shop = Shop(size, seed, time.time_ns() // 1_000_000 // DAY_MS * DAY_MS, share)
    with contextlib.ExitStack() as stack:
        if options.remains:
            stack.callback(clear, own)
        apply(own.kafka)
        say(f"catalog: {size.items:,} items, {size.pages:,} pages")
        declare(own.kafka, shop)
        _open_state(own)
        filled = fill(own.redis, own.redis.groups, shop, own.fold, say, options.redis_mb)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reshelf-bench-")))
        yield Workplace(own, shop, options, filled, folder, say)


def own_settings(settings: Settings, size: Size) -> Settings:
    """The settings with topics and a namespace of this run's own."""
    own = with_own_names(settings, f"bench-shop-{secrets.token_hex(3)}")
    return own.changed(kafka={"partitions": size.partitions})


def _open_state(settings: Settings) -> None:
    """Write the namespace's manifest, as the first worker does."""

    async def opened() -> None:
        client = redis_client(settings.redis)
        try:
            await open_namespace(settings.kafka, client, settings.redis, settings.fold)
        finally:
            await client.aclose()

    asyncio.run(opened())
