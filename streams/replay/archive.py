"""An archive of event topics as Parquet files, one for each partition: what the log held, kept beyond its retention.

Columns: `offset` and `timestamp` (append time, milliseconds) as int64, `key` and
`value` as binary (null for a tombstone), `headers` as a list of {name, value}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.errors import BadSettings
from streams.records import TopicPartition
from streams.replay.source import Logged, Source, Span

RUN = 20_000
_NAME = re.compile(r"^(?P<topic>.+)-(?P<partition>\d+)\.parquet$")


def write(source: Source, folder: Path, spans: Mapping[TopicPartition, Span]) -> dict[str, int]:
    """Write the records of these spans to `folder`; records by file.

    Raises `BadSettings` where the folder holds an archive already: files are never overwritten.
    """
    _, parquet = _pyarrow()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*.parquet")):
        raise BadSettings(f"{folder} holds an archive already: name another folder")
    writers: dict[TopicPartition, Any] = {}
    counts: dict[str, int] = {}
    try:
        for tp in spans:
            writers[tp] = parquet.ParquetWriter(_file(folder, tp), _schema(), compression="zstd")
            counts[_file(folder, tp).name] = 0
        for tp, records in source.records(spans):
            writers[tp].write_table(_table(records))
            counts[_file(folder, tp).name] += len(records)
    finally:
        for writer in writers.values():
            writer.close()
    return counts


class ArchiveSource:
    """An archive that `write` made."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[TopicPartition, Path] = {}
        for file in sorted(folder.glob("*.parquet")):
            if found := _NAME.match(file.name):
                self._files[TopicPartition(found["topic"], int(found["partition"]))] = file
        if not self._files:
            raise BadSettings(f"{folder} holds no archive: expected files like events-clicks-0.parquet")

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        lacking = [topic for topic in topics if not any(tp.topic == topic for tp in self._files)]
        if lacking:
            raise BadSettings(f"the archive lacks {', '.join(lacking)}: write it with `reshelf log archive`")
        return {tp: self._bounds(tp) for tp in sorted(self._files) if tp.topic in topics}

    def at_time(self, topics: Sequence[str], time_ms: int) -> dict[TopicPartition, int]:
        found = {}
        for tp, (_, end) in self.bounds(topics).items():
            later = (one.offset for run in self._runs(tp) for one in run if one.timestamp >= time_ms)
            found[tp] = next(later, end)
        return found

    def records(self, spans: Mapping[TopicPartition, Span]) -> Iterator[tuple[TopicPartition, list[Logged]]]:
        for tp, (first, end) in spans.items():
            for run in self._runs(tp):
                some = [one for one in run if first <= one.offset < end]
                if some:
                    yield tp, some

    def _bounds(self, tp: TopicPartition) -> Span:
        """The file's own record of its offsets."""
        _, parquet = _pyarrow()
        first, last = None, -1
        for run in parquet.ParquetFile(self._files[tp]).iter_batches(RUN, columns=["offset"]):
            offsets = run.column("offset")
            if len(offsets):
                first = offsets[0].as_py() if first is None else first
                last = offsets[-1].as_py()
        return (first or 0, last + 1) if first is not None else (0, 0)

    def _runs(self, tp: TopicPartition) -> Iterator[list[Logged]]:
        _, parquet = _pyarrow()
        for run in parquet.ParquetFile(self._files[tp]).iter_batches(RUN):
            columns = [run.column(name).to_pylist() for name in ("offset", "timestamp", "key", "value", "headers")]
            yield [
                Logged(offset, timestamp, key, value, tuple((one["name"], one["value"]) for one in headers or ()))
                for offset, timestamp, key, value, headers in zip(*columns, strict=True)
            ]


def _file(folder: Path, tp: TopicPartition) -> Path:
    return folder / f"{tp.topic}-{tp.partition}.parquet"


def _table(records: Sequence[Logged]) -> Any:
    arrow, _ = _pyarrow()
    headers = [[{"name": name, "value": value} for name, value in one.headers] for one in records]
    offsets, times = [one.offset for one in records], [one.timestamp for one in records]
    content = [offsets, times, [one.key for one in records], [one.value for one in records], headers]
    arrays = [arrow.array(values, type=field.type) for values, field in zip(content, _schema(), strict=True)]
    return arrow.Table.from_arrays(arrays, schema=_schema())


def _schema() -> Any:
    arrow, _ = _pyarrow()
    header = arrow.struct([("name", arrow.string()), ("value", arrow.binary())])
    return arrow.schema(
        [
            ("offset", arrow.int64()),
            ("timestamp", arrow.int64()),
            ("key", arrow.binary()),
            ("value", arrow.binary()),
            ("headers", arrow.list_(header)),
        ]
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise BadSettings("archives need pyarrow: install reshelf with its extra `archive`") from None
    return pa, parquet
