"""Items of the catalog by words of their titles, as fast as somebody types."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import islice

from schemas.messages.catalog import CatalogItem

MOST = 12
"""Items that an answer has."""
LOOKED_AT = 2_000
"""Titles with the longest word that are looked at: more are not told apart by what was typed so far."""
FRESH_S = 5.0
"""Titles are taken over anew after so long, where the catalog changed in number or they were read before."""


class TitleSearch:
    """All titles in one text, so that a search is one pass of `str.find` over it, some milliseconds per 100,000."""

    def __init__(self, clock: float = -FRESH_S) -> None:
        self._text = ""
        self._starts: list[int] = []
        self._items: list[str] = []
        self._read_at = clock

    def find(self, query: str, texts: Mapping[str, CatalogItem], now_s: float | None = None) -> list[str]:
        """Items whose title, id or brand has all words of a query, those that begin with it first; at most `MOST`."""
        now_s = time.monotonic() if now_s is None else now_s
        if now_s - self._read_at >= FRESH_S:
            self._take(texts)
            self._read_at = now_s
        words = query.casefold().split()
        if not words:
            return []
        longest = max(words, key=len)
        lines = islice(self._lines(longest), LOOKED_AT)
        fitting = [(at, line) for at, line in lines if all(word in line for word in words)]
        fitting.sort(key=lambda pair: (_rank(pair[1], words), pair[1]))
        return [self._items[at] for at, _ in fitting[:MOST]]

    def _take(self, texts: Mapping[str, CatalogItem]) -> None:
        entries = [(item, " ".join(f"{entry.title} {entry.brand} {item}".casefold().split()))
                   for item, entry in list(texts.items())]  # fmt: skip
        self._items = [item for item, _ in entries]
        self._text = "\n".join(["", *(line for _, line in entries), ""])
        self._starts, at = [], 1
        for _, line in entries:
            self._starts.append(at)
            at += len(line) + 1

    def _lines(self, word: str) -> Iterator[tuple[int, str]]:
        """Number and text of each title that has a word, in the order of the catalog."""
        at = self._text.find(word)
        while at >= 0:
            end = self._text.index("\n", at)
            number = bisect_right(self._starts, at) - 1
            yield number, self._text[self._starts[number] : end]
            at = self._text.find(word, end)


def _rank(line: str, words: list[str]) -> int:
    """0: the title begins with what was typed; 1: each word begins a word of it; 2: they are within words."""
    if line.startswith(" ".join(words)):
        return 0
    return 1 if all(f" {word}" in f" {line}" for word in words) else 2
