"""The clicks of one partition on disk, by unit and item.

What it holds follows from the log up to `position`: each batch of clicks is
written together with its position, in one write that is there whole or not at
all.  A store that is lost is made again from the log.

Every day of event time is a column family of its own, so that old clicks go
with their files.  Within it a click lies under fingerprints of its unit and
item, its time and its offset; the names of units are not stored.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import NamedTuple

import msgspec
from rocksdict import ColumnFamily, Options, Rdict, ReadOptions, WriteBatch

from policy.attribution import ClickRecord
from schemas.errors import StateAttention
from schemas.topics import DAY_MS
from streams.state.watermark import Watermark

log = logging.getLogger("reshelf")

FINGERPRINT = 8
"""Bytes of the fingerprint of a unit, and of an item."""
_MARK, _COMPLETE_SINCE = b"position", b"complete since"
_PLACE = Struct(">qq")
_NO_SPACE = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))
END_OF_TIME = _LAST = (1 << 63) - 1
"""Later than whatever an event claims."""


class StoredClick(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is stored under a click's key: one msgpack array.  `delay` is from the event to its append."""

    delay: int
    click_id: str
    page: str
    segment: str
    slot: str
    layout_version: int
    variant: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredClick).decode


class Bucket(NamedTuple):
    """The clicks of one day of event time."""

    rows: Rdict
    handle: ColumnFamily


