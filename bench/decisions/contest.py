"""Runs of learners on shops of many seeds, and what they say: regret, ratios to the best peer, coverage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np

from bench.decisions.peers.registry import PEERS, learner
from bench.decisions.races import finished
from policy.arrays import Floats
from policy.defaults import LEVEL
from policy.model.posteriors import interval
from policy.simulation.flicker import Flicker, Watched
from policy.simulation.informed import Informed
from policy.simulation.learned import Learned, Setup
from policy.simulation.race import Course, Learner, opened, race
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
    """The course of a seed's race and its seconds of processor time; it may have been stopped.

    `covered` is for beliefs with intervals, `flicker` since the checkpoint before for the policy alone.
    """

    course: Course
    seconds: float
    covered: tuple[float, ...] = ()
    flicker: tuple[Flicker, ...] = ()


def run(entry: Entry, seed: int, checkpoints: tuple[int, ...], limit_s: float = 0.0) -> Run:
    """With `limit_s` the race of a peer ends after so many seconds of a processor, its library imported before."""
    shop = opened(entry.shape, seed, checkpoints[-1])
    if entry.name == OURS:
        return _run_ours(entry, shop, checkpoints)
    rival: Learner
    if entry.name == INFORMED:
        rival, limit_s = Informed(shop, entry.setup.choice.exploration, seed, text=entry.text), 0.0
    else:
        rival = learner(entry.name, entry.shape, entry.corrected, seed, dict(entry.options), text=entry.text)
    began = process_time()
    course = race(shop, rival, checkpoints, entry.delay, stop=lambda: 0.0 < limit_s < process_time() - began)
    return Run(course, process_time() - began)


def _run_ours(entry: Entry, shop: Shop, checkpoints: tuple[int, ...]) -> Run:
    began = process_time()
    covered: list[float] = []
    flicker: list[Flicker] = []
    ours = Learned(entry.shape, replace(entry.setup, text=entry.text))
    watched = Watched(ours)

    def look() -> None:
        covered.append(coverage(shop, ours))
        flicker.append(watched.summary())

    course = race(shop, watched, checkpoints, entry.delay, look)
    return Run(course, process_time() - began, tuple(covered), tuple(flicker))


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
    limit_s: float = 0.0,
    folder: Path | None = None,
) -> dict[tuple[Entry, int], Run]:
    """All tasks, in parallel processes; `done` is called after each race.  Finished ones are kept in the folder."""
    work = finished(partial(_run, checkpoints=checkpoints, limit_s=limit_s), folder, Run)
    raced = {task: (as_raced(task[0]), task[1]) for task in tasks}
    distinct = list(dict.fromkeys(raced.values()))
    results = dict(zip(distinct, mapped(work, distinct, processes, done), strict=True))
    return {task: results[race] for task, race in raced.items()}


def as_raced(entry: Entry) -> Entry:
    """The entry whose races are its own, too: who is told nothing of items does without vectors what it does with."""
    described = entry.name not in PEERS or PEERS[entry.name].described
    return entry if described else replace(entry, text=False)


def _run(task: tuple[Entry, int], checkpoints: tuple[int, ...], limit_s: float) -> Run:
    return run(*task, checkpoints, limit_s)


def peers(shape: Shape, names: Iterable[str], *, text: bool) -> list[Entry]:
    """Each peer with each of its settings, with examination-corrected clicks and without."""
    return [
        Entry(name, shape, text, tuple(sorted(options.items())), corrected)
        for name in names
        for options in PEERS[name].settings
        for corrected in (True, False)
    ]


def best_settings(tuned: Mapping[tuple[Entry, int], Run]) -> dict[Entry, int]:
    """Of each peer, with and without correction, the settings that lost least at some checkpoint.

    Each with the number of checkpoints until the last at which it did; none of a peer that reached no checkpoint.
    """
    regret = mean_regret(tuned)
    chosen: dict[Entry, int] = {}
    for kind in dict.fromkeys((entry.name, entry.corrected) for entry in regret):
        rivals = [entry for entry in regret if (entry.name, entry.corrected) == kind]
        for at in range(max(len(regret[entry]) for entry in rivals)):
            best = min((entry for entry in rivals if len(regret[entry]) > at), key=lambda entry: regret[entry][at])
            chosen[best] = at + 1
    return chosen


def mean_regret(raced: Mapping[tuple[Entry, int], Run]) -> dict[Entry, Floats]:
    """Mean regret over seeds at each checkpoint that was reached with all of them."""
    losses: dict[Entry, list[tuple[float, ...]]] = {}
    for (entry, _), result in raced.items():
        losses.setdefault(entry, []).append(result.course.regret)
    return {
        entry: np.array(list(zip(*lost, strict=False))).reshape(-1, len(lost)).mean(axis=1)
        for entry, lost in losses.items()
    }
