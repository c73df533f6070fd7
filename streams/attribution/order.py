"""Several logs, one order.

A purchase, or a signal, comes after every click that was appended no later than it
plus the grace, and before every later one; a return likewise after purchases.  So how many clicks
a purchase sees does not depend on how the topics were fetched, and a memory that follows this
order is a function of their offsets.  Append times are taken as running maxima:
a broker's clock that steps back must not reorder the log.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from schemas.errors import StateAttention
from schemas.topic import Topic
from streams.fold.judge import FORGOTTEN, Judge, Judged, Rejected
from streams.kafka.records import Batch, Record
from streams.settings import FoldSettings
from streams.state.watermark import Watermark, fingerprint

Fate = tuple[Rejected | None, str]
_COUNTS: Fate = None, ""
_offset = attrgetter("offset")


class AnotherLog(StateAttention):
    """The log is not the one that `mark` is of."""

    def __init__(self, message: str, mark: Watermark) -> None:
        super().__init__(message)
        self.mark = mark


class Entry(NamedTuple):
    """A judged record; `time` is the largest append time up to it, `event` None where it does not count.

    It is `rejected`, or `skipped` with that verdict.
    """

    record: Record
    time: int
    event: Any
    rejected: Rejected | None
    skipped: str

    @property
    def forgets(self) -> bool:
        """Whether its unit is to be forgotten."""
        return self.skipped == FORGOTTEN


class Track:
    """One topic of the partition: what was read of it and what was taken.

    `read_from` is where reading begins, early enough to know what is a duplicate.
    Records below `start` are judged and dropped.  The log has to be the one that
    `start` and the other `marks` are of.

    `overdue` counts records that were appended before what the log was taken to be past.
    """

    def __init__(
        self, topic: Topic, settings: FoldSettings, start: Watermark, read_from: int, marks: Collection[Watermark] = ()
    ) -> None:
        self._topic = topic.name
        self._judge = Judge(topic, settings)
        self._checks = sorted({mark for mark in (start, *marks) if mark.last_time >= 0}, key=_offset)
        self._mark = start
        self._judge.newest = self._mark.append_time
        self._last_taken: Entry | None = None
        self._last_read: Record | None = None
        self._time = self._mark.append_time
        self._quiet_until = 0
        self.overdue = 0
        self.read_to = read_from
        self.waiting: deque[Entry] = deque()

    @property
    def horizon(self) -> int:
        """No record that is still to be read has a smaller append time; known once the log proved to be the one."""
        return max(0 if self._checks else self._time, self._quiet_until)

    @property
    def next_offset(self) -> int:
        return self._mark.offset if self._last_taken is None else self._last_taken.record.offset + 1

    @property
    def position(self) -> Watermark:
        """Up to where records were taken.

        Behind the last of them, and not behind what follows it and is no record: how much of that was read
        differs from worker to worker, and positions must be in one order.
        """
        if self._last_taken is not None:
            record, time = self._last_taken[:2]
            self._mark = Watermark(record.offset + 1, time, record.timestamp, fingerprint(record))
            self._last_taken = None
        if not self.waiting and self.read_to > max(self._mark.offset, self._mark.empty_to):
            self._mark = replace(self._mark, empty_to=self.read_to)
        return self._mark

    def feed(self, batch: Batch) -> list[Rejected]:
        """Judge what the batch adds; what of it is invalid.

        Raises `AnotherLog` where the log is not the one that was read before.
        """
        records = [record for record in batch.records if record.offset >= self.read_to]
        self._verify(records, batch.end)
        judged = self._judge.judge(records)
        events = {accepted[0]: accepted[2] for accepted in judged.accepted}
        others, lowest, time = _not_accepted(judged), self.next_offset, self._time
        for record in records:
            offset, timestamp = record.offset, record.timestamp
            if offset < lowest:
                continue
            time = max(time, timestamp)
            self.overdue += time < self._quiet_until
            event = events.get(offset)
            rejected, skipped = _COUNTS if event is not None else others[offset]
            self.waiting.append(Entry(record, time, event, rejected, skipped))
        self._time = time
        self.read_to = max(self.read_to, batch.end)
        self._last_read = records[-1] if records else self._last_read
        return judged.rejected

    def ended(self, end: int, time: int) -> None:
        """The log ended at `end` when its broker's clock was past `time`."""
        if self.read_to >= end:
            self._quiet_until = max(self._quiet_until, time)

    def take(self) -> Entry:
        """The next record, which counts as applied from now on."""
        self._last_taken = entry = self.waiting.popleft()
        return entry

    def _verify(self, records: list[Record], end: int) -> None:
        while self._checks and self._checks[0].offset <= end:
            mark = self._checks.pop(0)
            at = bisect_left(records, mark.offset, key=_offset)
            record = records[at - 1] if at else self._last_read
            if record is not None and (record.timestamp, fingerprint(record)) != (mark.last_time, mark.last_sum):
                raise AnotherLog(
                    f"{self._topic}: the record before offset {mark.offset} is not the one that attribution has "
                    f"read (expected append time {mark.last_time}, got {record.timestamp}). The topic was deleted and "
                    "made again, or this Redis belongs to another cluster: start with a new namespace.",
                    mark,
                )


class Turn(NamedTuple):
    """When records of a track have their turn: at their time and this much more (ms), of equals the lowest stage."""

    track: Track
    delay: int
    stage: int

    @property
    def head(self) -> tuple[int, int] | None:
        """That of the next record, None where none waits."""
        return (self.track.waiting[0].time + self.delay, self.stage) if self.track.waiting else None

    def latest(self, limit: tuple[int, int] | None) -> int | None:
        """The latest time of records whose turn is no later than that of another stage; None where any time is."""
        return None if limit is None else limit[0] - self.delay - (self.stage > limit[1])

    @property
    def earliest(self) -> tuple[int, int]:
        """No record that is still to be read has an earlier turn."""
        return self.track.horizon + self.delay, self.stage


def in_order(turns: Sequence[Turn]) -> Iterator[tuple[Entry, int]]:
    """Take all records whose turn is known, each with its stage.

    A record's turn is known when the other logs have been read past it or are known
    to hold nothing earlier.
    """
    while True:
        waiting = [turn for turn in turns if turn.track.waiting]
        if not waiting:
            return
        turn = min(waiting, key=_head)
        # No two heads are equal, and until this track runs out nothing but its own head changes.
        limit = min((other.head or other.earliest for other in turns if other is not turn), default=None)
        if limit is not None and limit < _head(turn):
            return
        track, stage, waiting_here = turn.track, turn.stage, turn.track.waiting
        last = turn.latest(limit)
        while waiting_here and (last is None or waiting_here[0].time <= last):
            yield track.take(), stage


def _head(turn: Turn) -> tuple[int, int]:
    """That of one with a record that waits."""
    return turn.head or turn.earliest


def _not_accepted(judged: Judged) -> dict[int, Fate]:
    """What became of the others, by offset."""
    fates: dict[int, Fate] = {rejected.record.offset: (rejected, "") for rejected in judged.rejected}
    for verdict, offsets in judged.skipped.items():
        fates.update(dict.fromkeys(offsets, (None, verdict)))
    return fates
