"""What attribution remembers of one partition, on disk: clicks and what they were credited with, by unit.

What it holds follows from the logs up to its `marks`: each batch is written
together with them, in one write that is there whole or not at all.  A store that
is lost is made again from the log.

Every day of event time is a column family of its own, so that old clicks and signals go
with their files; so is every week of lines of orders, which returns name long afterwards.
How rows are found in them is said in `streams.state.clicks.rows`.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rocksdict import Options, Rdict, ReadOptions, WriteBatch

from policy.attribution.clicks import ClickRecord, Match, SignalRecord
from policy.attribution.outcomes import OrderLine, ReturnedLine
from schemas.errors import StateAttention
from schemas.topics import DAY_MS
from streams.state.clicks import rows
from streams.state.clicks.bucket import Bucket
from streams.state.watermark import Watermark

log = logging.getLogger("reshelf")

_MARK, _COMPLETE_SINCE = b"position", b"complete since"
_SIGNALS, _PLACES = b"signals", (b"lines", b"conversions", b"returned", b"credits")
_NO_SPACE = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))
_WEEK_MS = 7 * DAY_MS
_ORDERS = "orders-"
_Bucketed = dict[int, Bucket]


class Marks(NamedTuple):
    """Up to where a store has the logs.

    `clicks` and `signals` are watermarks, None for signals where nothing is known of them.  All lines of orders are
    there of purchases below the offset `lines`, and of those whose conversions are below the offset `conversions`;
    likewise all lines of returns below `returned`, and of those whose credits are below `credits`.
    """

    clicks: Watermark
    signals: Watermark | None = None
    lines: int = 0
    conversions: int = 0
    returned: int = 0
    credits: int = 0


class Additions(NamedTuple):
    """What is new, each with its unit; and the units whose clicks and signals are to be forgotten first."""

    clicks: Iterable[tuple[str, ClickRecord]] = ()
    signals: Iterable[tuple[str, SignalRecord]] = ()
    lines: Iterable[tuple[str, OrderLine]] = ()
    returned: Iterable[tuple[str, ReturnedLine]] = ()
    forgotten: Iterable[str] = ()


class ClickStore:
    """The clicks of one partition.

    `complete_since` is the append time from which on no click is missing: 0 where none was
    missing ever, None where that is not known yet.
    """

    def __init__(self, path: Path, options: Options, most_recent: Callable[[], int]) -> None:
        self.most_recent = most_recent
        """How many clicks and signals may be kept in memory beside it."""
        self._path = path
        self._options = options
        self._by_prefix = ReadOptions()
        self._by_prefix.set_prefix_same_as_start(True)
        # What was seen of units since the last write.
        self._holding: dict[str, list[int]] = {}
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
        families = [name for name in names if name != "default"]
        self._db = Rdict(path, self._options, column_families=dict.fromkeys(families, self._options))
        self._buckets = {int(day): self._bucket(day) for day in families if not day.startswith(_ORDERS)}
        weeks = [name for name in families if name.startswith(_ORDERS)]
        self._orders = {int(name.removeprefix(_ORDERS)): self._bucket(name) for name in weeks}
        self.marks = self._stored_marks()
        since = self._db.get(_COMPLETE_SINCE)
        self.complete_since = None if since is None else int(since)

    def _stored_marks(self) -> Marks | None:
        clicks, signals = self._db.get(_MARK), self._db.get(_SIGNALS)
        if clicks is None:
            return None
        places = (int(self._db.get(name) or b"0") for name in _PLACES)
        return Marks(Watermark.decode(clicks, 0), None if signals is None else Watermark.decode(signals, 0), *places)

    def close(self) -> None:
        """Let go of the files; raises `StateAttention` where the last clicks, which the next start has, need space."""
        self.let_go()
        self._buckets.clear()
        self._orders.clear()
        try:
            self._db.close()
        except Exception as error:  # noqa: BLE001
            raise self._unwritable(error) from None

    def clear(self) -> None:
        """Forget everything."""
        if self.marks is None and not self._buckets:
            return
        self.close()
        shutil.rmtree(self._path, ignore_errors=True)
        self._open()

    def begin(self, marks: Marks, complete_since: int | None) -> None:
        """Forget everything, to read the logs from the marks on."""
        self.clear()
        self.write(Additions(), marks, complete_since)

    # Reading

    def holding(self, unit: str) -> list[int]:
        """The days that have something of the unit, the last one first."""
        days = self._holding.get(unit)
        if days is None:
            prefix = rows.fingerprint(unit)
            days = self._holding[unit] = [day for day in sorted(self._buckets, reverse=True) if self.has(day, prefix)]
        return days

    def has(self, day: int, prefix: bytes) -> bool:
        """Whether a day has rows whose keys begin so: with a unit, or a unit and what rows are found by."""
        cursor = self._buckets[day].cursor
        cursor.seek(prefix)
        return bool(cursor.valid() and cursor.key().startswith(prefix))

    def clicks(self, unit: str, match: Match, days: Sequence[int], until: int) -> Iterator[ClickRecord]:
        """Such clicks of the unit up to a time, the latest by event time first; `days` descend."""
        item, prefix = match.name if match.by == "item" else "", rows.clicks_prefix(unit, match)
        for day in days:
            cursor = self._buckets[day].cursor
            cursor.seek_for_prev(prefix + rows.place(until, rows.LAST))
            while cursor.valid() and (key := cursor.key()).startswith(prefix):
                yield rows.read_click(item, key, cursor.value())
                cursor.prev()

    def signals(self, unit: str, match: Match, days: Iterable[int]) -> Iterator[SignalRecord]:
        """Signals of the unit that were credited to such clicks."""
        prefix = rows.signals_prefix(unit, match)
        for day in days:
            yield from (rows.read_signal(*row) for row in self._from(self._buckets[day], prefix))

    def order(self, unit: str, order_id: str) -> list[OrderLine]:
        """The lines of an order that were credited."""
        prefix = rows.order_prefix(unit, order_id)
        return [rows.read_line(*row) for week in self._orders.values() for row in self._from(week, prefix)]

    def returned(self, unit: str, order_id: str) -> list[ReturnedLine]:
        """What was returned of an order and credited."""
        prefix = rows.returned_prefix(unit, order_id)
        return [rows.read_returned(*row) for week in self._orders.values() for row in self._from(week, prefix)]

    def converted(self, unit: str, click_id: str, since: int) -> list[OrderLine]:
        """The lines that were credited to a click, of purchases that were appended since about a time (ms)."""
        prefix = rows.converted_prefix(unit, click_id)
        weeks = [bucket for week, bucket in self._orders.items() if week >= since // _WEEK_MS]
        return [rows.read_line(*row) for week in weeks for row in self._from(week, prefix)]

    def _from(self, bucket: Bucket, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and contents of the rows whose keys begin so, in their order."""
        cursor = bucket.cursor
        cursor.seek(prefix)
        while cursor.valid() and (key := cursor.key()).startswith(prefix):
            yield key, cursor.value()
            cursor.next()

    @property
    def bytes_on_disk(self) -> int:
        return sum(entry.stat().st_size for entry in self._path.iterdir() if entry.is_file())

    def __len__(self) -> int:
        """About how many clicks there are: what is overwritten or deleted may still count."""
        return sum(
            bucket.rows.property_int_value("rocksdb.estimate-num-keys") or 0 for bucket in self._buckets.values()
        )

    # Writing

    def write(self, added: Additions, marks: Marks, complete_since: int | None) -> None:
        """Drop what is to be forgotten, then add the rest; the store is at `marks` then."""
        batch = WriteBatch(raw_mode=True)
        for unit in added.forgotten:
            self._forget(unit, batch)
        for unit, click in added.clicks:
            self._put(batch, self._buckets, DAY_MS, rows.click_rows(unit, click))
        for unit, signal in added.signals:
            self._put(batch, self._buckets, DAY_MS, rows.signal_rows(unit, signal))
        for unit, line in added.lines:
            self._put(batch, self._orders, _WEEK_MS, rows.line_rows(unit, line))
        for unit, back in added.returned:
            self._put(batch, self._orders, _WEEK_MS, rows.returned_rows(unit, back))
        batch.put(_MARK, marks.clicks.encode())
        if marks.signals is not None:
            batch.put(_SIGNALS, marks.signals.encode())
        for name, offset in zip(_PLACES, marks[2:], strict=True):
            batch.put(name, str(offset).encode())
        if complete_since is not None:
            batch.put(_COMPLETE_SINCE, str(complete_since).encode())
        self._commit(batch)
        self.marks, self.complete_since = marks, complete_since

    def _put(self, batch: WriteBatch, buckets: _Bucketed, span_ms: int, new: Iterable[rows.Row]) -> None:
        for time, key, content in new:
            number = time // span_ms
            bucket = buckets.get(number)
            if bucket is None:
                bucket = buckets[number] = self._new_bucket(f"{_ORDERS if buckets is self._orders else ''}{number}")
            batch.put(key, content, bucket.handle)

    def expire(self, first_time: int, first_order: int) -> None:
        """Drop the days that ended before an event time, and the weeks that ended before an append time of orders."""
        stale = [day for day in self._buckets if (day + 1) * DAY_MS <= first_time]
        if stale:
            since = max(self.complete_since or 0, (max(stale) + 1) * DAY_MS)
            batch = WriteBatch(raw_mode=True)
            batch.put(_COMPLETE_SINCE, str(since).encode())
            self._commit(batch)
            self.complete_since = since
        self.let_go()
        for day in stale:
            del self._buckets[day]
            self._db.drop_column_family(str(day))
        for week in [week for week in self._orders if (week + 1) * _WEEK_MS <= first_order]:
            del self._orders[week]
            self._db.drop_column_family(f"{_ORDERS}{week}")

    def _forget(self, unit: str, batch: WriteBatch) -> None:
        for bucket in self._buckets.values():
            for key, _ in self._from(bucket, rows.fingerprint(unit)):
                batch.delete(key, bucket.handle)

    def let_go(self) -> None:
        """Hold no files open that were read, and look anew from now on: a write comes, or for now nothing."""
        self._holding.clear()
        for bucket in (*self._buckets.values(), *self._orders.values()):
            bucket.let_go()

    def _commit(self, batch: WriteBatch) -> None:
        self.let_go()
        try:
            self._db.write(batch)
        except Exception as error:  # noqa: BLE001
            raise self._unwritable(error) from None

    def _new_bucket(self, name: str) -> Bucket:
        try:
            self._db.create_column_family(name, self._options)
        except Exception as error:  # noqa: BLE001
            raise self._unwritable(error) from None
        return self._bucket(name)

    def _unwritable(self, error: Exception) -> StateAttention:
        return StateAttention(
            f"the clicks cannot be written to {self._path}: {error}. Nothing is lost; see that there is space on "
            "the disk of attribution.folder (docs/operating/operating.md says how much is needed) and start again."
        )

    def _bucket(self, name: str) -> Bucket:
        family = self._db.get_column_family(name)
        return Bucket(family, self._db.get_column_family_handle(name), self._by_prefix)
