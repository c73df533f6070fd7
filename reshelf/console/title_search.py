"""Items of the catalog by words of their titles, as fast as somebody types."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from schemas.messages.catalog import CatalogItem

MOST = 12
"""Items that an answer has."""
LOOKED_AT = 2_000
"""Titles with the longest word that are looked at: more are not told apart by what was typed so far."""


class TitleSearch:
    """Titles as the catalog changes; a search joins them where one changed, and is one pass of `str.find` over them."""

    def __init__(self) -> None:
        self._lines: dict[str, str] = {}
        self._changes = 0
        self._joined = _Joined.of(0, (), ())
        self._lock = threading.Lock()

    def take(self, item: str, entry: CatalogItem | None) -> None:
        """An item is this one now, None where it is gone; the last to change is the last in the order of titles."""
        words = [] if entry is None else f"{entry.title} {entry.brand} {item}".casefold().split()
        with self._lock:
            self._lines.pop(item, None)
            if words:
                self._lines[item] = " ".join(words) + "\n"
            self._changes += 1

    def find(self, query: str) -> list[str]:
        """Items whose title, id or brand has all words of a query, those that begin with it first; at most `MOST`.

        May be called from another thread than `take`.
        """
        words = query.casefold().split()
        if not words:
            return []
        joined, longest = self._all(), max(words, key=len)
        lines = islice(joined.lines(longest), LOOKED_AT)
        fitting = [(at, line) for at, line in lines if all(word in line for word in words)]
        fitting.sort(key=lambda pair: (_rank(pair[1], words), pair[1]))
        return [joined.items[at] for at, _ in fitting[:MOST]]

    def _all(self) -> _Joined:
        """All titles as they are now; what changes meanwhile is for the next search."""
        with self._lock:
            if self._joined.changes == self._changes:
                return self._joined
            changes, items, lines = self._changes, list(self._lines), list(self._lines.values())
        self._joined = joined = _Joined.of(changes, items, lines)
        return joined


@dataclass(frozen=True, slots=True)
class _Joined:
    """Titles of the catalog after some `changes` in one text, and where the title of each item begins there."""

    changes: int
    items: Sequence[str]
    starts: Sequence[int]
    text: str

    @classmethod
    def of(cls, changes: int, items: Sequence[str], lines: Sequence[str]) -> _Joined:
        """The text of items with their lines, each of which ends with a line break."""
        return cls(changes, items, list(accumulate(map(len, lines), initial=0)), "".join(lines))

    def lines(self, word: str) -> Iterator[tuple[int, str]]:
        """Number and text of each title that has a word, in the order of the catalog."""
        at = self.text.find(word)
        while at >= 0:
            end = self.text.index("\n", at)
            number = bisect_right(self.starts, at) - 1
            yield number, self.text[self.starts[number] : end]
            at = self.text.find(word, end)


def _rank(line: str, words: list[str]) -> int:
    """0: the title begins with what was typed; 1: each word begins a word of it; 2: they are within words."""
    if line.startswith(" ".join(words)):
        return 0
    return 1 if all(f" {word}" in f" {line}" for word in words) else 2
