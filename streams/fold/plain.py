"""The state law written the slow and obvious way: one pass over each whole partition.

No batches, no groups, no Redis, no windows that forget: what the workers' state
must equal, row for row (`streams.state.export`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
from msgspec.structs import replace

from policy.assignment import unit_bin
from schemas.codec import decoder
from schemas.errors import BadRecord
from schemas.messages.events import Click, Conversion, Credit, Impression
from schemas.messages.fields import RETURN
from schemas.topic import Topic
from schemas.topics import BY_NAME, CLICKS, CONVERSIONS, CREDITS, DAY_MS, IMPRESSIONS
from streams.fold.deltas import traffic_of
from streams.fold.judge import SKIPPED, bucket_of
from streams.fold.measures import KINDS, VISIBLE_CAP_MS, delay_bin
from streams.fold.names.name_codes import CODE, name_code
from streams.fold.names.quota import names_of
from streams.fold.window import PART_BLOCK, STEPS, parts_within, records_within
from streams.kafka.records import Record, TopicPartition
from streams.settings import FoldSettings

Row = list[Any]


class PlainFold:
    """Folds whole logs; `rows` gives the canonical export, `rejected` what must be dead-lettered."""

    def __init__(
        self, settings: FoldSettings, limits: Mapping[TopicPartition, Sequence[tuple[int, Sequence[int]]]] | None = None
    ) -> None:
        """`limits` are those of each partition: from which offset on, and how many names by kind."""
        self._settings = settings
        own = (settings.max_keys, settings.max_items, settings.max_slots)
        self._own_limits = [(0, (*own, settings.max_page_items, settings.max_page_slots, settings.duplicate_mb))]
        self._limits = limits or {}
        self._counts: dict[tuple[Any, ...], list[int]] = {}
        self._quota: dict[tuple[TopicPartition, int], set[tuple[str, int, str]]] = defaultdict(set)
        self._append_time = 0
        self._brought: dict[bytes, list[int]] = defaultdict(list)
        self._steps: dict[int, int] = {}
        self._slot_blocks: list[int] = []
        self._newest = self._floor = self._slot_floor = 0
        self.rejected: dict[tuple[str, int, int], str] = {}

    def read(self, tp: TopicPartition, records: Iterable[Record]) -> None:
        """Fold one partition's records, from the first to the last."""
        offsets: dict[str, int] = {}
        self._newest = self._floor = self._slot_floor = 0
        self._brought, self._steps, self._slot_blocks = defaultdict(list), {}, []
        for record in records:
            self._enter_window(tp, record)
            self._newest = max(self._newest, record.timestamp)
            self._append_time = max(self._append_time, record.timestamp)
            verdict = self._verdict_of(tp, record, offsets)
            if verdict not in ("applied", *SKIPPED):
                self.rejected[tp.topic, tp.partition, record.offset] = verdict
            self._add("tally", (tp.topic, tp.partition, verdict), (1,))

    def rows(self) -> list[Row]:
        """The canonical export of what was read."""
        quota = [
            self._quota_row(tp, bucket, [name_code(kind, page, name) for page, kind, name in names])
            for (tp, bucket), names in self._quota.items()
            if names and not (self._settings.bucket_ms and bucket + self._open_ms(tp.topic) < self._append_time)
        ]
        apart = [
            [*key, *numbers]
            for key, numbers in self._counts.items()
            if key[0] == "tally" or (key[0] in ("bin", "return_bin") and not self._expired(key[2]))
        ]
        return sorted(apart + self._tables() + quota)

    def _tables(self) -> list[Row]:
        """The counts of tables, added up by the spans of their buckets."""
        counts = {key: numbers for key, numbers in self._counts.items() if key[0] not in ("bin", "return_bin", "tally")}
        spans = self._spans({key[3] for key in counts})
        sums: dict[tuple[Any, ...], list[int]] = {}
        for key, numbers in counts.items():
            start, length = spans[key[3]]
            if not self._expired(start + (length - 1) * self._settings.bucket_ms):
                had = sums.setdefault((*key[:3], start, length, *key[4:]), [0] * len(numbers))
                had[:] = [a + b for a, b in zip(had, numbers, strict=True)]
        return [[*key, *numbers] for key, numbers in sums.items()]

    def _spans(self, buckets: set[int]) -> dict[int, tuple[int, int]]:
        """Where the span of each bucket begins and how many buckets it has: pairs are joined as long as they may be."""
        spans = {bucket: (bucket, 1) for bucket in buckets}
        width, life = self._settings.bucket_ms, self._settings.bucket_ttl_ms
        newest = bucket_of(self._append_time, width)
        size = 2 * width
        while width and size * 3 <= life * 2:
            for bucket in buckets:
                start = bucket - bucket % size
                if newest - (start + size) >= size and spans[bucket][1] == size // width // 2:
                    spans[bucket] = start, size // width
            size *= 2
        return spans

    def _quota_row(self, tp: TopicPartition, bucket: int, codes: list[int]) -> Row:
        return ["quota", tp.topic, tp.partition, bucket, len(codes), crc32(np.array(sorted(codes), CODE).tobytes())]

    def _open_ms(self, topic: str) -> int:
        """How long a bucket takes records in: a week beyond their lateness, or as long as it lives."""
        limits = self._settings
        late_ms = 0 if topic in (CONVERSIONS.name, CREDITS.name) else limits.allowed_lateness_ms
        spare_ms = late_ms + 7 * DAY_MS if late_ms else limits.bucket_ttl_ms
        return limits.bucket_ms + min(spare_ms, limits.bucket_ttl_ms)

    def _expired(self, bucket: int) -> bool:
        width, life = self._settings.bucket_ms, self._settings.bucket_ttl_ms
        return width > 0 and bucket + width + life < self._append_time

    def _verdict_of(self, tp: TopicPartition, record: Record, offsets: dict[str, int]) -> str:
        topic = BY_NAME[tp.topic]
        robot = self._robot(topic, record)
        if record.value is None and topic is CLICKS and record.key:
            return "forgotten"
        try:
            assert topic.message is not None
            event: Any = decoder(topic.message)(record.value)  # type: ignore[arg-type]
        except BadRecord as bad:
            return bad.reason
        marks = self._marks(offsets, event, record.offset)
        event, repeated = self._without_repeated(offsets, event, record)
        if self._recent(offsets, f"id {event.event_id}", record.offset):
            return "duplicate"
        time_ms = event.clicked_at if topic in (CONVERSIONS, CREDITS) else event.occurred_at
        bucket = bucket_of(time_ms, self._settings.bucket_ms)
        undeclared = topic is CREDITS and event.kind not in (RETURN, *self._settings.signals)
        skip = "robot" if robot else "repeated" if repeated else "undeclared" if undeclared else ""
        reason = self._invalid(record, event, time_ms) or skip or self._over_quota(tp, record.offset, bucket, event)
        if reason:
            return reason
        self._count(event, bucket, marks)
        return "applied"

    def _enter_window(self, tp: TopicPartition, record: Record) -> None:
        """Where the window begins now: behind the last record that is too old, and not farther than memory goes."""
        span, offset = self._settings.duplicate_window_ms, record.offset
        width = max(1, span // STEPS)
        step = max(record.timestamp, 0) // width
        too_old = [last for other, last in self._steps.items() if other < step - -(-span // width)]
        memory_mb = self._limits_at(tp, offset)[-1]
        within = records_within(BY_NAME[tp.topic], memory_mb)
        self._floor = max(self._floor, offset - within, *(last + 1 for last in too_old), 0)
        self._steps[step] = offset
        self._let_slots_go(parts_within(BY_NAME[tp.topic], memory_mb))

    def _let_slots_go(self, most: int) -> None:
        """Only so many slots are remembered; when there are more, all those of a block of offsets go."""
        blocks = [block for block in self._slot_blocks if (block + 1) * PART_BLOCK > self._floor]
        self._slot_floor = max(self._slot_floor, self._floor)
        while len(blocks) > most:
            self._slot_floor = (blocks[0] + 1) * PART_BLOCK
            blocks = [block for block in blocks if block != blocks[0]]
        self._slot_blocks = blocks

    def _recent(self, offsets: dict[str, int], name: str, offset: int) -> bool:
        last = offsets.get(name)
        offsets[name] = offset
        return last is not None and last >= self._floor

    def _robot(self, topic: Topic, record: Record) -> bool:
        limits = {IMPRESSIONS: self._settings.unit_impressions, CLICKS: self._settings.unit_clicks}
        brought = self._brought[record.key or b""]
        brought.append(record.offset)
        return 0 < limits.get(topic, 0) < sum(offset >= self._floor for offset in brought)

    def _without_repeated(self, offsets: dict[str, int], event: Any, record: Record) -> tuple[Any, bool]:
        """The event without the slots that were reported before, and whether that is nothing."""
        if record.key != event.unit.encode() or isinstance(event, Conversion | Credit):
            return event, False
        view = f"{event.page}\n{event.unit}\n{event.page_view_id}"
        if isinstance(event, Click):
            return event, self._recent(offsets, f"click {view}\n{event.slot}", record.offset)
        new = []
        for cell in event.slots:
            last = offsets.get(f"slot {view}\n{cell.slot}", -1)
            if last < self._slot_floor and last != record.offset:
                new.append(cell)
            offsets[f"slot {view}\n{cell.slot}"] = record.offset
            self._slot_blocks.append(record.offset // PART_BLOCK)
        return replace(event, slots=new or event.slots), not new

    def _marks(self, offsets: dict[str, int], event: Any, offset: int) -> tuple[int, int, int]:
        """Whether page view, unit and order are new lately."""
        if isinstance(event, Impression):
            view = not self._recent(offsets, f"view {event.page}\n{event.page_view_id}", offset)
            unit = not self._recent(offsets, f"unit {event.page}\n{event.unit}", offset)
            return int(view), int(unit), 0
        if isinstance(event, Conversion):
            return 0, 0, int(not self._recent(offsets, f"order {event.page}\n{event.order_id}", offset))
        return 0, 0, 0

    def _invalid(self, record: Record, event: Any, time_ms: int) -> str:
        limits, lateness = self._settings, record.timestamp - time_ms
        of_tier = isinstance(event, Impression | Click)
        if record.key != event.unit.encode():
            return "key"
        if limits.max_clock_skew_ms and lateness < -limits.max_clock_skew_ms:
            return "early"
        if of_tier and 0 < limits.allowed_lateness_ms < lateness:
            return "late"
        span = self._open_ms("" if of_tier else CONVERSIONS.name)
        if limits.bucket_ms and bucket_of(time_ms, limits.bucket_ms) + span < self._newest:
            return "late"
        return "currency" if isinstance(event, Conversion | Credit) and event.currency != limits.currency else ""

    def _over_quota(self, tp: TopicPartition, offset: int, bucket: int, event: Any) -> str:
        names = self._quota[tp, bucket]
        new = {(event.page, kind, name) for kind, name in names_of(event)} - names
        *all_of, page_items, page_slots, _ = self._limits_at(tp, offset)
        for kind, limit in enumerate(all_of):
            need = sum(other == kind for _, other, _ in new)
            if need and need + sum(other == kind for _, other, _ in names) > limit:
                return "quota"
        on_page = [kind for page, kind, _ in names if page == event.page]
        for kind, limit in ((1, page_items), (2, page_slots)):
            need = sum(other == kind for _, other, _ in new)
            if need and need + on_page.count(kind) > limit:
                return "quota"
        names |= new
        return ""

    def _limits_at(self, tp: TopicPartition, offset: int) -> Sequence[int]:
        return [limits for since, limits in self._limits.get(tp, self._own_limits) if since <= offset][-1]

    def _count(self, event: Any, bucket: int, marks: tuple[int, int, int]) -> None:
        traffic = int(traffic_of(event.variant))
        place, unit = (event.page, event.segment, bucket, traffic), (event.page, bucket, traffic, unit_bin(event.unit))
        if isinstance(event, Impression):
            self._show(place, event)
            self._add("bin", unit, (marks[0], marks[1], 0, 0, 0))
        elif isinstance(event, Click):
            self._add("cell", (*place, event.item, event.slot), (0, 1))
            self._add("stand", (*place, event.slot, event.shelf), (0, int(event.shelf != "")))
            self._add("bin", unit, (0, 0, 1, 0, 0))
        elif isinstance(event, Conversion):
            amount = min(event.amount, self._settings.amount_cap)
            self._add("sale", (*place, event.item), (1, amount, amount * amount))
            self._add("delay", (*place, delay_bin(event.delay)), (1,))
            self._add("shelf_sale", (*place, event.slot, event.shelf), (1, amount) if event.shelf else (0, 0))
            self._add("bin", unit, (0, 0, 0, marks[2], amount))
            self._follow(place, event, amount)
        else:
            self._credit(place, unit, event)

    def _show(self, place: tuple[Any, ...], event: Impression) -> None:
        for slot_item in event.slots:
            self._add("cell", (*place, slot_item.item, slot_item.slot), (1, 0))
            if shelf := event.rows.get(slot_item.row or ".".join(slot_item.slot.split(".")[:-1])):
                self._add("stand", (*place, slot_item.slot, shelf), (1, 0))
                self._add("placed", (*place, slot_item.item, shelf), (1,))
            if slot_item.visible_ms is not None:
                self._add("visible", (*place, slot_item.slot), (1, min(slot_item.visible_ms, VISIBLE_CAP_MS)))

    def _follow(self, place: tuple[Any, ...], event: Conversion, amount: int) -> None:
        """Whether its click converted before, and what came between."""
        followed, kinds = [0] * (5 + 2 * len(KINDS)), self._settings.signals
        if event.repeat:
            followed[0], followed[1] = 1, 2 * amount * event.earlier
        for kind, delay in event.via.items():
            if kind in kinds and not event.repeat:
                followed[5 + len(KINDS) + kinds.index(kind)] = 1
                self._delay(place, delay, 1 + len(KINDS) + kinds.index(kind))
        self._add("followed", (*place, event.item), tuple(followed))

    def _credit(self, place: tuple[Any, ...], unit: tuple[Any, ...], event: Credit) -> None:
        followed = [0] * (5 + 2 * len(KINDS))
        if event.kind == RETURN:
            back = min(event.amount, self._settings.amount_cap)
            followed[2:5] = 1, back, back * back
            self._add("return_bin", unit, (back,))
            self._delay(place, event.delay, 0)
        else:
            at = self._settings.signals.index(event.kind)
            followed[5 + at] = 1
            self._delay(place, event.delay, 1 + at)
        self._add("followed", (*place, event.item), tuple(followed))

    def _delay(self, place: tuple[Any, ...], delay: int, column: int) -> None:
        counts = [0] * (1 + 2 * len(KINDS))
        counts[column] = 1
        self._add("stage_delay", (*place, delay_bin(delay)), tuple(counts))

    def _add(self, kind: str, key: tuple[Any, ...], numbers: tuple[int, ...]) -> None:
        if any(numbers):
            had = self._counts.setdefault((kind, *key), [0] * len(numbers))
            had[:] = [a + b for a, b in zip(had, numbers, strict=True)]
