"""`reshelf bench scale` and `reshelf bench catalog`: how costs grow with keys, items, slots and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bench.options import SLOTS, machine, rounds
from reshelf.cli.front import AT_LEAST_ONE, Front

if TYPE_CHECKING:
    from bench.events.scale import ByKeys, ByPage


@click.command()
@click.option(
    "--keys",
    type=AT_LEAST_ONE,
    multiple=True,
    default=(10, 1_000, 10_000),
    show_default=True,
    help="How many keys there are.",
)
@click.option(
    "--items",
    type=AT_LEAST_ONE,
    multiple=True,
    default=(100, 1_000, 10_000),
    show_default=True,
    help="How many items a page has.",
)
@click.option(
    "--slots", type=SLOTS, multiple=True, default=(3, 12, 24), show_default=True, help="How many slots a page has."
)
@click.option("--events", type=AT_LEAST_ONE, default=5_000, show_default=True, help="How many events each round has.")
@rounds
@click.pass_obj
def scale(
    front: Front, keys: tuple[int, ...], items: tuple[int, ...], slots: tuple[int, ...], events: int, rounds: int
) -> None:
    """Measure how costs grow with the numbers of keys, items and slots.

    The figures are the time for an event, the bytes in Redis and the time for a layout.
    Keys are measured with 100 items in 12 slots, items with 12 slots, and slots with 1,000
    items.  Sizes may be repeated.  A run takes a few minutes; it starts a Redis of its own
    and needs no broker.

    Example: reshelf bench scale --keys 10 --keys 1000
    """
    import asyncio

    from reshelf.processes.servers import embedded_redis

    with embedded_redis() as url:
        measured = asyncio.run(_scale(url, sorted(set(keys)), sorted(set(items)), sorted(set(slots)), events, rounds))
    content, text = measured
    front.answer({"machine": machine(), "broker": "none", "redis": "embedded", **content}, text)


@click.command()
@click.option("--items", type=click.IntRange(min=1_000), default=100_000, show_default=True)
@click.option("--pages", type=AT_LEAST_ONE, default=1_000, show_default=True, help="Each shows one category.")
@click.option(
    "--dimensions",
    type=click.IntRange(0, 4096),
    default=384,
    show_default=True,
    help="Numbers in the vector of an item's text; with 0, no item has a vector.",
)
@click.option(
    "--fitting",
    type=AT_LEAST_ONE,
    default=50_000,
    show_default=True,
    help="Items, at most half of them, that fit one more page, of which it takes 2,000.",
)
@click.option("--changes", type=AT_LEAST_ONE, default=1_000, show_default=True, help="Records of each round.")
@rounds
@click.pass_obj
def catalog(front: Front, items: int, pages: int, dimensions: int, fitting: int, changes: int, rounds: int) -> None:
    """What a large catalog costs a worker that follows it: seconds until it is ready, bytes an item, time a record.

    It needs neither a broker nor a Redis. Times are those of the processor: records of items that no page shows, that
    one page shows, and of their vectors; one more page; and a price on a page that more items fit than it may have.

    Example: reshelf bench catalog --items 100000 --pages 1000 --json
    """
    from dataclasses import asdict

    from bench.catalog import Size, measure

    cost = measure(Size(items, pages, dimensions, min(fitting, items // 2)), changes, rounds)
    text = (
        f"{items:,} items, {pages:,} pages: ready after {cost.ready_s} s, {cost.item_bytes:,} bytes an item\n"
        f"a new price: {cost.elsewhere_us} µs where no page shows the item, {cost.change_us} where one does; "
        f"a vector: {cost.vector_us} µs; one more page: {cost.late_ms} ms\n"
        f"a new price where {cost.fitting:,} items fit a page: {cost.crowded_us} µs, with the choice of 2,000"
    )
    front.answer({"machine": machine(), "broker": "none", "catalog": asdict(cost)}, text)


async def _scale(
    url: str, keys: list[int], items: list[int], slots: list[int], events: int, rounds: int
) -> tuple[dict[str, object], str]:
    from dataclasses import asdict

    from redis.asyncio import Redis

    from bench.events.scale import by_keys, by_page
    from bench.pages import Size

    async with Redis.from_url(url) as redis:
        of_keys = [await by_keys(redis, count, Size(100, 12), events, rounds) for count in keys]
        of_items = [await by_page(redis, Size(count, 12), events, rounds) for count in items]
        of_slots = [await by_page(redis, Size(1_000, count), events, rounds) for count in slots]
        named = await by_page(redis, Size(1_000, 12), events, rounds)
    content: dict[str, object] = {
        "by_keys": [asdict(row) for row in of_keys],
        "by_items": [asdict(row) for row in of_items],
        "by_slots": [asdict(row) for row in of_slots],
        "growth": _growth(of_keys, of_items, of_slots),
        "redis_bytes_1000x12": named.redis_bytes,
        "layout_ms_1000x12x16": named.layout_ms,
    }
    return content, _scale_text(of_keys, [*of_items, *of_slots])


def _growth(keys: list[ByKeys], items: list[ByPage], slots: list[ByPage]) -> dict[str, dict[str, float]]:
    """The last size against the first: how many times as large it is, and as much it takes."""
    from bench.events.scale import growth

    page = ("event_us", "redis_bytes", "layout_ms")
    return {
        "keys": {name: growth(keys, name) for name in ("keys", "hot_us", "spread_us", "redis_bytes_per_key")},
        "items": {name: growth(items, name) for name in ("items", *page)},
        "slots": {name: growth(slots, name) for name in ("slots", *page)},
    }


def _scale_text(keys: list[ByKeys], pages: list[ByPage]) -> str:
    lines = [
        f"{row.keys:>6} keys: {row.hot_us} µs an event on 10 keys, {row.spread_us} µs on all, "
        f"{row.redis_bytes_per_key:,} bytes a key"
        for row in keys
    ]
    lines += [
        f"{row.items:>6} items x {row.slots:>2} slots: {row.event_us} µs an event, {row.redis_bytes:,} bytes, "
        f"{row.layout_ms} ms a layout"
        for row in pages
    ]
    return "\n".join(lines)
