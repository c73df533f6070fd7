"""The names that events bring, held against the quota of their partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streams.fold.judge import Accepted, Judge, Judged
from streams.fold.names.quota import BroughtNames, NewName, Quota, Refusal
from streams.kafka.records import Record


class Admission:
    """Judges the records of a partition; `groups_of(page, segment)` names the state groups of a key and its page."""

    def __init__(self, judge: Judge, quota: Quota, groups_of: Callable[[str, str], tuple[int, int]]) -> None:
        self.groups = groups_of
        self._judge = judge
        self._quota = quota
        self._rooms: dict[int, list[int]] = {}
        self._added: list[BroughtNames] = []
        self._names: list[NewName] = []

    def judge(self, records: Sequence[Record], first: int) -> tuple[Judged, list[NewName]]:
        """The verdicts on records, see `Judge.judge`, and the names that those from `first` on bring."""
        self._names = []
        self._quota.expect(records[-1].offset if records else 0)
        judged = self._judge.judge(records, first, self._admit, self)
        return judged, self._names

    def _admit(self, accepted: Accepted) -> Refusal | None:
        admitted = self._quota.admit(*accepted[:3])
        if isinstance(admitted, Refusal):
            return admitted
        self._names.extend(admitted)
        self._judge.admit_names(accepted, self.groups)
        return None

    def room(self, offset: int, bucket: int) -> list[int]:
        """See `streams.fold.names.quota.NewNames`; what was added is not held against the quota before `settle`."""
        room = self._rooms.get(bucket)
        if room is None:
            room = self._rooms[bucket] = self._quota.room(offset, bucket)
        return room

    def add(self, offset: int, bucket: int, page: str, names: Sequence[tuple[int, str]]) -> None:
        """See `streams.fold.names.quota.NewNames`."""
        self._added.append(BroughtNames(offset, bucket, page, names))

    def settle(self) -> None:
        """See `streams.fold.names.quota.NewNames`."""
        self._rooms.clear()
        if self._added:
            self._names.extend(self._quota.add(self._added))
            self._added = []
