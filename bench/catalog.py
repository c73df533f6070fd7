"""What a large catalog costs who follows it: a layout worker, the fitter, the console.

In this process and without a broker: records as they are on the topics, made
beforehand, go into a `CatalogView`.  Items have a category, a brand, three tags,
some complements, a description, and a vector; each page shows one category.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from schemas.codec import encode
from schemas.messages.catalog import CatalogEmbedding, CatalogItem
from schemas.messages.pages import Candidates, PageRules
from schemas.messages.parameters import PolicyParameters
from schemas.topic import Topic
from schemas.topics import CATALOG_EMBEDDINGS, CATALOG_ITEMS, DAY_MS, PAGE_RULES, POLICY_PARAMETERS
from streams.catalog.view import CatalogView

NOW_MS = 1_800_000_000_000
BATCH = 1_000
BRANDS = 500
TAGS = 200
CROWD, CROWDED, LATE = "category-crowd", "crowded", "late"
CATEGORY_OF_NO_PAGE = "category-elsewhere"
RULES = PageRules("", 1, ["slot-00", "slot-01"])


@dataclass(frozen=True, slots=True)
class Size:
    """Items and pages, dimensions of a vector (0: none has one), and the items that fit a page of `limit`."""

    items: int
    pages: int
    dimensions: int
    fitting: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians: microseconds of a record, bytes held for an item, seconds until all is read.

    `elsewhere_us` is a new price of an item that no page shows, `change_us` of one that a page
    shows, `vector_us` a vector of such a one.  `crowded_us` is a new price on a page that more
    items fit than it may have, its candidates chosen again; `late_ms` is what it takes to
    declare one more page.
    """

    items: int
    pages: int
    dimensions: int
    fitting: int
    ready_s: float
    item_bytes: int
    elsewhere_us: float
    change_us: float
    vector_us: float
    late_ms: float
    crowded_us: float


@dataclass(frozen=True, slots=True)
class _Record:
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes]] = ()


def measure(size: Size, changes: int, rounds: int) -> Cost:
    """Build a catalog and change it, `changes` records a round."""
    log = _Log(size)
    ready, view = _seconds(log)
    categories = [f"category-{number}" for number in range(size.pages)]
    elsewhere = log.prices(changes * rounds, [CATEGORY_OF_NO_PAGE])
    paged = log.prices(changes * rounds, categories)
    vectors = log.vectors([record.key or b"" for record in paged]) if size.dimensions else []
    return Cost(
        size.items,
        size.pages,
        size.dimensions,
        size.fitting,
        round(ready, 3),
        _bytes(log),
        _each_us(view, CATALOG_ITEMS, elsewhere, rounds),
        _each_us(view, CATALOG_ITEMS, paged, rounds),
        _each_us(view, CATALOG_EMBEDDINGS, vectors, rounds) if vectors else 0.0,
        _declared_ms(view, rounds),
        _crowded_us(view, log, size.fitting, rounds),
    )


