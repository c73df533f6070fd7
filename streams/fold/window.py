"""What was seen lately on a partition, counted in offsets."""

from __future__ import annotations


class RecentWindow:
    """Remembers names over the preceding `reach` offsets of one partition, exactly.

    Whether a name is recent depends on the partition's log alone, not on where
    a worker began, provided that it was fed from `reach` offsets before the
    first answer that matters.
    """

    __slots__ = ("_block", "_newer", "_older", "_reach")

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._block = -1
        self._newer: dict[str, int] = {}
        self._older: dict[str, int] = {}

    def seen(self, name: str, offset: int) -> bool:
        """Note `name` at `offset` (offsets never go down) and say whether it is recent."""
        block = offset // self._reach
        if block != self._block:
            self._turn(block)
        newer = self._newer
        last = newer.get(name)
        if last is None:
            last = self._older.get(name)
        newer[name] = offset
        return last is not None and offset - last <= self._reach

    def _turn(self, block: int) -> None:
        """Two blocks of `reach` offsets hold all that can still be recent."""
        self._older = self._newer if block == self._block + 1 else {}
        self._newer = {}
        self._block = block


class BlockCount:
    """Counts what each key brings on a day, within blocks of `reach` offsets of one partition.

    A block begins where its offset is a multiple of `reach`, so the count at an offset depends
    on the partition's log alone, provided that it was fed from `reach` offsets before it.
    """

    __slots__ = ("_block", "_counts", "_reach")

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._block = -1
        self._counts: dict[tuple[bytes, int], int] = {}

    def more(self, key: bytes, day: int, offset: int) -> int:
        """Note one more of `key` on `day` at `offset` (offsets never go down); how many there are by now."""
        block = offset // self._reach
        if block != self._block:
            self._counts, self._block = {}, block
        count = self._counts[key, day] = self._counts.get((key, day), 0) + 1
        return count
