"""What happened on pages that one should know: items that rose and fell, and rules that cannot hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reshelf.console.layout_history import LayoutHistory
from schemas.messages.layouts import Layout
from streams.catalog.page import Key

FRESH_S = 10.0
"""News are worked out anew after so long."""
MOST_PAGES, MOST_SEGMENTS = 8, 12
LEAST = 0.25
"""Of a page's visitors: less is what layouts that learn do all the time."""
MOST = 5


class Mover(NamedTuple):
    """An item of a page with the share of visitors that saw it somewhere there at `since`, and that do now."""

    page: str
    item: str
    before: float
    after: float
    since: int


class Unkept(NamedTuple):
    """A rule that cannot hold everywhere, in words, and in how many segments."""

    page: str
    text: str
    segments: int


class News(NamedTuple):
    """What is told of all pages together, the largest changes first."""

    moved: Sequence[Mover]
    unkept: Sequence[Unkept]


class PageNews:
    """Looks at the oldest layouts that are kept and at those of now, every few seconds at most."""

    def __init__(self) -> None:
        self._news = News((), ())
        self._read_at = -FRESH_S

    def read(self, history: LayoutHistory, pages: Mapping[str, Sequence[str]], now_s: float) -> News:
        """The news of pages with their segments, of those named first."""
        if now_s - self._read_at >= FRESH_S:
            self._read_at = now_s
            both = {page: list(_layouts(history, page, names)) for page, names in list(pages.items())[:MOST_PAGES]}
            moved = [mover for page, pairs in both.items() for mover in movers(page, pairs)]
            unkept = [each for page, pairs in both.items() for each in _unkept(page, [now for _, now in pairs])]
            moved.sort(key=lambda mover: -abs(mover.after - mover.before))
            self._news = News(moved[:MOST], unkept)
        return self._news


def movers(page: str, pairs: Sequence[tuple[Layout, Layout]]) -> list[Mover]:
    """Items that many more, or many fewer, visitors see than before; segments count alike."""
    if not pairs:
        return []
    shares: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    for pair in pairs:
        for side, layout in zip(shares, pair, strict=True):
            for by_item in layout.propensities.values():
                side.update({item: share / len(pairs) for item, share in by_item.items()})
    before, after = shares
    since = min(first.produced_at for first, _ in pairs)
    return [
        Mover(page, item, min(1.0, before[item]), min(1.0, after[item]), since)
        for item in dict.fromkeys([*before, *after])
        if abs(after[item] - before[item]) >= LEAST
    ]


def _layouts(history: LayoutHistory, page: str, segments: Sequence[str]) -> Iterable[tuple[Layout, Layout]]:
    for segment in segments[:MOST_SEGMENTS]:
        pair = history.ends(Key(page, segment))
        if pair is not None:
            yield pair


def _unkept(page: str, layouts: Sequence[Layout]) -> Iterable[Unkept]:
    rules: Counter[str] = Counter()
    for layout in layouts:
        rules.update({text.partition(": not in ")[0]: 1 for text in layout.relaxed})
    yield from (Unkept(page, text, segments) for text, segments in rules.most_common())
