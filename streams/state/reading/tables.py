"""The tables of a state group as they are in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from redis.asyncio import Redis

from streams.fold.deltas import TableKey, Traffic
from streams.fold.measures import PARTS, blocks
from streams.state.arrays.directory import names_in
from streams.state.arrays.packed_value import decode_table
from streams.state.arrays.tables import Table, blocks_for
from streams.state.connection.errors import translate_errors
from streams.state.keys import GroupKeys

Mget = Callable[[list[str]], Awaitable[Any]]
Parts = Mapping[str, bytes | None]


async def read_tables(mget: Mget, keys: GroupKeys, tables: Sequence[TableKey]) -> list[Table]:
    """The tables of one group."""
    return [decode_table(key, parts) for key, parts in zip(tables, await read_parts(mget, keys, tables), strict=True)]


async def read_parts(
    mget: Mget, keys: GroupKeys, tables: Sequence[TableKey], expected: Mapping[TableKey, int] | None = None
) -> list[Parts]:
    """What is stored of tables of one group, as `decode_table` takes it.

    One read where `expected` says how many blocks of cells a table has; where there
    are more, which the slots show, a second one for these.  Rows that appear between
    both are left out until the next read.
    """
    if not tables:
        return []
    have = [(expected or {}).get(key, 0) for key in tables]
    names = [
        keys.table(name, key) for key, count in zip(tables, have, strict=True) for name in (*PARTS, *blocks(0, count))
    ]
    values = iter(await translate_errors(lambda: mget(names)))
    parts = [{part: next(values) for part in (*PARTS, *blocks(0, count))} for count in have]
    lacking = [
        list(blocks(count, blocks_for(len(names_in(part["slots"]))))) for count, part in zip(have, parts, strict=True)
    ]
    names = [keys.table(name, key) for key, more in zip(tables, lacking, strict=True) for name in more]
    values = iter(await translate_errors(lambda: mget(names)) if names else ())
    return [part | {name: next(values) for name in more} for part, more in zip(parts, lacking, strict=True)]


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
