"""Distinct names as 64-bit codes: 8 bytes for each, and a small set of those that came last.

A code is 22 bits for the page, 2 for the kind and 40 for the name, so codes of one page and kind
are next to each other when they are sorted.  A collision takes a name for one that is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from policy.arrays import Hashes

KEY, ITEM, SLOT, MARK = range(4)
"""Kinds of codes; a mark is no name: the codes behind it in Redis are of the epoch in its low bits."""
CODE = "<u8"
CODE_BYTES = 8
_NAME_BITS = 40
_NAME_MASK = (1 << _NAME_BITS) - 1
_PAGE_MASK = (1 << 22) - 1
_LEAST_TO_MERGE = 4_096


def name_code(kind: int, page: str, name: str) -> int:
    """The code of a name on a page."""
    return name_codes(page, [(kind, name)]).pop()


def name_codes(page: str, names: Iterable[tuple[int, str]]) -> list[int]:
    """The codes of names on one page, which come with their kinds."""
    first, prefix, number = _page_code(page) << (_NAME_BITS + 2), f"{page}\n".encode(), int.from_bytes
    return [
        first | kind << _NAME_BITS | number(blake2b(prefix + name.encode(), digest_size=5).digest(), "little")
        for kind, name in names
    ]


@lru_cache(maxsize=10_000)
def _page_code(page: str) -> int:
    return int.from_bytes(blake2b(page.encode(), digest_size=4).digest(), "little") & _PAGE_MASK


def mark(epoch: int) -> int:
    """The code that begins an epoch."""
    return MARK << _NAME_BITS | epoch


def kind_of(code: int) -> int:
    """The kind of a code."""
    return code >> _NAME_BITS & 3


def page_and_kind(code: int) -> int:
    """What all codes of the same page and kind have in common."""
    return code >> _NAME_BITS


def by_epoch(stored: bytes) -> list[tuple[int, Hashes]]:
    """The codes that Redis holds, by the epoch in which they were admitted."""
    codes = np.frombuffer(stored, dtype=CODE)
    marks = np.flatnonzero(_kinds(codes) == MARK)
    first, *others = np.split(codes, marks)
    return [(0, first), *((int(part[0] & np.uint64(_NAME_MASK)), part[1:]) for part in others)]


def distinct(stored: bytes) -> Hashes:
    """The codes that Redis holds, without marks, sorted."""
    codes = np.frombuffer(stored, dtype=CODE)
    return np.unique(codes[_kinds(codes) != MARK])


def use_of(codes: Hashes) -> tuple[list[int], list[int]]:
    """How many distinct sorted codes there are by kind, and the most of one page by kind."""
    pages, counts = np.unique(codes >> np.uint64(_NAME_BITS), return_counts=True)
    kinds = pages & np.uint64(3)
    by_kind = [counts[kinds == kind] for kind in (KEY, ITEM, SLOT)]
    return [int(each.sum()) for each in by_kind], [int(each.max(initial=0)) for each in by_kind]


def _kinds(codes: Hashes) -> Hashes:
    return codes >> np.uint64(_NAME_BITS) & np.uint64(3)


class NameCodes:
    """A set of codes that counts by kind, and by page and kind."""

    def __init__(self) -> None:
        self._sorted: Hashes = np.empty(0, dtype=CODE)
        self._recent: set[int] = set()
        self._page_counts: dict[int, int] = {}
        self.counts = [0, 0, 0]
        """By kind."""
        self.largest = [0, 0, 0]
        """The most that one page has, by kind."""

    def join(self, codes: Hashes) -> None:
        """Add many codes, also ones that are there."""
        self._merge(codes)
        self.counts, self.largest = use_of(self._sorted)

    def missing(self, codes: set[int]) -> list[int]:
        """Those of the codes that are not there, sorted."""
        others = sorted(codes - self._recent)
        if not others or not len(self._sorted):
            return others
        asked = np.array(others, dtype=CODE)
        at = np.searchsorted(self._sorted, asked)
        absent: list[int] = asked[self._sorted[np.minimum(at, len(self._sorted) - 1)] != asked].tolist()
        return absent

    def add(self, codes: Sequence[int]) -> None:
        """Add a few codes that are not there."""
        for page, count in Counter(code >> _NAME_BITS for code in codes).items():
            kind = page & 3
            self.counts[kind] += count
            on_page = self._page_counts[page] = self.on_page(page) + count
            if on_page > self.largest[kind]:
                self.largest[kind] = on_page
        self._recent.update(codes)
        if len(self._recent) > max(_LEAST_TO_MERGE, len(self._sorted) // 16):
            self._merge(np.empty(0, dtype=CODE))

    def on_page(self, page: int) -> int:
        """How many codes there are of a page and kind."""
        count = self._page_counts.get(page)
        if count is None:
            first, last = np.array([page, page + 1], dtype=CODE) << np.uint64(_NAME_BITS)
            count = int(self._sorted.searchsorted(last) - self._sorted.searchsorted(first))
            self._page_counts[page] = count
        return count

    def packed(self) -> Hashes:
        """All of them, sorted."""
        self._merge(np.empty(0, dtype=CODE))
        return self._sorted

    def _merge(self, codes: Hashes) -> None:
        recent = np.fromiter(self._recent, dtype=CODE, count=len(self._recent))
        merged = np.concatenate([self._sorted, np.sort(recent), np.sort(codes)])
        merged.sort(kind="stable")
        self._sorted = merged[np.flatnonzero(np.diff(merged, prepend=~merged[:1]))]
        self._recent.clear()
        self._page_counts.clear()
