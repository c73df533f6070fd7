"""What the runs of a contest say of a shop: regret, ratios, coverage, flicker, and which peers were stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bench.decisions.contest import INFORMED, OURS, Entry, Run
from bench.decisions.peers.registry import PEERS
from policy.simulation.flicker import Flicker
from policy.simulation.learned import Setup
from policy.simulation.means import mean_of, ratio_of, ratio_of_sums
from policy.simulation.shop import Shape

Table = dict[str, Any]
ALIKE = "all items are alike: nothing can be lost, so there are no peers and no ratios"


class Field(NamedTuple):
    """A kind of shop by its name, and whether text vectors are known there."""

    shop: str
    shape: Shape
    text: bool

    @property
    def key(self) -> str:
        """How it is called among the figures of its shop."""
        return "with_embeddings" if self.text else "without_embeddings"

    @property
    def alike(self) -> bool:
        """Whether nothing can be lost."""
        return self.shape.spread == 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """All runs, those of tuning apart, and how they were run; a figure is by page views, and has plain values alone."""

    checkpoints: tuple[int, ...]
    delay: int
    setup: Setup
    bound: bool
    runs: Mapping[tuple[Entry, int], Run]
    tuned: Mapping[tuple[Entry, int], Run]

    def of(self, fields: Sequence[Field]) -> Table:
        """All figures of a shop, with and without embeddings."""
        figures: dict[str, Callable[[Field], Table]] = {
            "regret": self._regrets,
            "ratio_to_best_peer": lambda field: self._ratios(field, self.ours(field)),
            "ratio_to_informed": self._to_informed,
            "ratio_of_bound": lambda field: self._ratios(field, self.informed(field)),
            "ratio_of_delayed": self._delayed,
            "coverage": self._covered,
            "flicker": self._flicker,
            "first_day_regret": lambda field: self._means(lambda at: self._young(field, at)),
            "stopped": self._stopped,
        }
        tables: Table = {name: {field.key: figure(field) for field in fields} for name, figure in figures.items()}
        return tables | self._of_texts(fields) | {"notes": self._notes(fields[0])}

    def ours(self, field: Field, delay: int = 0) -> Entry:
        """The policy in a field."""
        return Entry(OURS, field.shape, field.text, delay=delay, setup=self.setup)

    def informed(self, field: Field) -> Entry:
        """The informed learner in a field."""
        return Entry(INFORMED, field.shape, field.text, setup=self.setup)

    def _notes(self, field: Field) -> list[str]:
        if field.alike:
            return [ALIKE]
        misfit = field.shape.misfit()
        return [f"no informed learner: {misfit}"] if self.bound and misfit else []

    def _seeds(self, entry: Entry) -> list[Run]:
        """The runs of an entry by seed, in order."""
        return [run for _, run in sorted(((s, run) for (e, s), run in self.runs.items() if e == entry), key=_first)]

    def _lost(self, entry: Entry, at: int) -> list[float]:
        """Regret by seed, in order; empty where one of them did not reach the checkpoint."""
        losses = [run.course.regret for run in self._seeds(entry)]
        return [regret[at] for regret in losses] if all(len(regret) > at for regret in losses) else []

    def _racers(self, field: Field) -> list[Entry]:
        entries = dict.fromkeys(entry for entry, _ in self.runs)
        return [e for e in entries if (e.shape, e.text, e.delay) == (field.shape, field.text, 0)]

    def _means(self, values: Callable[[int], Sequence[float]]) -> Table:
        """Means over seeds of values at each checkpoint, where there are some."""
        numbers = {str(views): values(at) for at, views in enumerate(self.checkpoints)}
        return {views: mean_of(of_seeds)._asdict() for views, of_seeds in numbers.items() if of_seeds}

    def _compared(self, mine: Entry, other: Entry) -> Table:
        """The ratio of regrets at each checkpoint."""
        pairs = {str(views): (self._lost(mine, at), self._lost(other, at)) for at, views in enumerate(self.checkpoints)}
        return {views: ratio_of(*pair)._asdict() for views, pair in pairs.items() if all(pair)}

    def _regrets(self, field: Field) -> Table:
        """By checkpoint and learner, that of the better settings; and that of uniform slates."""
        table: Table = {str(views): {} for views in self.checkpoints}
        for at, rows in enumerate(table.values()):
            for entry in self._racers(field):
                if lost := self._lost(entry, at):
                    end = mean_of([run.course.per_view[at] for run in self._seeds(entry)])._asdict()
                    row = mean_of(lost)._asdict() | {"per_view_at_end": end, "settings": dict(entry.options)}
                    if label(entry) not in rows or row["mean"] < rows[label(entry)]["mean"]:
                        rows[label(entry)] = row
            rows["uniform"] = mean_of([run.course.uniform[at] for run in self._seeds(self.ours(field))])._asdict()
        return table

    def _ratios(self, field: Field, own: Entry) -> Table:
        """Ratios to the peer that lost least."""
        ratios: Table = {}
        for at, views in enumerate(self.checkpoints):
            rivals = {e: lost for e in self._racers(field) if e.name in PEERS and (lost := self._lost(e, at))}
            if rivals and self._lost(own, at):
                best = min(rivals, key=lambda entry: float(np.mean(rivals[entry])))
                ratio = ratio_of(self._lost(own, at), rivals[best])._asdict()
                ratios[str(views)] = ratio | {"peer": label(best), "settings": dict(best.options)}
        return ratios

    def _to_informed(self, field: Field) -> Table:
        return self._compared(self.ours(field), self.informed(field))

    def _delayed(self, field: Field) -> Table:
        return self._compared(self.ours(field, self.delay), self.ours(field)) if self.delay else {}

    def _flicker(self, field: Field) -> Table:
        """Shares of slots that change per refresh; None where no refresh was of that kind."""
        runs = [run.flicker for run in self._seeds(self.ours(field))]
        return {
            str(views): {
                kind: None if any(np.isnan(shares)) else mean_of(shares)._asdict()
                for kind, shares in zip(Flicker._fields, zip(*(run[at] for run in runs), strict=True), strict=True)
            }
            for at, views in enumerate(self.checkpoints)
        }

    def _covered(self, field: Field) -> Table:
        return self._means(lambda at: [run.covered[at] for run in self._seeds(self.ours(field))])

    def _stopped(self, field: Field) -> Table:
        """Of each peer that did not race whole: the page views that it came to, at least, and how many in a second."""
        by_label: dict[str, list[Run]] = {}
        for (entry, _), run in {**self.tuned, **self.runs}.items():
            if (entry.shape, entry.text) == (field.shape, field.text) and entry.name in PEERS:
                by_label.setdefault(label(entry), []).append(run)
        whole = self._regrets(field)[str(self.checkpoints[-1])]
        table: Table = {}
        for name, runs in by_label.items():
            cut = [run for run in runs if run.course.views not in self.checkpoints] or runs
            if name not in whole:
                views = [run.course.views for run in cut]
                rate = sum(views) / sum(run.seconds for run in cut)
                table[name] = {"page_views": min(views), "page_views_per_s": rate}
        return table

    def _of_texts(self, fields: Sequence[Field]) -> Table:
        """What is lost with text vectors, over what is lost without."""
        pair = sorted(fields, key=lambda field: not field.text)
        if len(pair) < 2 or pair[0].alike:
            return {name: {} for name in ("ratio_to_without_texts", *FIRST_DAYS)}
        ratios = {name: self._saved(pair, since=since) for name, since in FIRST_DAYS.items()}
        return {"ratio_to_without_texts": self._compared(self.ours(pair[0]), self.ours(pair[1]))} | ratios

    def _young(self, field: Field, at: int) -> list[float]:
        """Clicks lost by items in their first day, by seed, in order."""
        return [run.course.first_day[at] for run in self._seeds(self.ours(field))]

    def _young_since(self, field: Field, at: int) -> list[float]:
        """The same since the checkpoint before."""
        until = self._young(field, at)
        before = self._young(field, at - 1) if at else [0.0] * len(until)
        return [now - then for now, then in zip(until, before, strict=True)]

    def _saved(self, pair: Sequence[Field], *, since: bool) -> Table:
        """What items in their first day lose with text vectors, over what they lose without."""
        lost = self._young_since if since else self._young
        ratios: Table = {}
        for at, views in enumerate(self.checkpoints):
            with_text, without_text = (lost(field, at) for field in pair)
            if sum(without_text) > max(without_text):
                ratios[str(views)] = ratio_of_sums(with_text, without_text)._asdict()
        return ratios


FIRST_DAYS = {"first_day_regret_ratio": False, "first_day_regret_ratio_since": True}
"""Figures of items in their first day, and whether they begin at the checkpoint before."""


def label(entry: Entry) -> str:
    """How an entry is called, whatever its settings."""
    return entry.name if entry.corrected else f"{entry.name}, uncorrected"


def _first(pair: tuple[int, Run]) -> int:
    return pair[0]
