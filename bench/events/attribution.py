"""What attribution takes for a click and for a purchase, without broker and Redis, and how its memory grows."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from schemas.messages.events import Click, Purchase, PurchaseLine
from schemas.topics import CLICKS, DAY_MS, PURCHASES
from streams.attribution.core import PartitionAttribution
from streams.attribution.step import Remembered
from streams.attribution.windows import PageWindows
from streams.kafka.records import Batch, Logged, TopicPartition
from streams.settings import AttributionSettings, FoldSettings
from streams.state.clicks.folder import ClickFolder
from streams.state.clicks.progress import Position
from streams.state.clicks.store import ClickStore
from streams.state.watermark import Watermark

BEGIN_MS = 1_790_000_000_000
BATCH = 5_000
CLICKS_OF_A_UNIT = 15
ITEMS, PAGES, SEGMENTS = 100_000, 100, 50
LOOKS = 10


@dataclass(slots=True)
class Cost:
    """What was measured; `resident_mb` is the memory of the process after each tenth of the clicks."""

    clicks: int = 0
    clicks_per_s: float = 0.0
    purchases: int = 0
    purchases_per_s: float = 0.0
    verdicts: dict[str, int] = field(default_factory=dict)
    bytes_on_disk_per_click: float = 0.0
    resident_mb: list[float] = field(default_factory=list)


def measure(folder: Path, clicks: int, purchases: int, days: float, memory_mb: int) -> Cost:
    """Take in `clicks` that are spread over `days`, then decide `purchases` of which half have a click."""
    settings = AttributionSettings(folder=str(folder), memory_mb=memory_mb)
    locked = ClickFolder(settings).open("bench", 0)
    try:
        applied, windows = Position(Watermark(0), Watermark(0)), PageWindows(settings.window_ms)
        remembered = Remembered.nothing(locked.store, (CLICKS, PURCHASES))
        core = PartitionAttribution(settings, FoldSettings(), windows, remembered, applied)
        return _measured(core, locked.store, clicks, purchases, days)
    finally:
        locked.close()


def _measured(core: PartitionAttribution, store: ClickStore, clicks: int, purchases: int, days: float) -> Cost:
    cost, chance = Cost(clicks, purchases=purchases), random.Random(1)
    step_ms, seconds, since_look = days * DAY_MS / clicks, 0.0, 0
    for start in range(0, clicks, BATCH):
        records = [_click(offset, chance, clicks, step_ms) for offset in range(start, min(clicks, start + BATCH))]
        core.purchases.ended(0, records[-1].timestamp)
        seconds += _take(core, Batch(TopicPartition(CLICKS.name, 0), start, start + len(records), 0, records))
        since_look += len(records)
        if since_look * LOOKS >= clicks:
            cost.resident_mb.append(_resident_mb())
            since_look = 0
    cost.clicks_per_s = round(clicks / seconds)
    cost.bytes_on_disk_per_click = round(store.bytes_on_disk / clicks, 1)
    end, verdicts, seconds = round(BEGIN_MS + days * DAY_MS), Counter[str](), 0.0
    core.clicks.ended(clicks, end + purchases + DAY_MS)
    for batch in _purchases(purchases, chance, clicks, end):
        seconds += _take(core, batch, verdicts)
    cost.purchases_per_s = round(purchases / seconds)
    cost.verdicts = dict(verdicts)
    cost.resident_mb.append(_resident_mb())
    return cost


def _take(core: PartitionAttribution, batch: Batch, verdicts: Counter[str] | None = None) -> float:
    begin = time.perf_counter()
    core.feed(batch)
    while (step := core.decide()).records:
        core.write(0)
        if verdicts is not None:
            verdicts.update({name: count for name, count in step.counts.items() if name.startswith(("cred", "unatt"))})
    return time.perf_counter() - begin


def _click(offset: int, chance: random.Random, clicks: int, step_ms: float) -> Logged:
    at, unit = round(BEGIN_MS + offset * step_ms), _unit(chance.randrange(clicks // CLICKS_OF_A_UNIT + 1))
    event = Click(
        event_id=f"{chance.getrandbits(128):032x}",
        occurred_at=at,
        unit=unit,
        page=f"page-{chance.randrange(PAGES)}",
        segment=f"segment-{chance.randrange(SEGMENTS)}",
        slot=f"slot-{chance.randrange(12)}",
        item=_item(unit, chance.randrange(CLICKS_OF_A_UNIT)),
        page_view_id=f"{chance.getrandbits(128):032x}",
        layout_version=at,
        variant=0,
    )
    return Logged(offset, at, unit.encode(), msgspec.json.encode(event))


def _purchases(count: int, chance: random.Random, clicks: int, end: int) -> Iterator[Batch]:
    for start in range(0, count, BATCH):
        records = []
        for offset in range(start, min(count, start + BATCH)):
            number = chance.randrange(clicks // CLICKS_OF_A_UNIT + 1)
            unit = _unit(number if offset % 2 else -number - 1)
            line = PurchaseLine(_item(unit, chance.randrange(CLICKS_OF_A_UNIT)), 1, 1_000)
            event = Purchase(f"purchase-{offset}", end + offset, unit, f"order-{offset}", "EUR", [line])
            records.append(Logged(offset, end + offset, unit.encode(), msgspec.json.encode(event)))
        yield Batch(TopicPartition(PURCHASES.name, 0), start, start + len(records), 0, records)


def _unit(number: int) -> str:
    return f"visitor-{number * 0x9E3779B97F4A7C15 % 2**64:016x}"


def _item(unit: str, number: int) -> str:
    """One of the items that a unit looks at."""
    return f"item-{(int(unit[-6:], 16) * 31 + number * 7919) % ITEMS}"


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * 4_096 / 2**20, 1)
