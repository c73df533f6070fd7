"""One partition of an event topic on its way into the state.

`prepare` judges and folds a batch and is pure computation; `commit` sends dead
letters, applies, and settles what other workers or a rollback of Redis did in the
meantime.  The next batch may be prepared while one is being committed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from schemas.errors import Transient
from schemas.topics import BY_NAME
from streams.fold.admission import Admission
from streams.fold.deltas import Folder, GroupDelta, TableDelta, TableKey
from streams.fold.evidence import Evidence, evidence_of
from streams.fold.fast.path import BUILT
from streams.fold.judge import Judge, Judged, SendDeadLetters
from streams.fold.limits import LIMIT_SETTINGS, LimitLog, Limits, limits_of
from streams.fold.measures import open_ms
from streams.fold.names.name_codes import by_epoch
from streams.fold.names.quota import NewName, Quota, stored_codes
from streams.kafka.records import Batch, TopicPartition
from streams.metrics import REGISTRY
from streams.settings import FoldSettings
from streams.state.keys import group_of, home_group
from streams.state.limits.partition import PartitionLimits, groups_differ
from streams.state.recent.journal import Journal
from streams.state.recent.window import FirstSince, PartitionWindow
from streams.state.store import GroupUpdate, Stand, Store
from streams.state.watermark import LogCheck, Watermark, fingerprint


class Rewind(Exception):
    """The state is behind what this worker applied: read the partition again."""

    def __init__(self, tp: TopicPartition, stored: int, expected: int) -> None:
        super().__init__(f"Redis stands at {stored} of {tp}, this worker had applied up to {expected}")
        self.tp = tp
        self.stored = stored


class OtherLimits(Rewind):
    """Another worker judged the partition by other limits: read it again, by what is written down."""

    def __init__(self, tp: TopicPartition, stored: int, expected: int) -> None:
        super().__init__(tp, stored, expected)
        settings = ", ".join(f"fold.{name}" for name in LIMIT_SETTINGS)
        self.args = (f"a worker with other limits took {tp} to {stored} ({settings} differ)",)


@dataclass(slots=True)
class Prepared:
    """A judged batch; verdicts are final, whatever happens on the way to the state.

    `deltas` is what they add, by group; `dead_lettered` says that its dead letters are acknowledged.
    """

    batch: Batch
    watermark: Watermark
    judged: Judged
    names: list[NewName] = field(default_factory=list)
    deltas: dict[int, GroupDelta] = field(default_factory=dict)
    dead_lettered: bool = False

    def tally(self, floor: int) -> Counter[str]:
        """How many records at or above `floor` got which verdict."""
        return self.judged.tally(None if floor <= self.batch.start else floor)


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
        limits: PartitionLimits | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.tp = tp
        self.start = start
        self._store = store
        self._send_dead_letters = send_dead_letters
        self._limits = limits or PartitionLimits(LimitLog(()).then(start, limits_of(fold)), [0] * store.groups)
        self.window = PartitionWindow(BY_NAME[tp.topic], fold, self._limits.log, built, journal)
        self._judge = Judge(BY_NAME[tp.topic], fold, built, self.window.recent)
        self._quota = Quota(self._limits.log)
        self._epochs: dict[int, int] = {}
        self._folder = Folder(BY_NAME[tp.topic], fold, lambda page, segment: group_of(page, segment, store.groups))
        self._bucket_span = open_ms(BY_NAME[tp.topic], fold) or 2**62
        self._admission = Admission(self._judge, self._quota, self._folder.groups)
        self._home = home_group(tp, store.groups)
        self._log_check = LogCheck(tp, marks)
        self._next: int | None = None
        self._last_read: int | None = None
        self._overlaps = False
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
        recorded_limits: bool = False,
        journal: Journal | None = None,
    ) -> PartitionFold:
        """Take a partition up where the state stands; `start` is the namespace's start offset.

        With `recorded_limits` those of the settings hold only where the state knows none.
        """
        marks, limits = await PartitionLimits.read(store, tp, start, limits_of(fold), recorded_limits)
        partition = PartitionFold(tp, store, start, marks, fold, send_dead_letters, built, limits, journal)
        for bucket, codes in (await store.quota(tp)).items():
            partition._quota.load(bucket, codes)
            partition._epochs[bucket] = by_epoch(codes)[-1][0]
        return partition

    async def read_from(self, log_start: int, first_since: FirstSince | None = None) -> int:
        """From where to read, so that the window knows what the partition had lately."""
        return await self.window.begin(self.tp, self._mark, log_start, first_since)

    def read_on(self, stored: Sequence[bytes | None]) -> int | None:
        """From where to read on where the state stands as this left it; None where it has to be taken up anew.

        `stored` are the watermarks of the groups, just read.  The last record is read again, to see that the log is
        the same.
        """
        offsets = [Watermark.decode(text, self.start).offset for text in stored]
        if self._next is None or self._next != self._mark.offset or offsets != self.applied_offsets:
            return None
        self._limits.sure = False
        if self._last_read is None:
            return self._next
        self._log_check.look_again(self._mark)
        self._overlaps = True
        return self._last_read

    def quota_use(self) -> tuple[Sequence[int], Limits]:
        """The most names that a time bucket in use has, and the limits that hold."""
        return self._quota.use(), self._limits.log.last.limits

    def fresh(self, batch: Batch) -> int:
        """How many records of the batch are not there for warming up alone."""
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
        self._log_check.check(batch)
        if self._overlaps and self._next is not None:
            self._overlaps, batch = batch.end < self._next, batch.since(self._next)
        if self._next not in (None, batch.start):
            raise RuntimeError(f"expected the batch of {self.tp} that begins at {self._next}, got {batch.start}")
        self._next = batch.end
        judged, names = self._admission.judge(self.window.unknown(batch), self._first)
        prepared = Prepared(batch, self._advance_mark(batch), judged, names)
        self.window.write(batch, prepared.watermark)
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
                done = await self._settle_home_first(moves)
            deltas += [move.delta.tables for move in done if move.delta]
            behind = any(self.applied_offsets[move.group] < prepared.watermark.offset for move in moves)
            moves = self._moves(prepared) if behind else []
        self._mark = prepared.watermark
        return evidence_of(deltas)

    async def skip_to(self, first: int) -> None:
        """Give up what is below `first`, which the log does not hold any more."""
        moves = [
            self._update(group, Watermark(first, self._mark.append_time))
            for group, floor in enumerate(self.applied_offsets)
            if floor < first
        ]
        await self._settle(moves)
        self._first = first
        self._mark = self._prepared_mark = Watermark(first, self._mark.append_time)
        self._log_check.skip_to(first)

    async def advance(self, stored: Sequence[bytes | None] | None = None) -> None:
        """Move idle groups along and verify the others; raises `Rewind` and `Transient` as `commit` does.

        Groups that have in `stored`, just read, what they would be given are verified by that.
        """
        mark = self._mark
        moves = [self._update(group, mark) for group, at in enumerate(self.applied_offsets) if at <= mark.offset]
        same = mark.encode()
        await self._settle([move for move in moves if not stored or move.limits or stored[move.group] != same])

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
        update = self._update(group, prepared.watermark, delta)
        if group != self._home:
            return update
        names = [name for name in prepared.names if name.offset >= floor]
        codes = stored_codes(names, self._limits.log, self._epochs)
        return replace(update, names=codes, tally=prepared.tally(floor))

    def _update(self, group: int, to: Watermark, delta: GroupDelta | None = None) -> GroupUpdate:
        return GroupUpdate(group, self.applied_offsets[group], to, delta, limits=self._limits.text(group, to.offset))

    async def _settle_home_first(self, moves: Sequence[GroupUpdate]) -> list[GroupUpdate]:
        """Settle verdicts, which depend on limits: the home group says whose hold, then the others follow."""
        home = [move for move in moves if move.group == self._home]
        if home and not await self._limits.allow(self._store, self.tp, self.start, home[0]):
            raise OtherLimits(self.tp, home[0].watermark.offset, home[0].expected)
        done = await self._settle(home) if home else []
        if len(done) < len(home):
            return done
        return [*done, *(await self._settle([move for move in moves if move.group != self._home]))]

    async def _settle(self, moves: Sequence[GroupUpdate]) -> list[GroupUpdate]:
        """Apply and take note of where each group stands; the moves that ended where they meant to."""
        done = []
        for move, (stands, moved) in zip(moves, await self._stands(moves), strict=True):
            home, end = move.group == self._home, move.watermark.offset
            if stands < move.expected:
                raise Rewind(self.tp, stands, move.expected)
            if moved:
                self._note_stored(move)
            elif not await self._limits.agree(self._store, self.tp, self.start, stands if home else end):
                raise OtherLimits(self.tp, stands, move.expected) if home else groups_differ(self.tp)
            self.applied_offsets[move.group] = stands
            if stands == end:
                done.append(move)
        return done

    async def _stands(self, moves: Sequence[GroupUpdate]) -> list[Stand]:
        try:
            return await self._store.stands(self.tp, self.start, moves)
        except Transient:
            self._limits.sure = False
            raise

    def _note_stored(self, move: GroupUpdate) -> None:
        self._limits.note_stored(move.group, move.watermark.offset)
        for bucket, codes in (move.names or {}).items():
            self._epochs[bucket] = max(self._epochs.get(bucket, 0), by_epoch(codes)[-1][0])

    def _advance_mark(self, batch: Batch) -> Watermark:
        if not batch.records:
            self._prepared_mark = self._prepared_mark.moved(batch.end)
            return self._prepared_mark
        last, newest = batch.records[-1], self._judge.newest
        self._last_read = last.offset
        self._prepared_mark = Watermark(batch.end, newest, last.timestamp, fingerprint(last))
        return self._prepared_mark
