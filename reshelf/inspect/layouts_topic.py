"""Layouts as the topic holds them, for people and scripts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from confluent_kafka import Consumer, Message
from msgspec import UNSET
from rich.table import Table

from reshelf.inspect.layout_store import LayoutStore
from reshelf.numbers import number, share
from reshelf.terminal.tables import table
from schemas.codec import decode_key, decoder, encode_key
from schemas.errors import BadRecord
from schemas.messages.layouts import Layout
from schemas.topics import CATALOG_ITEMS, LAYOUT_LIVES, LAYOUTS, LAYOUTS_HISTORY
from streams.catalog.layouts.lives import Lives
from streams.catalog.page import Key
from streams.catalog.snapshot import read_texts
from streams.kafka.bounds import offsets_since, watermarks
from streams.kafka.clients import partition_of
from streams.kafka.reader import METADATA_S, partitions, partitions_if_any, reader, to_the_end
from streams.metrics import REGISTRY
from streams.settings import KafkaSettings

_decode = decoder(Layout)


def newest(kafka: KafkaSettings) -> LayoutStore:
    """The newest layout of each page and segment; raises Transient where the topic cannot be read."""
    with reader(kafka) as consumer:
        return _newest(kafka, consumer)


def read_lives(kafka: KafkaSettings) -> Lives:
    """The lives of layouts as they are now; none where the topic does not exist."""
    with reader(kafka) as consumer:
        return _lives(kafka, consumer)


def latest(kafka: KafkaSettings) -> Layout | None:
    """The layout that was published last, whatever its key: the ends of the topic alone are read."""
    layouts, last = LayoutStore(), []
    with reader(kafka) as consumer:
        places = partitions(consumer, kafka.prefix + LAYOUTS.name)
        for place in places:
            first, end = watermarks(consumer, place, METADATA_S)
            place.offset = max(first, end - 1)
        for message in to_the_end(consumer, places):
            if message.error() is None and (layout := take(layouts, message)):
                last.append(layout)
    return max(last, key=lambda layout: layout.produced_at, default=None)


def history_since(kafka: KafkaSettings, key: Key, since_ms: int) -> list[Layout]:
    """The versions of a page and segment that were published since then, oldest first; what is no layout is skipped."""
    wanted, versions = encode_key(LAYOUTS_HISTORY, *key), dict[int, Layout]()
    with reader(kafka) as consumer:
        places = partitions(consumer, kafka.prefix + LAYOUTS_HISTORY.name)
        place = places[partition_of(wanted, len(places))]
        place.offset = since_ms
        (begin,) = offsets_since(consumer, [place])
        if begin.offset < 0:
            return []
        for message in to_the_end(consumer, [begin]):
            if message.error() is None and message.key() == wanted and (value := message.value()):
                with contextlib.suppress(BadRecord):
                    layout = _decode(value)
                    versions.setdefault(layout.version, layout)
    return [versions[version] for version in sorted(versions)]


def follow(kafka: KafkaSettings) -> Iterator[tuple[Layout, int]]:
    """The newest layouts, then every later version as it is published, without end; each with when it expires."""
    with reader(kafka) as consumer:
        layouts = _newest(kafka, consumer)
        yield from ((stored.layout(), layouts.expires_at(stored)) for _, stored in layouts)
        while True:
            for message in consumer.consume(500, timeout=0.2):
                if message.error() is None and (layout := take(layouts, message)):
                    yield layout, layout.expires_at


def _newest(kafka: KafkaSettings, consumer: Consumer) -> LayoutStore:
    """All layouts up to the end of the topic, from where the consumer reads on."""
    layouts = LayoutStore(_lives(kafka, consumer))
    for message in to_the_end(consumer, partitions(consumer, kafka.prefix + LAYOUTS.name)):
        if message.error() is None:
            take(layouts, message)
    return layouts


def _lives(kafka: KafkaSettings, consumer: Consumer) -> Lives:
    """Read before the layouts, so that none is taken for good that is not the newest of its key."""
    lives = Lives()
    if places := partitions_if_any(consumer, kafka.prefix + LAYOUT_LIVES.name):
        for message in to_the_end(consumer, places):
            if message.error() is None:
                take_life(lives, message)
    return lives


def take(layouts: LayoutStore, message: Message) -> Layout | None:
    """The message's layout where it is newer than the one held; what is no layout is counted and changes nothing."""
    try:
        return layouts.take(Key(*decode_key(LAYOUTS, message.key())), message.value())
    except BadRecord:
        REGISTRY.add("reshelf_skipped_records_total", LAYOUTS.name)
        return None


