"""Exports of other trackers as events, each once and in the order of time, through files and topics.

Rows are read once.  Their events are sorted on disk by id, so that what is repeated in the files or is in the
topics already comes together, and then by time, so that the log's time rises and a unit's click comes before its
order however the files were cut.  Memory does not grow with the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from reshelf.datasets.imported import Publisher, held_ids
from reshelf.datasets.order_visitors import OrderVisitors
from reshelf.dialects import DIALECTS, stem
from reshelf.dialects.action import LeftOut, Options
from reshelf.dialects.entry import Mapped
from reshelf.dialects.events import TOPIC_OF, mapped
from reshelf.dialects.report import EventReport
from reshelf.dialects.rows import rows
from reshelf.numbers import number
from reshelf.topics import admin
from schemas.codec import encode
from schemas.errors import BadSettings
from schemas.messages.events import Purchase
from schemas.topic import Topic
from streams.settings import KafkaSettings
from streams.sorted_rows import Row, SortedRows

RUN = 50_000
"""Events that are sorted in memory."""
TOPICS = tuple(TOPIC_OF.values())
HELD, NEW = 0, 1


class Stored(NamedTuple):
    """An event as it is stored: its topic, and the record's key, value and time."""

    topic: Topic
    unit: str
    value: str
    occurred_at: int


class Export:
    """The events of files in one dialect; its own files are in `folder`, which is the caller's."""

    def __init__(self, dialect: str, options: Options, folder: Path) -> None:
        self.report = EventReport()
        self.repeated = 0
        self.held: Counter[str] = Counter()
        self._dialect, self._options, self._folder = dialect, options, folder
        self._by_id = _sorted(folder / "by-id")
        self._orders = OrderVisitors(folder / "by-order")

    def read(self, files: Sequence[Path], on_row: Callable[[], None], before: Iterable[Purchase] = ()) -> None:
        """Take over the rows of files; raises `BadSettings` for a file that cannot be read, and if no row fits.

        `before` are orders that were imported earlier.  They are read only where a row lacks its visitor, who may be
        that of one of them.
        """
        for file in files:
            self._by_id.add(self._rows(file, on_row))
        if self._orders.has_strays:
            self._orders.add_before(before)
        self._by_id.add(self._joined())
        if not self.report.items:
            raise BadSettings("\n".join(["no row can be imported", *self.report.lines()]))

    def _rows(self, file: Path, on_row: Callable[[], None]) -> Iterator[Row]:
        read = DIALECTS[self._dialect]
        for where, content in rows(file):
            on_row()
            try:
                if isinstance(content, LeftOut):
                    raise content
                result = mapped(read, content, self._options)
            except LeftOut as error:
                self.report.add_left_out(error, where)
                continue
            if result.strays:
                self._orders.add_stray(result, where)
                continue
            self._orders.add_orders(result)
            yield from self._stored(result, where)

    def _joined(self) -> Iterator[Row]:
        for where, result in self._orders.joined():
            if isinstance(result, LeftOut):
                self.report.add_left_out(result, where)
            else:
                yield from self._stored(result, where)

    def _stored(self, result: Mapped, where: str) -> Iterator[Row]:
        self.report.add(result, where)
        for _, event in result.events:
            place = TOPICS.index(TOPIC_OF[type(event)])
            yield [place, event.event_id, NEW, event.occurred_at, event.unit, encode(event).decode()]

    def events(self, held: Iterable[tuple[Topic, str]] = ()) -> Iterator[Stored]:
        """The events in the order of time, each id once, without those of `held`: topics and ids.

        Of events that share an id, the earliest is used.  Can be called once.
        """
        self._by_id.add([TOPICS.index(topic), name, HELD] for topic, name in held)
        by_time = _sorted(self._folder / "by-time")
        by_time.add(self._first_of_each())
        return (Stored(TOPICS[place], unit, value, at) for at, place, _, unit, value in by_time)

    def count(self) -> int:
        """How many events there are, each id once, for a check that writes nothing.  In place of `events`."""
        return sum(1 for _ in self._first_of_each())

    def as_json(self) -> dict[str, Any]:
        """What became of the rows, and how many events were in the files or topics before."""
        return {**self.report.as_json(), "repeated": self.repeated, "already_there": dict(self.held)}

    def lines(self) -> list[str]:
        """The same for people."""
        said = self.report.lines()
        if self.repeated:
            said.append(
                f"left out: {number(self.repeated)} events whose id the files have before, or is the same order's"
            )
        if self.held:
            said.append(f"left out: {number(self.held.total())} events that the topics have already")
        return said

    def _first_of_each(self) -> Iterator[Row]:
        for (place, name), group in groupby(self._by_id, key=lambda row: (row[0], row[1])):
            earliest, count, is_held = None, 0, False
            for row in group:
                if row[2] == HELD:
                    is_held = True
                else:
                    earliest, count = earliest or row, count + 1
            self.repeated += max(0, count - 1)
            if earliest is None:
                continue
            if is_held:
                self.held[TOPICS[place].name] += 1
                continue
            at, unit, value = earliest[3:]
            yield [at, place, name, unit, value]


def publish(kafka: KafkaSettings, dialect: str, export: Export) -> Counter[str]:
    """Publish the events that the topics lack; returns how many by topic.  All are acknowledged on return.

    Raises `BadSettings` where the topics are those of live traffic, whose brokers stamp records anew.
    """
    states = admin.apply(kafka, imported=True).topics
    if live := [state for state in states if state.topic in TOPICS and admin.hinders(state)]:
        raise BadSettings(
            f"--prefix {kafka.prefix}: expected topics for old data, got {live[0].name}: "
            f"{'; '.join(live[0].differences)}. Name another prefix, whose topics are then created."
        )
    publisher, published = Publisher(kafka), Counter[str]()
    for topic, unit, value, occurred_at in export.events(_held(kafka, stem(dialect))):
        publisher.record(topic, unit, value.encode(), occurred_at)
        published[topic.name] += 1
    publisher.flush()
    return published


def _held(kafka: KafkaSettings, beginning: str) -> Iterator[tuple[Topic, str]]:
    for topic in TOPICS:
        for name in held_ids(kafka, topic, beginning):
            yield topic, name


def write(folder: Path, export: Export) -> Counter[str]:
    """Write the events as JSON lines, a file for each topic; returns how many by topic.

    Raises `BadSettings` where one of the files is there already, or cannot be written.
    """
    require_free(folder)
    written: Counter[str] = Counter()
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            files: dict[str, BinaryIO] = {}
            for event in export.events():
                name = event.topic.name
                if name not in files:
                    files[name] = stack.enter_context((folder / f"{name}.jsonl").open("xb"))
                files[name].write(event.value.encode() + b"\n")
                written[name] += 1
        except OSError as error:
            raise BadSettings(f"--output {folder}: expected a folder to write in, got: {error}") from None
    return written


def require_free(folder: Path) -> None:
    """Raises `BadSettings` where a folder has files of an earlier import, or is a file."""
    if folder.exists() and not folder.is_dir():
        raise BadSettings(f"--output: expected a folder, got {folder}, which is a file")
    if there := [topic.name for topic in TOPICS if (folder / f"{topic.name}.jsonl").exists()]:
        raise BadSettings(f"--output: {folder} holds {there[0]}.jsonl already: name another folder, or delete it")


def _sorted(folder: Path) -> SortedRows:
    folder.mkdir()
    return SortedRows(folder, RUN)
