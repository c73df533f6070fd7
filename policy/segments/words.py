"""What a segment is called by people: words and items that its visitors look at more than all others do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from policy.arrays import Floats

MOST_WORDS, MOST_ITEMS = 5, 8
LEAST_RATIO = 1.3
"""A word or an item is this much more frequent in a segment than among all, at least."""
MIN_VOTES = 20
_WORD = re.compile(r"[^\W\d_]{3,}")


def words_of(text: str) -> frozenset[str]:
    """The words of a title or category in small letters: three letters and more."""
    return frozenset(_WORD.findall(text.lower()))


def telling_words(texts: Sequence[str], counts: Floats) -> list[list[str]]:
    """For each segment the words that tell most of it, by the votes for items with these texts, float64[M, G]."""
    sums: defaultdict[str, Floats] = defaultdict(lambda: np.zeros(counts.shape[1]))
    for text, own in zip(texts, counts, strict=True):
        for word in words_of(text):
            sums[word] += own
    return _telling(list(sums), np.array(list(sums.values())).reshape(-1, counts.shape[1]), counts, MOST_WORDS)


def telling_items(names: Sequence[str], counts: Floats) -> list[list[str]]:
    """For each segment the items that tell most of it."""
    return _telling(names, counts, counts, MOST_ITEMS)


def _telling(names: Sequence[str], sums: Floats, counts: Floats, most: int) -> list[list[str]]:
    """Names in the order of how much likelier they make a segment, summed over its votes."""
    votes = counts.sum(axis=0)
    share = votes / max(1.0, votes.sum())
    frequency = sums.sum(axis=1, keepdims=True)
    ratios = (sums + 1.0) / (frequency * share + 1.0)
    weights = np.where((ratios >= LEAST_RATIO) & (sums >= MIN_VOTES), sums * np.log(ratios), 0.0)
    order = np.argsort(-weights, axis=0, kind="stable")[:most]
    return [[names[at] for at in order[:, segment] if weights[at, segment] > 0.0] for segment in range(counts.shape[1])]
