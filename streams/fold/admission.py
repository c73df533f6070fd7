"""The names that events bring, held against the quota of their partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from streams.fold.judge import Accepted, Judge, Judged, Names
from streams.fold.quota import NewName, Quota, Refusal, names_of
from streams.kafka.records import Record


class Admission:
    """Judges the records of a partition; `groups_of(page, segment)` names the state groups of a key and its page."""

    def __init__(self, judge: Judge, quota: Quota, groups_of: Callable[[str, str], tuple[int, int]]) -> None:
        self._judge = judge
        self._quota = quota
        self._groups_of = groups_of

    def judge(self, records: Sequence[Record], first: int) -> tuple[Judged, list[NewName]]:
        """The verdicts on records, see `Judge.judge`, and the names that those from `first` on bring."""
        brought: list[NewName] = []
        judged = self._judge.judge(records, first, partial(self._admit, brought), partial(self._admit_names, brought))
        return judged, brought

    def _admit(self, brought: list[NewName], accepted: Accepted) -> Refusal | None:
        offset, bucket, event = accepted[:3]
        admitted = self._quota.admit(offset, bucket, event)
        if isinstance(admitted, Refusal):
            return admitted
        brought.extend(admitted)
        if self._judge.fast:
            names = Names(offset, bucket, event.page, event.segment, event.variant, names_of(event))
            self._judge.admit_names(names, *self._groups_of(event.page, event.segment))
        return None

    def _admit_names(self, brought: list[NewName], names: Names) -> tuple[int, int] | None:
        """For those names of an event that the fast path does not know."""
        admitted = self._quota.admit_names(names.offset, names.bucket, names.page, names.names)
        if isinstance(admitted, Refusal):
            return None
        brought.extend(admitted)
        return self._groups_of(names.page, names.segment)