def take_life(lives: Lives, message: Message) -> None:
    """Take over a sign of life; what is none is counted and changes nothing."""
    try:
        lives.take_record(message.key(), message.value())
    except BadRecord:
        REGISTRY.add("reshelf_skipped_records_total", LAYOUT_LIVES.name)


def row(layout: Layout, expires_at: int, now_ms: int) -> dict[str, Any]:
    """What a list says of a layout that expires then."""
    return {
        "page": layout.page,
        "segment": layout.segment,
        "version": layout.version,
        "age_s": round((now_ms - layout.produced_at) / 1000, 1),
        "expires_in_s": round((expires_at - now_ms) / 1000, 1),
        "policy": layout.policy,
        "variants": len(layout.slates),
        "slots": len(layout.propensities),
    }


LIKELIEST = 3
"""Of a slot; the others are told as a number."""


def listing(layouts: Iterable[tuple[Layout, int]], now_ms: int) -> Table:
    """All layouts with when they expire, one a line."""
    head = ("page", "segment", "version", "age", "expires in", "policy", "variants", "slots")
    rows = []
    for layout, expires_at in layouts:
        cells = row(layout, expires_at, now_ms) | {"age": "", "left": "expired"}
        cells["age"] = f"{number(cells.pop('age_s'))} s"
        if (left_s := cells.pop("expires_in_s")) > 0:
            cells["left"] = f"{number(left_s)} s"
        names = ("page", "segment", "version", "age", "left", "policy", "variants", "slots")
        rows.append([str(cells[name]) for name in names])
    return table(head, rows, spare=3)


def heading(layout: Layout, expires_at: int, now_ms: int) -> str:
    """One line about a layout that expires then."""
    columns = row(layout, expires_at, now_ms)
    life = f"expires in {number(columns['expires_in_s'])} s" if columns["expires_in_s"] > 0 else "expired"
    relaxed = f", rules given up: {', '.join(layout.relaxed)}" if layout.relaxed else ""
    fell_back = f", as a guard-rail was crossed: {layout.guard_rail}" if layout.guard_rail else ""
    return (
        f"{layout.page} for {layout.segment}, version {layout.version}, made {number(columns['age_s'], 1)} s ago, "
        f"{life}, {layout.policy} with {columns['variants']} variants, holdout {share(layout.holdout_share, 0)}"
        f"{fell_back}{relaxed}"
    )


def rows_table(layout: Layout) -> Table:
    """Rows by shelves: how likely each shelf is in a row for a visitor outside the holdout, and the baseline's."""
    propensities = {} if layout.row_propensities is UNSET else layout.row_propensities
    baseline = {} if layout.baseline_rows is UNSET else layout.baseline_rows
    titles = {name: shelf.title for name, shelf in (layout.shelves or {}).items()}
    return _by_likelihood("row", "shelf", propensities, baseline, titles)


def slots_table(layout: Layout, titles: Mapping[str, str] = MappingProxyType({})) -> Table:
    """Slots by items: how likely each item is in a slot for a visitor outside the holdout, and the baseline."""
    return _by_likelihood("slot", "item", layout.propensities, layout.baseline, titles)


def _by_likelihood(
    place: str,
    what: str,
    propensities: Mapping[str, Mapping[str, float]],
    baseline: Mapping[str, str],
    titles: Mapping[str, str],
) -> Table:
    """A line for each of the likeliest of a place, with how many more there are."""
    rows: list[tuple[str, ...]] = []
    for name in dict.fromkeys([*baseline, *propensities]):
        ordered = sorted(propensities.get(name, {}).items(), key=lambda pair: (-pair[1], pair[0]))
        lines = [(item, share(part, 0), titles.get(item, "")) for item, part in ordered[:LIKELIEST]]
        if (more := len(ordered) - LIKELIEST) > 0:
            lines.append((f"and {more} more", "", ""))
        for at, (item, part, title) in enumerate(lines or [("-", "", "")]):
            first = (name, baseline.get(name, "-")) if at == 0 else ("", "")
            rows.append((first[0], item, part, first[1], title))
    return table((place, what, "share", "baseline", "title"), rows, spare=1)


def by_likelihood(shares: Mapping[str, float]) -> str:
    """The names, the likeliest first, each with how likely it is."""
    ordered = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} {share(part, 0)}" for name, part in ordered)


def titles_of(kafka: KafkaSettings) -> dict[str, str]:
    """What people call the items of the catalog."""
    return {name: item.title for name, item in read_texts(kafka, [CATALOG_ITEMS]).texts.items()}
