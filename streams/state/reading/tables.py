"""The tables of a state group as they are in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from redis.asyncio import Redis

from streams.fold.deltas import TableKey, Traffic
from streams.fold.measures import PARTS, Blocks
from streams.state.arrays.directory import names_in
from streams.state.arrays.packed_value import decode_table
from streams.state.arrays.tables import Table
from streams.state.connection.errors import translate_errors
from streams.state.keys import GroupKeys

Mget = Callable[[list[str]], Awaitable[Any]]
Parts = Mapping[str, bytes | None]


async def read_tables(mget: Mget, keys: GroupKeys, tables: Sequence[TableKey]) -> list[Table]:
    """The tables of one group."""
    return [decode_table(key, parts) for key, parts in zip(tables, await read_parts(mget, keys, tables), strict=True)]


async def read_parts(
    mget: Mget, keys: GroupKeys, tables: Sequence[TableKey], expected: Mapping[TableKey, Blocks] | None = None
) -> list[Parts]:
    """What is stored of tables of one group, as `decode_table` takes it.

    One read where `expected` says how many blocks a table has; where there
    are more, which slots and shelves show, a second one for these.  Rows that appear between
    both are left out until the next read.
    """
    if not tables:
        return []
    have = [(expected or {}).get(key, Blocks()) for key in tables]
    asked_for = [(*PARTS, *blocks.names()) for blocks in have]
    names = [keys.table(name, key) for key, some in zip(tables, asked_for, strict=True) for name in some]
    values = iter(await translate_errors(lambda: mget(names)))
    parts = [{part: next(values) for part in some} for some in asked_for]
    lacking = [list(blocks_of(part).names(blocks)) for blocks, part in zip(have, parts, strict=True)]
    names = [keys.table(name, key) for key, more in zip(tables, lacking, strict=True) for name in more]
    values = iter(await translate_errors(lambda: mget(names)) if names else ())
    return [part | {name: next(values) for name in more} for part, more in zip(parts, lacking, strict=True)]


def blocks_of(parts: Parts) -> Blocks:
    """How many blocks a table's directories say that it has."""
    return Blocks.of(*(len(names_in(parts[kind])) for kind in ("slots", "shelves")))


async def table_keys(redis: Redis, keys: GroupKeys, kind: str = "table") -> list[TableKey]:
    """The tables of a group, from its index; `kind` is table or bins."""
    return [key async for tables in table_keys_by_bucket(redis, keys, kind) for key in tables]


async def table_keys_by_bucket(redis: Redis, keys: GroupKeys, kind: str) -> AsyncIterator[list[TableKey]]:
    """The same, those of one bucket after the other."""
    buckets, _ = keys.listing(kind, 0)
    for bucket in sorted(map(int, await translate_errors(lambda: redis.smembers(buckets)))):
        _, index = keys.listing(kind, bucket)
        names = map(orjson.loads, await translate_errors(lambda i=index: redis.smembers(i)))  # type: ignore[misc]
        yield [TableKey(page, segment, bucket, Traffic(traffic)) for _, page, segment, traffic in names]
