"""The tables that a process holds, least recently used first, and no more of them than a setting allows.

What was let go is read again when it is needed, in one round trip, and is the same to the last bit.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Literal

from streams.fold.deltas import TableKey
from streams.metrics import REGISTRY, Registry
from streams.state.arrays.packed import NameList, size_of
from streams.state.arrays.parts import KeyTables
from streams.state.arrays.tables import Table
from streams.state.limits.use import ALARM

MB = 2**20
DEFAULT_MB = 256
"""For those who look at a page now and then and have no setting of their own."""
SUMS_PART = 8
"""Sums have this part of the memory at least."""
LEAST = 2
"""And tables with sums one in so many bytes, whatever else there is."""
Name = tuple[str, str]

log = logging.getLogger("reshelf")


@dataclass(frozen=True, slots=True)
class HeldKey:
    """The tables of a page and segment as of a revision, with theirs; `append_time` is how far the log had come."""

    revision: int | None
    append_time: int
    entries: Mapping[TableKey, tuple[bytes, Table]]
    tables: KeyTables


class StateMemory:
    """Held keys by page and segment; `setting` bounds them, and is what metrics name.

    `beside` says how many bytes of that its process holds for something else.
    """

    def __init__(
        self,
        limit_mb: float = DEFAULT_MB,
        setting: str = "",
        metrics: Registry = REGISTRY,
        beside: Callable[[], int] = lambda: 0,
    ) -> None:
        self.size = 0
        self._limit = round(limit_mb * MB)
        self._beside = beside
        self._setting = setting
        self._metrics = metrics
        self._held: OrderedDict[Name, HeldKey] = OrderedDict()
        self._sizes: dict[Name, int] = {}
        self._names: dict[str, NameList] = {}
        self._keys: Counter[str] = Counter()
        self._let_go: set[Name] = set()
        self._warned = False
        self._listeners: list[Callable[[str, str], None]] = []
        if setting:
            for result in ("read", "again", "evicted"):
                metrics.add("reshelf_state_keys_read_total", setting, result, by=0)
            self._expose()

    @property
    def limit(self) -> int:
        """Bytes for tables and sums."""
        return max(self._limit // LEAST, self._limit - self._beside())

    def on_evict(self, listener: Callable[[str, str], None]) -> None:
        """Call with page and segment whatever is let go: who holds its tables lets go of them, too."""
        self._listeners.append(listener)

    def room(self) -> int:
        """Bytes for sums: what tables leave, and an eighth of all at least."""
        return max(self.limit // SUMS_PART, self.limit - self.size)

    def names(self, page: str) -> NameList:
        """The list that names of a page's items are numbered by."""
        return self._names.setdefault(page, NameList())

    def get(self, page: str, segment: str) -> HeldKey | None:
        """What is held of a key, which is now the one that was used last."""
        held = self._held.get((page, segment))
        if held is not None:
            self._held.move_to_end((page, segment))
        return held

    def put(self, page: str, segment: str, held: HeldKey) -> None:
        """Hold a key's tables; one without any is not held."""
        name = page, segment
        present = self._held.get(name)
        if present and present.tables is held.tables:
            self._held[name] = held
            self._held.move_to_end(name)
            return
        if name not in self._held and held.entries:
            self._count("again" if name in self._let_go else "read")
            self._let_go.discard(name)
        self._remove(name)
        if held.entries:
            self._held[name] = held
            self._keys[page] += 1
            self._sizes[name] = size_of(held.tables)
            self.size += self._sizes[name]
        self._count_names(page)
        limit = self.limit
        while self.size > limit - limit // SUMS_PART and len(self._held) > 1:
            self._evict()
        self._expose()

    def keep_pages(self, pages: Container[str]) -> None:
        """Let go of all pages but these: nobody reads what was taken down."""
        for name in [name for name in self._held if name[0] not in pages]:
            self.forget(*name)
        self._let_go = {name for name in self._let_go if name[0] in pages}

    def forget(self, page: str, segment: str) -> None:
        """Let go of a key that is not to be read again."""
        self._drop((page, segment))
        self._let_go.discard((page, segment))
        self._expose()

    def _evict(self) -> None:
        name = next(iter(self._held))
        self._drop(name)
        self._let_go.add(name)
        self._count("evicted")

    def _drop(self, name: Name) -> None:
        self._remove(name)
        self._count_names(name[0])
        for listener in self._listeners:
            listener(*name)

    def _remove(self, name: Name) -> None:
        if self._held.pop(name, None) is not None:
            self._keys[name[0]] -= 1
            self.size -= self._sizes.pop(name)

    def _count_names(self, page: str) -> None:
        """The list of a page's names goes with the last of its keys."""
        names = self._names.get(page)
        if names is None:
            return
        self.size += names.size - names.counted
        names.counted = names.size
        if not self._keys[page]:
            self.size -= names.counted
            del self._names[page], self._keys[page]

    def expose_sums(self, size: int) -> None:
        """So many bytes are taken by sums."""
        if self._setting:
            self._metrics.set("reshelf_state_memory_bytes", self._setting, "sums", value=size)

    def _count(self, result: Literal["read", "again", "evicted"]) -> None:
        if self._setting:
            self._metrics.add("reshelf_state_keys_read_total", self._setting, result)

    def _expose(self) -> None:
        if not self._setting:
            return
        limit = self.limit
        self._metrics.set("reshelf_state_memory_limit_bytes", self._setting, value=limit)
        self._metrics.set("reshelf_state_memory_bytes", self._setting, "tables", value=self.size)
        used = self.size / (limit - limit // SUMS_PART)
        self._metrics.set("reshelf_state_memory_used_ratio", self._setting, value=used)
        if used >= ALARM and not self._warned:
            self._warned = True
            log.warning("%s is used to %.0f %%: beyond it, counts are read again and again", self._setting, 100 * used)
