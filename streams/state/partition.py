"""One partition of an event topic on its way into the state.

`prepare` judges and folds a batch and is pure computation; `commit` sends dead
letters, applies, and settles what other workers or a rollback of Redis did in the
meantime.  The next batch may be prepared while one is being committed.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from schemas.errors import StateAttention
from schemas.topics import BY_NAME
from streams.fold.deltas import Folder, GroupDelta, TableDelta, TableKey
from streams.fold.evidence import Evidence, evidence_of
from streams.fold.fast.path import BUILT
from streams.fold.judge import Accepted, Judge, Judged, SendDeadLetters
from streams.fold.quota import NewName, Quota
from streams.kafka.records import Batch, Record, TopicPartition
from streams.metrics import REGISTRY
from streams.settings import FoldSettings
from streams.state.keys import group_of, home_group
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark, fingerprint


class Rewind(Exception):
    """The state is behind what this worker applied: read the partition again."""

    def __init__(self, tp: TopicPartition, stored: int, expected: int) -> None:
        super().__init__(f"Redis stands at {stored} of {tp}, this worker had applied up to {expected}")
        self.tp = tp
        self.stored = stored


@dataclass(slots=True)
class Prepared:
    """A judged batch; verdicts are final, whatever happens on the way to the state.

    `deltas` is what they add, by group, where no group has taken any of them over.
    `dead_lettered` says that its dead letters are acknowledged.
    """

    batch: Batch
    watermark: Watermark
    judged: Judged
    names: list[NewName] = field(default_factory=list)
    deltas: dict[int, GroupDelta] = field(default_factory=dict)
    dead_lettered: bool = False

    def tally(self, floor: int) -> Counter[str]:
        """How many records at or above `floor` got which verdict."""
        judged = self.judged
        if floor <= self.batch.start:
            verdicts = Counter(rejection.reason for rejection in judged.rejected)
            verdicts["applied"] = len(judged.accepted) + (len(judged.fast_events) if judged.fast_events else 0)
            verdicts.update({verdict: len(offsets) for verdict, offsets in judged.skipped.items()})
        else:
            verdicts = Counter(rejection.reason for rejection in judged.rejected if rejection.record.offset >= floor)
            verdicts["applied"] = sum(accepted.offset >= floor for accepted in judged.accepted)
            verdicts["applied"] += judged.fast_events.since(floor) if judged.fast_events else 0
            skipped = judged.skipped.items()
            verdicts.update({verdict: sum(at >= floor for at in offsets) for verdict, offsets in skipped})
        return +verdicts


class PartitionFold:
    """Applies one partition; made by `resume`, thrown away by a rewind or revocation."""

    def __init__(
        self,
        tp: TopicPartition,
        store: Store,
        start: int,
        marks: list[Watermark],
        fold: FoldSettings,
        send_dead_letters: SendDeadLetters,
        built: bool = BUILT,
    ) -> None:
        self.tp = tp
        self.start = start
        self._store = store
        self._send_dead_letters = send_dead_letters
        self._judge = Judge(BY_NAME[tp.topic], fold, built)
        self._quota = Quota(fold)
        self._folder = Folder(BY_NAME[tp.topic], fold, lambda page, segment: group_of(page, segment, store.groups))
        self._bucket_span = fold.bucket_ms + fold.bucket_ttl_ms if fold.bucket_ms else 2**62
        self._home = home_group(tp, store.groups)
        self._checks = sorted(set(marks), key=lambda mark: mark.offset)
        self._last: Record | None = None
        self._next: int | None = None
        self.applied_offsets = [mark.offset for mark in marks]
        self._first = min(self.applied_offsets)
        self._mark = min(marks, key=lambda mark: mark.offset)
        self._prepared_mark = self._mark
        self._judge.newest = self._mark.append_time

    @staticmethod
    async def resume(
        tp: TopicPartition,
        store: Store,
        start: int,
        fold: FoldSettings,
        send_dead_letters: SendDeadLetters,
        built: bool = BUILT,
    ) -> PartitionFold:
        """Take a partition up where the state stands; `start` is the namespace's start offset."""
        marks = await store.watermarks(tp, start)
        partition = PartitionFold(tp, store, start, marks, fold, send_dead_letters, built)
        for bucket, codes in (await store.quota(tp)).items():
            partition._quota.load(bucket, codes)
        return partition

    def fresh(self, batch: Batch) -> int:
        """How many records of the batch are not there for warming up alone."""
        if batch.start >= self._first:
            return len(batch.records)
        return sum(record.offset >= self._first for record in batch.records)

    @property
    def applied(self) -> int:
        """Every group has taken over all records below this offset."""
        return min(self.applied_offsets)

    def prepare(self, batch: Batch) -> Prepared:
        """Judge and fold a batch that continues the one before; pure computation.

        Records that every group has applied only warm the windows up; verdicts on
        them may be wrong, so they must not touch the quota.
        """
        if self._next not in (None, batch.start):
            raise RuntimeError(f"expected the batch of {self.tp} that begins at {self._next}, got {batch.start}")
        self._next = batch.end
        self._check_log(batch)
        names: list[NewName] = []
        judged = self._judge.judge(batch.records, self._first, partial(self._admit, names))
        prepared = Prepared(batch, self._advance_mark(batch), judged, names)
        self._quota.drop_before(self._judge.newest - self._bucket_span)
        prepared.deltas = self._folder.fold(prepared.judged.accepted, None, prepared.judged.fast_events)
        return prepared

    async def commit(self, prepared: Prepared) -> dict[tuple[str, str], Evidence]:
        """Carry a prepared batch into the state; the (page, segment) whose counts it changed, and how much it added.

        Raises `Rewind` when Redis has lost what this worker applied, and
        `Transient` when Redis or the broker is away: then call again.
        """
        if not prepared.dead_lettered:
            home = self.applied_offsets[self._home]
            await self._send_dead_letters(
                self.tp, [rejection for rejection in prepared.judged.rejected if rejection.record.offset >= home]
            )
            prepared.dead_lettered = True
        deltas: list[Mapping[TableKey, TableDelta]] = []
        moves = self._moves(prepared)
        while moves:
            with REGISTRY.timed("reshelf_script_seconds"):
                done = await self._settle(moves)
            deltas += [move.delta.tables for move in done if move.delta]
            behind = any(self.applied_offsets[move.group] < prepared.watermark.offset for move in moves)
            moves = self._moves(prepared) if behind else []
        self._mark = prepared.watermark
        return evidence_of(deltas)

    async def skip_to(self, first: int) -> None:
        """Give up what is below `first`, which the log does not hold any more."""
        moves = [
            GroupUpdate(group, floor, Watermark(first, self._mark.append_time))
            for group, floor in enumerate(self.applied_offsets)
            if floor < first
        ]
        await self._settle(moves)
        self._first = first
        self._mark = self._prepared_mark = Watermark(first, self._mark.append_time)
        self._checks = [mark for mark in self._checks if mark.offset > first]

    async def advance(self) -> None:
        """Move idle groups along and verify the others; raises `Rewind` and `Transient` as `commit` does."""
        position = self._mark.offset
        await self._settle(
            [GroupUpdate(group, at, self._mark) for group, at in enumerate(self.applied_offsets) if at <= position]
        )

    def _moves(self, prepared: Prepared) -> list[GroupUpdate]:
        """The moves of the groups that have not taken the batch over and that it touches."""
        end = prepared.watermark.offset
        deltas = prepared.deltas
        if max(self.applied_offsets) > prepared.batch.start:
            deltas = self._folder.fold(prepared.judged.accepted, self.applied_offsets, prepared.judged.fast_events)
        touched = {group for group in deltas if self.applied_offsets[group] < end}
        if self.applied_offsets[self._home] < end:
            touched.add(self._home)
        return [self._move(group, prepared, deltas.get(group)) for group in sorted(touched)]

    def _move(self, group: int, prepared: Prepared, delta: GroupDelta | None) -> GroupUpdate:
        floor = self.applied_offsets[group]
        if group != self._home:
            return GroupUpdate(group, floor, prepared.watermark, delta)
        names = _codes(prepared.names, floor)
        return GroupUpdate(group, floor, prepared.watermark, delta, names, prepared.tally(floor))

    async def _settle(self, moves: Sequence[GroupUpdate]) -> list[GroupUpdate]:
        """Apply and take note of where each group stands; the moves that ended where they meant to."""
        done = []
        for move, stands in zip(moves, await self._store.apply(self.tp, self.start, moves), strict=True):
            if stands < move.expected:
                raise Rewind(self.tp, stands, move.expected)
            self.applied_offsets[move.group] = stands
            if stands == move.watermark.offset:
                done.append(move)
        return done

    def _admit(self, brought: list[NewName], accepted: Accepted) -> bool:
        """Hold an event against the quota; the names that it brings are added to `brought`."""
        names = self._quota.admit(accepted.offset, accepted.bucket, accepted.event)
        if names is None:
            return False
        brought.extend(names)
        self._judge.admit_names(accepted, *self._folder.groups(accepted.event.page, accepted.event.segment))
        return True

    def _advance_mark(self, batch: Batch) -> Watermark:
        mark = self._prepared_mark
        if batch.records:
            last = batch.records[-1]
            mark = Watermark(batch.end, self._judge.newest, last.timestamp, fingerprint(last))
        else:
            mark = mark.moved(batch.end)
        self._prepared_mark = mark
        return mark

    def _check_log(self, batch: Batch) -> None:
        """Compare the record before each watermark with the one that the state has passed."""
        while self._checks and self._checks[0].offset <= batch.end:
            mark = self._checks.pop(0)
            before = _last_before(batch.records, mark.offset) or self._last
            if before is None or mark.last_time < 0:
                continue
            if (before.timestamp, fingerprint(before)) != (mark.last_time, mark.last_sum):
                raise StateAttention(
                    f"the log of {self.tp} is not the one that the state was folded from: the record at offset "
                    f"{before.offset} differs from the one applied (append time {before.timestamp}, expected "
                    f"{mark.last_time}). The topic was probably deleted and made again: replay it into a new namespace."
                )
        self._last = batch.records[-1] if batch.records else self._last


def _last_before(records: Sequence[Record], offset: int) -> Record | None:
    return next((record for record in reversed(records) if record.offset < offset), None)


def _codes(names: Iterable[NewName], floor: int) -> dict[int, bytes]:
    """The new names at or above a floor as stored codes by bucket."""
    codes: dict[int, list[int]] = {}
    for name in names:
        if name.offset >= floor:
            codes.setdefault(name.bucket, []).append(name.code)
    return {bucket: array("I", numbers).tobytes() for bucket, numbers in codes.items()}