class _Log:
    """The records of a catalog: the same for the same size."""

    def __init__(self, size: Size) -> None:
        self._chance, self._size = random.Random(1), size
        self.items = {item.item: item for item in map(self._item, range(size.items))}
        self.runs: list[tuple[Topic, list[_Record]]] = [(PAGE_RULES, self._pages())]
        self.runs += [(POLICY_PARAMETERS, self._parameters())]
        self.runs += [(CATALOG_ITEMS, [_record(item.item, item) for item in self.items.values()])]
        if size.dimensions:
            self.runs += [(CATALOG_EMBEDDINGS, self.vectors([name.encode() for name in self.items]))]

    def prices(self, count: int, categories: Sequence[str]) -> list[_Record]:
        """Items of these categories with new prices."""
        wanted = frozenset(categories)
        those = [item for item in self.items.values() if item.category in wanted]
        changed = (self._chance.choice(those) for _ in range(count))
        return [_record(item.item, msgspec.structs.replace(item, price=10_000 + at)) for at, item in enumerate(changed)]

    def vectors(self, names: Sequence[bytes]) -> list[_Record]:
        """A vector for each of these items, as encoders send them."""
        return [_record(name.decode(), self._vector(name.decode())) for name in names]

    def _item(self, number: int) -> CatalogItem:
        chance, name = self._chance, f"item-{number:07d}"
        category = f"category-{number % self._size.pages}" if number % 10 else CATEGORY_OF_NO_PAGE
        return CatalogItem(
            name,
            f"Title of the item {number}, as long as titles are",
            "What a shop says of an item. " * 20,
            CROWD if number < self._size.fitting else category,
            f"brand-{chance.randrange(BRANDS)}",
            chance.randrange(100, 20_000),
            created_at=NOW_MS - chance.randrange(400 * DAY_MS),
            tags=[f"tag-{tag}" for tag in chance.sample(range(TAGS), 3)],
            attributes={"colour": "red", "size": "M"},
            margin=round(chance.random(), 3),
            complements=[f"item-{chance.randrange(self._size.items):07d}" for _ in range(2)],
        )

    def _pages(self) -> list[_Record]:
        named = {f"page-{number}": f"category-{number}" for number in range(self._size.pages)}
        return [_record(name, _declared(name, category)) for name, category in named.items()]

    def _parameters(self) -> list[_Record]:
        names = [*(f"page-{number}" for number in range(self._size.pages)), CROWDED]
        fitted = PolicyParameters(
            "", 1, NOW_MS, 0.02, 50.0, scales={"price": (8.0, 1.0)}, weights={"price": -0.3, "brand=brand-1": 0.2}
        )
        if self._size.dimensions:
            fitted = msgspec.structs.replace(fitted, text_model="m@r", text=b"\x00\x2c" * self._size.dimensions)
        return [_record(name, msgspec.structs.replace(fitted, page=name)) for name in names]

    def _vector(self, name: str) -> CatalogEmbedding:
        numbers: list[float] = [byte % 255 - 127 for byte in self._chance.randbytes(self._size.dimensions)]
        return CatalogEmbedding(name, "m", "0123456789abcdef", numbers, "r", 0.0005)


def _record(key: str, message: msgspec.Struct) -> _Record:
    return _Record(0, key.encode(), encode(message))


def _declared(page: str, category: str) -> PageRules:
    return msgspec.structs.replace(RULES, page=page, candidates=Candidates(categories=[category]))


def _batches(records: Sequence[_Record]) -> Iterator[Sequence[_Record]]:
    for begin in range(0, len(records), BATCH):
        yield records[begin : begin + BATCH]


def _filled(log: _Log) -> CatalogView:
    view = CatalogView()
    for topic, records in log.runs:
        for batch in _batches(records):
            view.take(topic, 0, batch)
    return view


def _seconds(log: _Log) -> tuple[float, CatalogView]:
    gc.collect()
    began = time.process_time()
    view = _filled(log)
    return time.process_time() - began, view


def _bytes(log: _Log) -> int:
    """What a view holds for an item, its part of pages and their indexes included."""
    gc.collect()
    tracemalloc.start()
    view = _filled(log)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return round(held / len(view.items))


def _each_us(view: CatalogView, topic: Topic, records: Sequence[_Record], rounds: int) -> float:
    """The median over the rounds of a record's time."""
    each, times = len(records) // rounds, list[float]()
    for begin in range(0, each * rounds, each):
        some = records[begin : begin + each]
        began = time.process_time()
        view.take(topic, 0, some)
        times.append(time.process_time() - began)
    return round(statistics.median(times) / each * 1e6, 2)


def _declared_ms(view: CatalogView, rounds: int) -> float:
    times = []
    for at in range(rounds):
        record = _record(LATE, _declared(LATE, f"category-{at}"))
        began = time.process_time()
        view.take(PAGE_RULES, 0, [record])
        view.candidates(LATE)
        times.append(time.process_time() - began)
    view.take(PAGE_RULES, 0, [_Record(0, LATE.encode(), None)])
    return round(statistics.median(times) * 1e3, 3)


def _crowded_us(view: CatalogView, log: _Log, fitting: int, rounds: int) -> float:
    """The median time of a record, its page's candidates chosen anew after each."""
    if not fitting:
        return 0.0
    view.take(PAGE_RULES, 0, [_record(CROWDED, _declared(CROWDED, CROWD))])
    view.candidates(CROWDED)
    times = []
    for record in log.prices(max(3, rounds), [CROWD]):
        began = time.process_time()
        view.take(CATALOG_ITEMS, 0, [record])
        view.candidates(CROWDED)
        times.append(time.process_time() - began)
    return round(statistics.median(times) * 1e6, 1)
