"""A decision log of any length that no topic holds, and what it costs to join, evaluate and export it."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from policy.assignment import choose
from reshelf.evaluation.clock import Clock
from reshelf.evaluation.decision_log import Events
from reshelf.evaluation.evaluate import Evaluator, Question
from reshelf.evaluation.export import write_parquet
from reshelf.evaluation.tables.engine import MEMORY_MB, workspace
from reshelf.evaluation.tables.events import joined
from reshelf.settings import Settings
from schemas.codec import encode
from schemas.messages.events import Click, Conversion, Impression, SlotItem
from schemas.messages.layouts import Layout
from schemas.topics import CLICKS, CONVERSIONS, IMPRESSIONS
from streams.fold.judge import Accepted
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings

RUN = 10_000
BEGINNING_MS = 1_790_000_000_000
CLICK_RATE, BUY_RATE = 0.05, 0.05


@dataclass(frozen=True, slots=True)
class SyntheticLog:
    """`reshelf.evaluation.decision_log.Source`: page views that come one after the other to all pages and segments.

    Every `views_per_layout` page views of a key have a layout of their own.
    """

    views: int
    pages: int = 20
    segments: int = 10
    slots: int = 12
    variants: int = 16
    items: int = 300
    views_per_layout: int = 500

    def events(self, fold: FoldSettings, clock: Clock) -> Events:
        """Impressions, then what came of them."""
        del fold, clock
        for topic, kind in ((IMPRESSIONS, Impression), (CLICKS, Click), (CONVERSIONS, Conversion)):
            accepted = (
                Accepted(offset, 0, event, False, False, False) for offset, event in enumerate(self._events(kind))
            )
            while run := list(islice(accepted, RUN)):
                yield TopicPartition(topic.name, 0), run

    def history(self) -> Iterator[list[bytes]]:
        """All layouts."""
        keys = self.pages * self.segments
        for version in range(1 + (self.views - 1) // keys // self.views_per_layout):
            yield [encode(self.layout(key, version)) for key in range(keys)]

    def layout(self, key: int, version: int) -> Layout:
        """A layout whose slates are drawn from its key and version."""
        chance, page = Random(f"{key} {version}"), key % self.pages
        items = [f"item-{page}-{number}" for number in range(self.items)]
        names = [f"slot-{number:02}" for number in range(self.slots)]
        best = chance.sample(items, min(self.items, 2 * self.slots))
        slates = [dict(zip(names, chance.sample(best, self.slots), strict=True)) for _ in range(self.variants + 1)]
        shares: dict[str, dict[str, float]] = {name: {} for name in names}
        for slate in slates[1:]:
            for slot, item in slate.items():
                shares[slot][item] = shares[slot].get(item, 0.0) + 1 / self.variants
        shares = {slot: {item: min(1.0, share) for item, share in those.items()} for slot, those in shares.items()}
        return Layout(
            page=f"page-{page}", segment=f"segment-{key // self.pages}", version=version, produced_at=BEGINNING_MS,
            expires_at=BEGINNING_MS, epoch=version, template="default", policy="thompson", settings_digest="",
            rules_version=1, parameters_version=0, catalog_position=[0], watermarks={}, holdout_share=0.1,
            holdout_salt="", baseline=slates[0], slates=slates[1:], propensities=shares, shadow_policy="greedy",
            shadow=slates[1:4],
        )  # fmt: skip

    def _events(self, kind: type) -> Iterator[Any]:
        """The events of one kind, in the order of time; each view's are drawn anew for each kind."""
        keys, layouts = self.pages * self.segments, dict[int, tuple[Layout, list[list[SlotItem]]]]()
        for view in range(self.views):
            key, version = view % keys, view // keys // self.views_per_layout
            if key not in layouts or layouts[key][0].version != version:
                layout = self.layout(key, version)
                slates = [*layout.slates, layout.baseline]
                layouts[key] = layout, [[SlotItem(*cell) for cell in slate.items()] for slate in slates]
            yield from _events_of(kind, view, *layouts[key])


def _events_of(kind: type, view: int, layout: Layout, cells: list[list[SlotItem]]) -> Iterator[Any]:
    if kind is not Impression and _drawn(view, 1) >= CLICK_RATE:
        return
    unit, name = f"unit-{view // 3:020}", f"{view:032}"
    variant = choose(layout, unit).variant
    common: dict[str, Any] = {
        "event_id": name, "occurred_at": BEGINNING_MS + view, "unit": unit, "page": layout.page,
        "segment": layout.segment, "layout_version": layout.version, "variant": variant,
    }  # fmt: skip
    if kind is Impression:
        yield Impression(page_view_id=name, slots=cells[variant], **common)
        return
    cell = cells[variant][int(len(cells[variant]) * _drawn(view, 2) ** 2)]
    common |= {"slot": cell.slot, "item": cell.item}
    if kind is Click:
        yield Click(page_view_id=name, **common)
    elif _drawn(view, 3) < BUY_RATE:
        yield Conversion(
            order_id=name, purchase_id=name, line=0, click_id=name, clicked_at=BEGINNING_MS + view, delay=0,
            quantity=1, amount=int(10_000 * _drawn(view, 4)), currency="EUR", **common,
        )  # fmt: skip


def _drawn(view: int, number: int) -> float:
    """A fraction in [0, 1), the same whenever it is asked for."""
    return crc32(b"%d %d" % (number, view)) / 2**32


def measure(log: SyntheticLog, policy: str, export: bool, memory_mb: int = MEMORY_MB) -> dict[str, Any]:
    """Seconds of each step, and memory at most, of joining and evaluating a log, and of exporting it."""
    settings, seconds = Settings(), dict[str, float]()
    began, used = time.perf_counter(), time.process_time()

    def step(name: str) -> None:
        seconds[name] = round(time.perf_counter() - began - sum(seconds.values()), 2)

    with workspace(memory_mb) as connection, tempfile.TemporaryDirectory() as folder:
        clock = Clock(settings.fold)
        evaluator = Evaluator(settings, joined(connection, log, settings.fold, clock), clock)
        step("join")
        answer = evaluator.answer(Question(policy))
        step("evaluate")
        written = write_parquet(evaluator.tables, Path(folder) / "log", None) if export else {}
        if export:
            step("export")
    return {
        "views": log.views,
        "layouts": sum(page["layouts"] for page in answer["pages"].values()),
        "seconds": seconds,
        "views_per_s": round(log.views / (seconds["join"] + seconds["evaluate"])),
        "cpu_s": round(time.process_time() - used, 2),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "rows": written.get("rows"),
        "pages": answer["pages"],
    }
