"""A whole contest: peers are tuned, then they and the policy race on the same seeds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bench.decisions.contest import (
    DEFAULTS,
    INFORMED,
    OURS,
    Entry,
    Run,
    best_settings,
    mean_regret,
    peers,
    runs,
)
from bench.decisions.peers import PEERS
from policy.simulation.flicker import Flicker
from policy.simulation.learned import Setup
from policy.simulation.means import mean_of, ratio_of, ratio_of_sums
from policy.simulation.shop import Shape

TUNING_SEEDS = 1_000
"""Seeds of tuning begin here: no shop is both tuned on and raced in."""


class Field(NamedTuple):
    """A kind of shop, and whether text vectors are known there."""

    shape: Shape
    text: bool

    @property
    def name(self) -> str:
        """How it is called in reports."""
        return f"{self.shape.visitors}, {'with' if self.text else 'without'} embeddings"


@dataclass(slots=True)
class Contest:
    """What is run: `margin` is how many times the best peer's regret a peer may lose in tuning to race on.

    With `bound` the informed learner races too, where its model of visitors is right.
    """

    fields: Sequence[Field]
    names: Sequence[str]
    checkpoints: tuple[int, ...]
    seeds: int
    tuning_seeds: int
    processes: int
    delay: int
    margin: float = 1.3
    bound: bool = False
    setup: Setup = DEFAULTS
    say: Callable[[str, int, int], None] = lambda what, done, total: None
    runs: dict[tuple[Entry, int], Run] = field(default_factory=dict)
    tuned: dict[tuple[Entry, int], Run] = field(default_factory=dict)

    def hold(self) -> dict[str, Any]:
        """Run all of it; the answer has plain values alone."""
        tuning = range(TUNING_SEEDS, TUNING_SEEDS + self.tuning_seeds)
        entries = [entry for shop in self.fields for entry in peers(shop.shape, self.names, text=shop.text)]
        self.tuned = self._run("tuning peers", {entry: self._reach(entry) for entry in entries}, tuning)
        reach = dict.fromkeys([*self._ours(), *self._bounds().values()], len(self.checkpoints))
        for shop in self.fields:
            reach |= self._qualified(shop)
        self.runs = self._run("racing", reach, range(self.seeds))
        return {
            "page_views": list(self.checkpoints),
            "seeds": self.seeds,
            "regret": {shop.name: self._regrets(shop) for shop in self.fields},
            "ratio_to_best_peer": {shop.name: self._ratios(shop) for shop in self.fields},
            "ratio_of_bound": {shop.name: self._ratios(shop, bound) for shop, bound in self._bounds().items()},
            "ratio_of_delayed": {shop.name: self._delayed(shop) for shop in self.fields if self.delay},
            "coverage": {shop.name: self._covered(shop) for shop in self.fields},
            "flicker": {shop.name: self._flicker(shop) for shop in self.fields},
            "first_day_regret": {shop.name: self._first_day(shop) for shop in self.fields},
            "first_day_regret_ratio": self._saved(self._young),
            "first_day_regret_ratio_since": self._saved(self._young_since),
        }

    def _ours(self) -> list[Entry]:
        delays = (0, self.delay) if self.delay else (0,)
        return [
            Entry(OURS, shop.shape, shop.text, delay=delay, setup=self.setup)
            for shop in self.fields
            for delay in delays
        ]

    def _bounds(self) -> dict[Field, Entry]:
        fit = [shop for shop in self.fields if self.bound and shop.text and shop.shape.visitors == "position"]
        return {shop: Entry(INFORMED, shop.shape, shop.text, setup=self.setup) for shop in fit}

    def _reach(self, entry: Entry) -> int:
        return 1 if PEERS[entry.name].costly else len(self.checkpoints)

    def _tuned(self, shop: Field) -> dict[tuple[Entry, int], Run]:
        return {(e, seed): run for (e, seed), run in self.tuned.items() if (e.shape, e.text) == shop}

    def _qualified(self, shop: Field) -> dict[Entry, int]:
        """The best settings of each peer, and to how many checkpoints they race."""
        tuned = self._tuned(shop)
        regret, reach = mean_regret(tuned), {}
        for entry, checkpoints in best_settings(tuned).items():
            fit = [at for at in checkpoints if at == 0 or regret[entry][at] <= self.margin * self._least(tuned, at)]
            if fit:
                reach[entry] = max(fit) + 1
        return reach

    def _least(self, tuned: dict[tuple[Entry, int], Run], at: int) -> float:
        return min(float(lost[at]) for lost in mean_regret(tuned).values() if len(lost) > at)

    def _run(self, what: str, reach: dict[Entry, int], seeds: Sequence[int]) -> dict[tuple[Entry, int], Run]:
        """Those that go furthest first, so that no process is left with a long one at the end."""
        results: dict[tuple[Entry, int], Run] = {}
        total = len(reach) * len(seeds)
        for far in sorted(set(reach.values()), reverse=True):
            tasks = [(entry, seed) for entry, length in reach.items() if length == far for seed in seeds]
            before = len(results)
            tell = partial(self._tell, what, itertools.count(before + 1), total)
            results |= runs(tasks, self.checkpoints[:far], self.processes, tell)
        return results

    def _tell(self, what: str, done: Iterator[int], total: int) -> None:
        self.say(what, next(done), total)

    def _lost(self, entry: Entry, at: int) -> list[float]:
        """Regret by seed, in order, as far as it was raced."""
        losses = sorted((seed, run.regret) for (other, seed), run in self.runs.items() if other == entry)
        return [regret[at] for _, regret in losses if len(regret) > at]

    def _racers(self, shop: Field) -> list[Entry]:
        return [e for e in dict.fromkeys(e for e, _ in self.runs) if (e.shape, e.text) == shop and not e.delay]

    def _regrets(self, shop: Field) -> dict[str, dict[str, Any]]:
        """By checkpoint and learner; with the seeds of tuning where that was all."""
        table: dict[str, dict[str, Any]] = {str(views): {} for views in self.checkpoints}
        tuned, racers = mean_regret(self._tuned(shop)), self._racers(shop)
        for at, views in enumerate(self.checkpoints):
            for entry in [e for e in racers if self._lost(e, at)]:
                rows = table[str(views)]
                row = mean_of(self._lost(entry, at))._asdict() | {"seeds": self.seeds, "settings": dict(entry.options)}
                if _label(entry) not in rows or row["mean"] < rows[_label(entry)]["mean"]:
                    rows[_label(entry)] = row
            for entry in sorted(tuned, key=lambda e: tuned[e][min(at, len(tuned[e]) - 1)]):
                if len(tuned[entry]) > at:
                    row = {"mean": float(tuned[entry][at]), "seeds": self.tuning_seeds, "settings": dict(entry.options)}
                    table[str(views)].setdefault(_label(entry), row)
            chance = [run.uniform[at] for (e, _), run in self.runs.items() if e == self._own(shop)]
            table[str(views)]["uniform"] = mean_of(chance)._asdict() | {"seeds": self.seeds}
        return table

    def _own(self, shop: Field, delay: int = 0) -> Entry:
        return Entry(OURS, shop.shape, shop.text, delay=delay, setup=self.setup)

    def _ratios(self, shop: Field, own: Entry | None = None) -> dict[str, dict[str, Any]]:
        ratios = {}
        for at, views in enumerate(self.checkpoints):
            rivals = {
                e: mean_of(self._lost(e, at)).mean for e in self._racers(shop) if e.name in PEERS and self._lost(e, at)
            }
            if rivals:
                best = min(rivals, key=lambda entry: rivals[entry])
                ratio = ratio_of(self._lost(own or self._own(shop), at), self._lost(best, at))
                ratios[str(views)] = ratio._asdict() | {"peer": _label(best), "settings": dict(best.options)}
        return ratios

    def _delayed(self, shop: Field) -> dict[str, dict[str, float]]:
        late, own = self._own(shop, self.delay), self._own(shop)
        return {
            str(views): ratio_of(self._lost(late, at), self._lost(own, at))._asdict()
            for at, views in enumerate(self.checkpoints)
        }

    def _flicker(self, shop: Field) -> dict[str, dict[str, Any]]:
        """Shares of slots that change per refresh; None where no refresh was of that kind."""
        runs = [run.flicker for (entry, _), run in self.runs.items() if entry == self._own(shop)]
        return {
            str(views): {
                kind: None if any(np.isnan(shares)) else mean_of(shares)._asdict()
                for kind, shares in zip(Flicker._fields, zip(*(run[at] for run in runs), strict=True), strict=True)
            }
            for at, views in enumerate(self.checkpoints)
        }

    def _covered(self, shop: Field) -> dict[str, dict[str, float]]:
        shares = [run.covered for (entry, _), run in self.runs.items() if entry == self._own(shop)]
        return {str(views): mean_of([s[at] for s in shares])._asdict() for at, views in enumerate(self.checkpoints)}

    def _young(self, shop: Field, at: int) -> list[float]:
        """Clicks lost by items in their first day, by seed, in order."""
        losses = sorted((seed, run.first_day) for (entry, seed), run in self.runs.items() if entry == self._own(shop))
        return [lost[at] for _, lost in losses]

    def _first_day(self, shop: Field) -> dict[str, dict[str, float]]:
        return {str(views): mean_of(self._young(shop, at))._asdict() for at, views in enumerate(self.checkpoints)}

    def _young_since(self, shop: Field, at: int) -> list[float]:
        """The same since the checkpoint before."""
        until = self._young(shop, at)
        before = self._young(shop, at - 1) if at else [0.0] * len(until)
        return [now - then for now, then in zip(until, before, strict=True)]

    def _saved(self, lost: Callable[[Field, int], list[float]]) -> dict[str, dict[str, dict[str, float]]]:
        """What items in their first day lose with text vectors, over what they lose without, by kind of visitors."""
        shapes = {shop.shape for shop in self.fields if shop.text} & {
            shop.shape for shop in self.fields if not shop.text
        }
        ratios: dict[str, dict[str, dict[str, float]]] = {}
        for shape in sorted(shapes, key=lambda shape: shape.visitors):
            for at, views in enumerate(self.checkpoints):
                with_text, without_text = lost(Field(shape, True), at), lost(Field(shape, False), at)
                if sum(without_text) > max(without_text):
                    ratio = ratio_of_sums(with_text, without_text)._asdict()
                    ratios.setdefault(shape.visitors, {})[str(views)] = ratio
        return ratios


def _label(entry: Entry) -> str:
    return entry.name if entry.corrected else f"{entry.name}, uncorrected"
