"""An archive of event topics, a file for each partition: what the log held, kept beyond its retention.

Files are Parquet (`parquet`) or JSON lines (`json_lines`); both hold the same records,
byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from schemas.errors import BadSettings
from streams.kafka.log_source import Runs, Source, Span
from streams.kafka.records import Logged, TopicPartition
from streams.replay import json_lines, parquet

FORMS: Mapping[str, ModuleType] = {form.SUFFIX: form for form in (parquet, json_lines)}
"""Each has a `Writer`, `runs` and `offsets`; the name is that of its files' suffix."""
_NAME = re.compile(rf"^(?P<topic>.+)-(?P<partition>\d+)\.(?P<form>{'|'.join(FORMS)})$")


def write(
    source: Source, folder: Path, spans: Mapping[TopicPartition, Span], form: str = parquet.SUFFIX
) -> dict[str, int]:
    """Write the records of these spans to `folder`; records by file.

    Raises `BadSettings` where the folder holds an archive already: files are never overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if _files(folder):
        raise BadSettings(f"{folder} holds an archive already: name another folder")
    writers: dict[TopicPartition, Any] = {}
    files = {tp: folder / f"{tp.topic}-{tp.partition}.{form}" for tp in spans}
    counts = dict.fromkeys((file.name for file in files.values()), 0)
    try:
        for tp, file in files.items():
            writers[tp] = FORMS[form].Writer(file)
        for tp, records in source.records(spans):
            writers[tp].append(records)
            counts[files[tp].name] += len(records)
    finally:
        for writer in writers.values():
            writer.close()
    return counts


class ArchiveSource:
    """An archive that `write` made."""

    grows = False

    def __init__(self, folder: Path) -> None:
        files = _files(folder)
        if not files:
            raise BadSettings(f"{folder} holds no archive: expected files like events-clicks-0.parquet or .jsonl")
        self._files = {tp: file for file, tp in files}
        if len(self._files) < len(files):
            raise BadSettings(f"{folder} holds two archives: keep the files of one form alone")

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, Span]:
        lacking = [topic for topic in topics if not any(tp.topic == topic for tp in self._files)]
        if lacking:
            raise BadSettings(f"the archive lacks {', '.join(lacking)}: write it with `reshelf log archive`")
        return {tp: self._bounds(tp) for tp in sorted(self._files) if tp.topic in topics}

    def at_time(self, topics: Sequence[str], time_ms: int) -> dict[TopicPartition, int]:
        offsets = {}
        for tp, (_, end) in self.bounds(topics).items():
            later = (record.offset for run in self._runs(tp) for record in run if record.timestamp >= time_ms)
            offsets[tp] = next(later, end)
        return offsets

    def records(self, spans: Mapping[TopicPartition, Span]) -> Runs:
        for tp, (first, end) in spans.items():
            for run in self._runs(tp):
                some = [record for record in run if first <= record.offset < end]
                if some:
                    yield tp, some

    def _bounds(self, tp: TopicPartition) -> Span:
        """What the file itself says."""
        first, last = None, -1
        for last in self._form(tp).offsets(self._files[tp]):
            first = last if first is None else first
        return (0, 0) if first is None else (first, last + 1)

    def _runs(self, tp: TopicPartition) -> Iterator[list[Logged]]:
        runs: Iterator[list[Logged]] = self._form(tp).runs(self._files[tp])
        return runs

    def _form(self, tp: TopicPartition) -> ModuleType:
        return FORMS[self._files[tp].suffix[1:]]


def _files(folder: Path) -> list[tuple[Path, TopicPartition]]:
    """The files of an archive and what each is of."""
    named = [(file, _NAME.match(file.name)) for file in sorted(folder.iterdir())]
    return [(file, TopicPartition(name["topic"], int(name["partition"]))) for file, name in named if name]
