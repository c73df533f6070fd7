"""Pathway: read, parsed and counted by its engine; what a minibatch changed is written when it ends."""

from __future__ import annotations

from typing import Any

import pathway as pw

from bench.peers.sink import Sink
from policy.assignment import unit_bin
from schemas.messages.fields import BASELINE
from schemas.topics import IMPRESSIONS
from streams.fold.deltas import WHOLE_PAGE, GroupDelta, TableDelta, TableKey, Traffic
from streams.fold.measures import BINS, CELLS
from streams.settings import FoldSettings, KafkaSettings, RedisSettings

_COMMIT_MS = 100
"""A minibatch is at least so far from the next."""
_IMPRESSIONS = CELLS.names[0]
_VIEWS, _UNITS = (BINS.names.index(name) for name in ("page_views", "units"))


class _Event(pw.Schema):
    event_id: str
    occurred_at: int
    unit: str
    page: str
    segment: str
    variant: int
    slots: pw.Json


def run(kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, batch: int) -> None:
    """Read the topic from its beginning, for ever; `batch` events at most are read ahead of what is written."""
    _run(_events(kafka, redis, batch), fold, Sink(redis, fold))


def run_unique(kafka: KafkaSettings, redis: RedisSettings, fold: FoldSettings, batch: int) -> None:
    """The same, where of events with one id the first counts; all ids are held for ever."""
    events = _events(kafka, redis, batch)
    rest = {name: pw.reducers.earliest(events[name]) for name in _Event.column_names() if name != "event_id"}
    _run(events.groupby(events.event_id).reduce(events.event_id, **rest), fold, Sink(redis, fold))


def _events(kafka: KafkaSettings, redis: RedisSettings, batch: int) -> Any:
    position = {"bootstrap.servers": kafka.bootstrap, "group.id": redis.namespace, "auto.offset.reset": "earliest"}
    return pw.io.kafka.read(
        position,
        kafka.prefix + IMPRESSIONS.name,
        schema=_Event,
        format="json",
        autocommit_duration_ms=_COMMIT_MS,
        max_backlog_size=batch,
    )


def _run(events: Any, fold: FoldSettings, sink: Sink) -> None:
    width, this = fold.bucket_ms, pw.this
    holdout = pw.if_else(this.variant == BASELINE, int(Traffic.HOLDOUT), int(Traffic.FALLBACK))
    views = events.select(
        this.page,
        this.segment,
        this.slots,
        bucket=this.occurred_at - this.occurred_at % width if width else 0,
        traffic=pw.if_else(this.variant >= 0, int(Traffic.LEARNED), holdout),
        bin=pw.udf(unit_bin, deterministic=True, return_type=int)(this.unit),
    )
    key = this.page, this.bucket, this.traffic, this.bin
    bins = views.groupby(*key).reduce(*key, count=pw.reducers.count())
    shown = views.flatten(this.slots).select(
        this.page,
        this.segment,
        this.bucket,
        this.traffic,
        item=this.slots["item"].as_str(unwrap=True),
        slot=this.slots["slot"].as_str(unwrap=True),
    )
    cell = this.page, this.segment, this.bucket, this.traffic, this.item, this.slot
    cells = shown.groupby(*cell).reduce(*cell, count=pw.reducers.count())
    changes = _Changes(sink)
    pw.io.subscribe(cells, changes.change_cell, on_time_end=changes.write)
    pw.io.subscribe(bins, changes.change_bin, on_time_end=changes.write)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


class _Changes:
    """Adds up what rows of the counted tables gained, until it is written."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._cells: dict[Any, int] = {}
        self._bins: dict[Any, int] = {}

    def change_cell(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        """A row came, or one goes to make room for the next."""
        *name, count = row.values()
        cell = tuple(name)
        self._cells[cell] = self._cells.get(cell, 0) + (count if is_addition else -count)

    def change_bin(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        """See `change_cell`."""
        *name, count = row.values()
        cell = tuple(name)
        self._bins[cell] = self._bins.get(cell, 0) + (count if is_addition else -count)

    def write(self, time: int) -> None:
        """Write what was gained since, as the other peers do."""
        if not self._cells and not self._bins:
            return
        delta = GroupDelta()
        for (page, segment, bucket, traffic, item, slot), gain in self._cells.items():
            table = delta.tables.setdefault(TableKey(page, segment, bucket, Traffic(traffic)), TableDelta())
            table.amounts.setdefault(_IMPRESSIONS, {})[item, slot] = gain
        for (page, bucket, traffic, number), gain in self._bins.items():
            row = [0] * len(BINS.measures)
            row[_VIEWS] = row[_UNITS] = gain
            delta.bins.setdefault(TableKey(page, WHOLE_PAGE, bucket, Traffic(traffic)), {})[number] = row
        self._sink.send_counts(delta, sum(self._bins.values()))
        self._sink.settle()
        self._cells, self._bins = {}, {}
