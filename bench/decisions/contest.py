"""Runs of learners on shops of many seeds, and what they say: regret, ratios to the best peer, coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from bench.decisions.peers import PEERS, learner
from policy.arrays import Floats
from policy.defaults import LEVEL
from policy.model.posteriors import interval
from policy.simulation.flicker import Flicker, Watched
from policy.simulation.informed import Informed
from policy.simulation.learned import Learned, Setup
from policy.simulation.race import opened, race
from policy.simulation.shop import Shape, Shop
from reshelf.processes.parallel import mapped

OURS, INFORMED = "reshelf", "informed"
DEFAULTS = Setup()


@dataclass(frozen=True, slots=True)
class Entry:
    """A learner with its settings, in a kind of shop; without `text` it gets no vectors."""

    name: str
    shape: Shape
    text: bool
    options: tuple[tuple[str, float], ...] = ()
    corrected: bool = True
    delay: int = 0
    setup: Setup = DEFAULTS


class Run(NamedTuple):
    """Clicks lost by a seed's page views so far, at each checkpoint, and of these by items in their first day.

    `covered` is for beliefs with intervals, `flicker` since the checkpoint before for the policy alone.
    """

    regret: tuple[float, ...]
    uniform: tuple[float, ...]
    first_day: tuple[float, ...]
    covered: tuple[float, ...] = ()
    flicker: tuple[Flicker, ...] = ()


def run(entry: Entry, seed: int, checkpoints: tuple[int, ...]) -> Run:
    """One race."""
    shop = opened(entry.shape, seed, checkpoints[-1])
    if entry.name == INFORMED:
        return Run(*race(shop, Informed(shop, entry.setup.choice.exploration, seed), checkpoints, entry.delay))
    if entry.name != OURS:
        peer = learner(entry.name, entry.shape, entry.corrected, seed, dict(entry.options), text=entry.text)
        return Run(*race(shop, peer, checkpoints, entry.delay))
    covered: list[float] = []
    flicker: list[Flicker] = []
    ours = Learned(entry.shape, replace(entry.setup, text=entry.text))
    watched = Watched(ours)

    def look() -> None:
        covered.append(coverage(shop, ours))
        flicker.append(watched.summary())

    course = race(shop, watched, checkpoints, entry.delay, look)
    return Run(*course, covered=tuple(covered), flicker=tuple(flicker))


def coverage(shop: Shop, ours: Learned, level: float = LEVEL) -> float:
    """The share of all segments' arms whose interval of this level holds their true attractiveness."""
    offer = shop.offer()
    inside = []
    for truth, beta in zip(shop.attraction[:, offer.rows], ours.beliefs(offer), strict=True):
        low, high = interval(beta.a, beta.b, level)
        inside.append(((low <= truth) & (truth <= high)).mean())
    return float(np.mean(inside))


def runs(
    tasks: Sequence[tuple[Entry, int]],
    checkpoints: tuple[int, ...],
    processes: int,
    done: Callable[[], None] = lambda: None,
) -> dict[tuple[Entry, int], Run]:
    """All tasks, in parallel processes; `done` is called after each."""
    results = mapped(partial(_run, checkpoints=checkpoints), tasks, processes, done)
    return dict(zip(tasks, results, strict=True))


def _run(task: tuple[Entry, int], checkpoints: tuple[int, ...]) -> Run:
    return run(*task, checkpoints)


def peers(shape: Shape, names: Iterable[str], *, text: bool) -> list[Entry]:
    """Each peer with each of its settings, with examination-corrected clicks and without."""
    return [
        Entry(name, shape, text, tuple(sorted(options.items())), corrected)
        for name in names
        for options in PEERS[name].settings
        for corrected in (True, False)
    ]


def best_settings(tuned: Mapping[tuple[Entry, int], Run]) -> dict[Entry, tuple[int, ...]]:
    """Of each peer, with and without correction, the settings that lost least at some checkpoint: which ones."""
    regret = mean_regret(tuned)
    chosen: dict[Entry, tuple[int, ...]] = {}
    for kind in dict.fromkeys((entry.name, entry.corrected) for entry in regret):
        rivals = [entry for entry in regret if (entry.name, entry.corrected) == kind]
        for at in range(len(regret[rivals[0]])):
            best = min(rivals, key=lambda entry: regret[entry][at])
            chosen[best] = (*chosen.get(best, ()), at)
    return chosen


def mean_regret(raced: Mapping[tuple[Entry, int], Run]) -> dict[Entry, Floats]:
    """Mean regret over seeds at each checkpoint."""
    entries = dict.fromkeys(entry for entry, _ in raced)
    return {
        entry: np.mean([run.regret for (other, _), run in raced.items() if other == entry], axis=0) for entry in entries
    }
