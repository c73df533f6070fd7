"""Clusters of items that are alike, from fine to coarse, and how likely a slot shows an item of each.

A ladder is int64[L, A + 1]: the cluster of each item, level by level; at the first each item is alone, and clusters
of a level are whole in those behind it.  Behind the items stands what is in an empty slot, which is like nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.cluster.vq import kmeans2

from policy.arrays import Bools, Floats, Ints

UNSUPPORTED = 0.01
"""The largest share of the target's probability that the log may lack."""
FEWEST = 3
STEP = 0.7
"""Clusters of a level to those of the one before."""
MOST_JOINED = 1_000
"""More items than that are brought into as many groups first: to join them pair by pair takes memory by the square."""
SEED = 1


class ClusterChances(NamedTuple):
    """How likely slots show an item of the same cluster, [V, S]; `lacking` [S] is what the log never shows.

    `number` [S] is how many clusters there are of the page's items, at the level that is used for the slot.
    """

    logged: Floats
    target: Floats
    number: Floats
    lacking: Floats


def alone(items: int) -> Ints:
    """The ladder of a single level."""
    return np.arange(items + 1)[None]


def ladder_of(vectors: Floats, categories: Sequence[str]) -> Ints:
    """Clusters by text vectors float64[A, D], `nan` where an item has none: it stays alone.

    Without any vector the items of a category are alike, and those without one stay alone.
    """
    items = len(categories)
    has: Bools = np.logical_not(np.isnan(vectors).any(axis=1)) if vectors.size else np.zeros(items, dtype=np.bool_)
    if has.any():
        groups = _joined(vectors[has])
    else:
        has = np.array([bool(category) for category in categories], dtype=np.bool_)
        groups = [_numbered(np.array(categories, dtype=np.str_)[has])] if has.any() else []
    levels = [np.arange(items), *(_with_others(has, those) for those in groups)]
    return np.array([np.append(level, items) for level in levels])


def _joined(vectors: Floats) -> list[Ints]:
    """Clusters by Ward's method (1963), which joins what adds least to the variance within clusters."""
    start: Ints = np.arange(len(vectors))
    if len(vectors) > MOST_JOINED:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            centres, nearest = kmeans2(vectors, MOST_JOINED, iter=5, minit="points", seed=SEED)
        start, vectors = _numbered(nearest), centres[np.unique(nearest)]
    sizes, number = list[int](), STEP * len(vectors)
    while number >= FEWEST:
        sizes.append(int(number))
        number *= STEP
    if not sizes:
        return []
    tree = linkage(vectors, "ward")
    return [fcluster(tree, size, "maxclust")[start].astype(np.int64) for size in sizes]


def _with_others(has: Bools, groups: Ints) -> Ints:
    """The clusters of all items: those that have none of the groups stay alone."""
    level = len(has) + np.arange(len(has))
    level[has] = groups
    return _numbered(level)


def _numbered(labels: NDArray[Any]) -> Ints:
    """Labels as numbers from 0."""
    numbers: Ints = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    return numbers


def cluster_chances(logged: Ints, chance: Floats, target: Ints, target_chance: Floats, ladder: Ints) -> ClusterChances:
    """Of each slot the finest level is used at which the log lacks no more than `UNSUPPORTED`, or else the coarsest.

    Slates are the logging policy's int64[V, S] and the target's int64[W, S], with their chances [V] and [W].
    """
    slates, slots = np.concatenate([logged, target]), np.arange(logged.shape[1])
    own, other = np.empty(logged.shape), np.empty(logged.shape)
    number, lacking = np.empty(len(slots)), np.full(len(slots), np.inf)
    for level in ladder:
        lacks = lacking > UNSUPPORTED
        if not lacks.any():
            break
        places = _numbered(level[slates].ravel()).reshape(slates.shape)
        size = int(places.max(initial=0)) + 1
        served = _by_cluster(places[: len(logged)], chance, size)
        wished = _by_cluster(places[len(logged) :], target_chance, size)
        cells = slots, places[: len(logged)]
        own[:, lacks], other[:, lacks] = served[cells][:, lacks], wished[cells][:, lacks]
        number[lacks] = level[:-1].max(initial=-1) + 1
        lacking[lacks] = np.where(served == 0.0, wished, 0.0).sum(axis=1)[lacks]
    return ClusterChances(own, other, number, lacking)


def _by_cluster(slates: Ints, chance: Floats, size: int) -> Floats:
    """How likely each slot shows each cluster, float64[S, size]."""
    slots = slates.shape[1]
    cells = np.arange(slots) * size + slates
    weights = np.broadcast_to(chance[:, None], slates.shape)
    sums: Floats = np.bincount(cells.ravel(), weights.ravel(), slots * size).reshape(slots, size).astype(np.float64)
    return sums