class ClickStore:
    """The clicks of one partition.

    `complete_since` is the append time from which on no click is missing: 0 where none was
    missing ever, None where that is not known yet.
    """

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        self._options = options
        self._by_prefix = ReadOptions()
        self._by_prefix.set_prefix_same_as_start(True)
        self._open()

    def _open(self) -> None:
        try:
            self._load()
        except Exception as error:  # noqa: BLE001  (rocksdict raises nothing more exact)
            if any(said in str(error) for said in _NO_SPACE):
                raise self._unwritable(error) from None
            log.warning("The clicks in %s cannot be read (%s): they are read again from the log.", self._path, error)
            shutil.rmtree(self._path, ignore_errors=True)
            try:
                self._load()
            except Exception as fatal:  # noqa: BLE001
                raise StateAttention(
                    f"attribution.folder: expected a folder to keep clicks in, got {self._path}, which cannot be "
                    f"written: {fatal}. Make it writable and see that there is space on its disk."
                ) from None

    def _load(self) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        path = str(self._path)
        names = Rdict.list_cf(path, self._options) if (self._path / "CURRENT").exists() else []
        days = [name for name in names if name != "default"]
        self._db = Rdict(path, self._options, column_families=dict.fromkeys(days, self._options))
        self._buckets = {int(day): self._bucket(day) for day in days}
        mark, since = self._db.get(_MARK), self._db.get(_COMPLETE_SINCE)
        self.position = None if mark is None else Watermark.decode(mark, 0)
        self.complete_since = None if since is None else int(since)

    def close(self) -> None:
        """Let go of the files; raises `StateAttention` where the last clicks, which the next start has, need space."""
        self._buckets.clear()
        try:
            self._db.close()
        except Exception as error:  # noqa: BLE001
            raise self._unwritable(error) from None

    def clear(self) -> None:
        """Forget everything."""
        if self.position is None and not self._buckets:
            return
        self.close()
        shutil.rmtree(self._path, ignore_errors=True)
        self._open()

    def begin(self, position: Watermark, complete_since: int | None) -> None:
        """Forget everything, to read the log from `position` on."""
        self.clear()
        self.write((), (), position, complete_since)

    # Reading

    def holding(self, unit: str) -> list[int]:
        """The days that have clicks of the unit, the last one first."""
        return [day for day in sorted(self._buckets, reverse=True) if self.has(unit, day)]

    def has(self, unit: str, day: int, item: str | None = None) -> bool:
        """Whether a day has clicks of the unit, or of the unit on the item."""
        prefix = fingerprint(unit) + (b"" if item is None else fingerprint(item))
        rows = self._buckets[day].rows.iter(self._by_prefix)
        rows.seek(prefix)
        return bool(rows.valid() and rows.key().startswith(prefix))

    def newest_first(self, unit: str, item: str, days: Sequence[int], until: int) -> Iterator[ClickRecord]:
        """Clicks of the unit on the item up to a time, the latest by event time first; `days` descend."""
        prefix = fingerprint(unit) + fingerprint(item)
        for day in days:
            rows = self._buckets[day].rows.iter(self._by_prefix)
            rows.seek_for_prev(prefix + _PLACE.pack(until, _LAST))
            while rows.valid() and (key := rows.key()).startswith(prefix):
                yield _click(item, key, rows.value())
                rows.prev()

    @property
    def bytes_on_disk(self) -> int:
        return sum(entry.stat().st_size for entry in self._path.iterdir() if entry.is_file())

    def __len__(self) -> int:
        """About how many clicks there are: what is overwritten or deleted may still count."""
        return sum(
            bucket.rows.property_int_value("rocksdb.estimate-num-keys") or 0 for bucket in self._buckets.values()
        )

    # Writing

    def write(
        self,
        added: Iterable[tuple[str, ClickRecord]],
        forgotten: Iterable[str],
        position: Watermark,
        complete_since: int | None,
    ) -> None:
        """Drop the clicks of the forgotten units, then add others; the store is at `position` then."""
        batch = WriteBatch(raw_mode=True)
        for unit in forgotten:
            self._forget(unit, batch)
        for unit, click in added:
            bucket = self._buckets.get(day := click.occurred_at // DAY_MS) or self._new_bucket(day)
            batch.put(_key(unit, click), _content(click), bucket.handle)
        batch.put(_MARK, position.encode())
        if complete_since is not None:
            batch.put(_COMPLETE_SINCE, str(complete_since).encode())
        self._commit(batch)
        self.position, self.complete_since = position, complete_since

    def expire(self, first_time: int) -> None:
        """Drop the days that ended before an event time; none before it is wanted any more."""
        stale = [day for day in self._buckets if (day + 1) * DAY_MS <= first_time]
        if not stale:
            return
        since = max(self.complete_since or 0, (max(stale) + 1) * DAY_MS)
        batch = WriteBatch(raw_mode=True)
        batch.put(_COMPLETE_SINCE, str(since).encode())
        self._commit(batch)
        self.complete_since = since
        for day in stale:
            del self._buckets[day]
            self._db.drop_column_family(str(day))

    def _forget(self, unit: str, batch: WriteBatch) -> None:
        prefix = fingerprint(unit)
        for bucket in self._buckets.values():
            rows = bucket.rows.iter(self._by_prefix)
            rows.seek(prefix)
            while rows.valid() and (key := rows.key()).startswith(prefix):
                batch.delete(key, bucket.handle)
                rows.next()

    def _commit(self, batch: WriteBatch) -> None:
        try:
            self._db.write(batch)
        except Exception as error:  # noqa: BLE001
            raise self._unwritable(error) from None

    def _new_bucket(self, day: int) -> Bucket:
        try:
            self._db.create_column_family(str(day), self._options)
        except Exception as error:  # noqa: BLE001
            raise self._unwritable(error) from None
        bucket = self._buckets[day] = self._bucket(str(day))
        return bucket

    def _unwritable(self, error: Exception) -> StateAttention:
        return StateAttention(
            f"the clicks cannot be written to {self._path}: {error}. Nothing is lost; see that there is space on "
            "the disk of attribution.folder (docs/operating/operating.md says how much is needed) and start again."
        )

    def _bucket(self, name: str) -> Bucket:
        return Bucket(self._db.get_column_family(name), self._db.get_column_family_handle(name))


@lru_cache(maxsize=10_000)
def fingerprint(name: str) -> bytes:
    """A unit or an item as part of a key; two that share it may be expected among 2^32 names."""
    return blake2b(name.encode(), digest_size=FINGERPRINT).digest()


def _key(unit: str, click: ClickRecord) -> bytes:
    return fingerprint(unit) + fingerprint(click.item) + _PLACE.pack(click.occurred_at, click.offset)


def _content(click: ClickRecord) -> bytes:
    delay = click.append_time - click.occurred_at
    return _encode(
        StoredClick(delay, click.click_id, click.page, click.segment, click.slot, click.layout_version, click.variant)
    )


def _click(item: str, key: bytes, content: bytes) -> ClickRecord:
    occurred_at, offset = _PLACE.unpack(key[2 * FINGERPRINT :])
    stored = msgspec.structs.asdict(_decode(content))
    append_time = occurred_at + stored.pop("delay")
    return ClickRecord(offset=offset, append_time=append_time, occurred_at=occurred_at, item=item, **stored)
