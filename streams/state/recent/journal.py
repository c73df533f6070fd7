"""What one partition's window noted, on disk, in order of the log.

A frame for each batch holds the entries of the window's names with their offsets.  So the
window at any offset can be had from the frames before it, whatever came later: what the disk
has beyond the state's watermark is left out, and what it lacks is read from the log.
Nothing is forced to the disk: a frame that is lost, or half there, ends the journal.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from streams.fold.fast.path import KEY_SIZE, checksum
from streams.state.watermark import Watermark

log = logging.getLogger("reshelf")
SEGMENT_BYTES = 8 << 20
"""What is no longer needed goes by segments of at least this many bytes."""
_FRAME = Struct("<qqqqqIIII")
_HEAD = Struct("<8sq")
_MAGIC = b"reshelf2"
ReachBefore = Callable[[int], int]
"""What `Reach.checksum` gives for the offsets below one."""


class Frame(NamedTuple):
    """The entries of the offsets from `start` to `end`; the window at `end` began at `floor`, 0 where not known.

    `last_time` and `last_sum` are of the record before `end`, as in a watermark; `append_time` the largest up to it.
    `reach` is the checksum of the reaches that held below `end`: a worker whose limits never came into force may have
    written it, and by other limits the window knows other names.
    """

    start: int
    end: int
    floor: int
    append_time: int
    last_time: int
    last_sum: int
    reach: int
    size: int
    check: int

    @property
    def mark(self) -> Watermark:
        return Watermark(self.end, self.append_time, self.last_time, self.last_sum)


class Restored(NamedTuple):
    """Up to where a journal knows the window, and from where on that window has its names."""

    mark: Watermark
    floor: int


class Loader(NamedTuple):
    """Where the content of frames lies."""

    path: Path
    at: int
    frame: Frame


class Journal:
    """The journal of one partition; `begin` or `restore` first.

    `key` is that of the hash by which names are known in it.
    """

    def __init__(self, path: Path, span_ms: int) -> None:
        self._path = path
        self._span_ms = span_ms
        self._file: int | None = None
        self._written = 0
        self._end = -1
        self._open()

    def _open(self) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        head = self._path / "head"
        expected = _HEAD.pack(_MAGIC, self._span_ms)
        try:
            content = head.read_bytes()
        except OSError:
            content = b""
        if len(content) != _HEAD.size + KEY_SIZE or not content.startswith(expected):
            for segment in self._segments():
                segment.unlink()
            content = expected + os.urandom(KEY_SIZE)
            head.write_bytes(content)
        self.key = content[_HEAD.size :]

    def begin(self, offset: int) -> None:
        """Forget everything; what comes begins at `offset`, and below 0 nothing is written."""
        self._close_file()
        for segment in self._segments():
            segment.unlink()
        self._end = offset

    def close(self) -> None:
        """Let go of the files."""
        self._close_file()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.stat().st_size for segment in self._segments())

    # Reading

    def usable(self, applied: int, log_start: int, reach_before: ReachBefore) -> tuple[Restored, list[Loader]] | None:
        """Where the frames before `applied` lead to, and which to load; None where they lack some of the window.

        What follows `applied`, or was written by other reaches than those of `reach_before`, is dropped.
        """
        loaders, since, complete = list(self._whole_frames(applied, reach_before)), 0, False
        if not loaders:
            return None
        since = loaders[0].frame.start
        complete = since <= log_start or any(loader.frame.floor >= since for loader in loaders)
        if not complete:
            return None
        last = loaders[-1]
        self._cut(last.path, last.at + last.frame.size)
        self._end = last.frame.end
        needed = [loader for loader in loaders if loader.frame.end > last.frame.floor]
        return Restored(last.frame.mark, max(since, last.frame.floor)), needed

    @staticmethod
    def contents(loaders: list[Loader]) -> Iterator[tuple[bytes, int]]:
        """The entries of frames, with the first offset of each."""
        for loader in loaders:
            with loader.path.open("rb") as file:
                file.seek(loader.at)
                yield file.read(loader.frame.size), loader.frame.start

    def _whole_frames(self, applied: int, reach_before: ReachBefore) -> Iterator[Loader]:
        """The frames up to `applied` that follow one another, as far as they are whole and by the same reaches."""
        end = None
        for segment in self._segments():
            with segment.open("rb") as file:
                while len(head := file.read(_FRAME.size)) == _FRAME.size:
                    frame, at = Frame(*_FRAME.unpack(head)), file.tell()
                    content = file.read(frame.size)
                    follows = end in (None, frame.start) and frame.end <= applied
                    fits = follows and frame.reach == reach_before(frame.end)
                    if not fits or len(content) < frame.size or _check(frame, content) != frame.check:
                        return
                    end = frame.end
                    yield Loader(segment, at, frame)
                if head:
                    return

    def _cut(self, last: Path, size: int) -> None:
        """Go on writing behind what is usable."""
        self._close_file()
        for segment in self._segments():
            if segment > last:
                segment.unlink()
        os.truncate(last, size)
        self._file, self._written = os.open(last, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC), size

    # Writing

    def append(self, end: int, floor: int, mark: Watermark, reach: int, entries: bytes) -> None:
        """Add a frame from where the last one ended; a disk that fails ends the journal, which loses no state."""
        if self._end < 0:
            return
        start, self._end = self._end, end
        frame = Frame(start, end, floor, mark.append_time, mark.last_time, mark.last_sum, reach, len(entries), 0)
        head = _FRAME.pack(*frame._replace(check=_check(frame, entries)))
        try:
            self._write(start, floor, head, entries)
        except OSError as error:
            log.warning("The duplicates of %s cannot be written (%s): the next start reads the log.", self._path, error)
            with suppress(OSError):
                self.begin(-1)

    def _write(self, start: int, floor: int, head: bytes, entries: bytes) -> None:
        if self._file is None or self._written >= SEGMENT_BYTES:
            self._close_file()
            self._drop_before(floor)
            path = self._path / f"{start:020}.names"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._written = 0
        size = len(head) + len(entries)
        if os.writev(self._file, (head, entries)) != size:
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._written += size

    def _drop_before(self, floor: int) -> None:
        """Drop what a window that begins at `floor` does not need, but for one segment: Redis may lose some writes."""
        needed = [at for at, segment in enumerate(self._segments()) if int(segment.stem) <= floor]
        for segment in self._segments()[: max(0, len(needed) - 2)]:
            segment.unlink()

    def _segments(self) -> list[Path]:
        return sorted(self._path.glob("*.names"))

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file, self._written = None, 0


def _check(frame: Frame, content: bytes) -> int:
    return checksum(content, crc32(_FRAME.pack(*frame._replace(check=0))))
