"""When the shelves of a page may move: they stand still for a period, while their items go on living.

What decides them is counted until a period ends, and holds through the next.
"""

from __future__ import annotations

SHARE, LEAST_VIEWS, MOST_VIEWS = 0.1, 250, 10_000
"""A period ends when page views have grown by this share, after at least and at most so many."""


def is_over(views: float, since: float, share: float = SHARE, most: float = MOST_VIEWS) -> bool:
    """Whether a period that began at `since` page views ends at `views`."""
    return views - since >= length(since, share, most)


def length(since: float, share: float = SHARE, most: float = MOST_VIEWS) -> float:
    """How many more page views a period takes that began at so many."""
    return min(max(share * since, LEAST_VIEWS), most)
