"""What a partition had lately: which names, and how often each key.

The window reaches back over a span of the broker's time, and over no more records than
memory is granted for.  Where it begins depends on the records from there on alone, so a
worker that was fed from anywhere before that knows what one knows that was fed from the
first record on.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from schemas.messages.events import Impression, Purchase, Return
from schemas.topic import Topic
from schemas.topics import CLICKS, CONVERSIONS, CREDITS, IMPRESSIONS, PURCHASES, RETURNS, SIGNALS
from streams.fold.limits import LimitLog, limits_of
from streams.settings import FoldSettings

PART_BLOCK = 1_024
"""Offsets that parts are let go by, when there is no memory for more."""
STEPS = 1_000
"""How many steps the span of a window has; time is told apart by steps."""
NAME_BYTES, KEY_BYTES = 30, 47
"""The most that a name, and a key whose records are counted, take in the memory of the compiled window."""
PartSeen = Callable[[str, str], bool]
"""Notes a part of its owner, and says whether it was reported before."""
_NAMES = {IMPRESSIONS: 3, CLICKS: 2, CONVERSIONS: 2, PURCHASES: 1, SIGNALS: 1, RETURNS: 1, CREDITS: 1}


class Kind(IntEnum):
    """What a name is of; names of two kinds are never the same."""

    EVENT = 1
    VIEW = 2
    UNIT = 3
    ORDER = 4
    CLICK = 5


class Reach(NamedTuple):
    """How far a window reaches back: over a time, and from which offset on over how many offsets and parts of records.

    `changes` are by rising offsets; the first one holds for all offsets before, too.
    """

    span_ms: int
    changes: tuple[tuple[int, int, int], ...]

    @property
    def step_ms(self) -> int:
        return max(1, self.span_ms // STEPS)

    @property
    def block(self) -> int:
        """See `PART_BLOCK`."""
        return PART_BLOCK

    def begin(self, offset: int) -> int:
        """From where to read for a window that begins at an offset: parts are let go by blocks."""
        return max(0, offset - offset % self.block)

    def checksum(self, end: int) -> int:
        """Of the reaches by which offsets below `end` entered the window."""
        first, *later = self.changes
        return crc32(repr((first[1:], [change for change in later if change[0] < end])).encode())

    @property
    def steps(self) -> int:
        """How many steps of time the window goes back."""
        return -(-self.span_ms // self.step_ms)


class RecentWindow(NamedTuple):
    """How much of its time a window covers (ms), and how many records that whole time has of how many it may hold.

    `parts`: how far back it knows slots of page views, and lines of orders (ms).
    """

    covered: int
    span: int
    wanted: int
    limit: int
    parts: int

    @property
    def ratio(self) -> float:
        """The share of its memory that the whole time needs; above 1 memory cuts it short."""
        return self.wanted / self.limit


def records_within(topic: Topic, memory_mb: int) -> int:
    """How many records of a topic a window may hold in this memory, whatever they are."""
    return max(1, (memory_mb << 20) // _record_bytes(topic))


def parts_within(topic: Topic, memory_mb: int) -> int:
    """How many parts of a topic's records a window may hold: these take half of that memory again."""
    return max(1, (memory_mb << 19) // NAME_BYTES) if topic.parts else 0


def memory_for(topic: Topic, records: int) -> int:
    """How much memory a window of this many records may need, in MiB, without that for their parts."""
    return -(-records * _record_bytes(topic) // (1 << 20))


def _record_bytes(topic: Topic) -> int:
    return _NAMES[topic] * NAME_BYTES + bool(topic.unit_limit) * KEY_BYTES


def reach_of(topic: Topic, fold: FoldSettings, limits: LimitLog | None = None) -> Reach:
    """The reach of a topic's window by the settings, or by the limits that a partition has had."""
    log = limits or LimitLog(()).then(0, limits_of(fold))
    granted = ((change.offset, change.limits.duplicate_mb) for change in log.changes)
    changes = ((offset, records_within(topic, memory), parts_within(topic, memory)) for offset, memory in granted)
    return Reach(fold.duplicate_window_ms, tuple(changes))


class RecentNames:
    """Remembers names and counts keys from `floor` on, the first offset of the window at the newest record.

    The floor never goes down: what has left the window does not come back when it is made larger.
    Parts of records are remembered from `part_floor` on, which is later where there is no memory for all of them.
    """

    def __init__(self, reach: Reach) -> None:
        self.floor = 0
        self.time_floor = 0
        self.offset = -1
        self.part_floor = 0
        self.reach, self._part_reach = reach.changes[0][1:]
        self._reach = reach
        self._start = -1
        self._changes = list(reach.changes)
        self._steps: deque[tuple[int, int]] = deque()
        self._names: dict[tuple[int, str], int] = {}
        self._most = STEPS
        self._counts: Counter[bytes] = Counter()
        self._keys: deque[tuple[int, bytes]] = deque()
        self._parts: dict[tuple[str, str], int] = {}
        self._part_counts: Counter[int] = Counter()
        self._part_count = 0

    def enter(self, offset: int, timestamp: int) -> None:
        """Go on to the record at `offset` (offsets never go down), appended at `timestamp`."""
        self._start = offset if self._start < 0 else self._start
        self.offset = offset
        while self._changes and self._changes[0][0] <= offset:
            self.reach, self._part_reach = self._changes.pop(0)[1:]
        self._enter_time(offset, max(timestamp, 0) // self._reach.step_ms)
        self.floor = max(self.floor, self.time_floor, offset - self.reach)
        while self._keys and self._keys[0][0] < self.floor:
            _, key = self._keys.popleft()
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]
        self._let_parts_go()

    def seen(self, kind: int, name: str) -> bool:
        """Note a name of a kind with the record, and say whether it is recent."""
        last = self._names.get((kind, name), -1)
        self._names[kind, name] = self.offset
        if len(self._names) > self._most:
            self._names = {name: at for name, at in self._names.items() if at >= self.floor}
            self._most = max(STEPS, 2 * len(self._names))
        return last >= self.floor

    def part_seen(self, owner: str, name: str) -> bool:
        """Note a part of the record, and say whether its owner has it lately, or the record twice."""
        last = self._parts.get((owner, name), -1)
        self._parts[owner, name] = self.offset
        self._part_counts[self.offset // self._reach.block] += 1
        self._part_count += 1
        return last >= self.part_floor or last == self.offset

    def count(self, key: bytes) -> int:
        """Note one more of `key` with the record; how many there are lately."""
        self._keys.append((self.offset, key))
        self._counts[key] += 1
        return self._counts[key]

    def covered_ms(self, first: int) -> int:
        """How long ago the first record from offset `first` on was, as far as that is known."""
        steps = [step for offset, step in self._steps if offset >= first]
        return (self._steps[-1][1] - steps[0]) * self._reach.step_ms if steps else 0

    @property
    def wanted(self) -> int:
        """How many offsets there are of the time that the window is to reach, as far as they are known."""
        return self.offset + 1 - max(self.time_floor, self._start) if self._start >= 0 else 0

    def _let_parts_go(self) -> None:
        """By whole blocks of offsets, so that where they begin depends on no more of the log than one block."""
        block, counts = self._reach.block, self._part_counts
        self.part_floor = max(self.part_floor, self.floor)
        while counts:
            end = (next(iter(counts)) + 1) * block
            if end > self.floor and self._part_count <= self._part_reach:
                break
            self._part_count -= counts.pop(next(iter(counts)))
            self.part_floor = max(self.part_floor, end)
        if len(self._parts) > 2 * self._part_count + STEPS:
            self._parts = {name: at for name, at in self._parts.items() if at >= self.part_floor}

    def _enter_time(self, offset: int, step: int) -> None:
        """Of the steps of time only the last offset of each matters, and only up to the next one that is earlier."""
        steps = self._steps
        while steps and steps[0][1] < step - self._reach.steps:
            self.time_floor = steps.popleft()[0] + 1
        while steps and steps[-1][1] >= step:
            steps.pop()
        steps.append((offset, step))


def window_now(recent: RecentNames, span_ms: int) -> RecentWindow:
    """What a window covers at its newest record."""
    wanted = recent.wanted
    covered = span_ms if wanted <= recent.reach else min(span_ms, recent.covered_ms(recent.floor))
    parts = covered if recent.part_floor <= recent.floor else min(covered, recent.covered_ms(recent.part_floor))
    return RecentWindow(covered, span_ms, wanted, recent.reach, parts)


def without_repeated(topic: Topic, event: Any, seen: PartSeen) -> Any:
    """The event without the parts that were reported before, lines numbered; None where these are all of them."""
    owner, names, parts = _slots(event) if topic.parts == "slots" else _lines(event)
    new = [part for part, name in zip(parts, names, strict=True) if not seen(owner, name)]
    if new == getattr(event, topic.parts):
        return event
    return msgspec.structs.replace(event, **{topic.parts: new}) if new else None


def _slots(event: Impression) -> tuple[str, list[str], list[Any]]:
    owner = f"{event.page}\n{event.unit}\n{event.page_view_id}"
    return owner, [cell.slot for cell in event.slots], list(event.slots)


def _lines(event: Purchase | Return) -> tuple[str, list[str], list[Any]]:
    lines = numbered(event.lines)
    owner = f"{event.unit}\n{event.order_id}"
    owner = f"{owner}\n{event.return_id}" if isinstance(event, Return) else owner
    return owner, [f"{line.item}\n{line.nth}" for line in lines], lines


def numbered(lines: Iterable[Any]) -> list[Any]:
    """Lines of an order, each with its number among those of its item: where it does not say it, as they stand."""
    times: Counter[str] = Counter()
    result = []
    for line in lines:
        times[line.item] += 1
        result.append(line if line.nth else msgspec.structs.replace(line, nth=times[line.item]))
    return result
