"""A whole contest: peers are tuned, then they and the policy race on the same seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.decisions.contest import DEFAULTS, Entry, Run, as_raced, best_settings, peers, runs
from bench.decisions.figures import Field, Figures
from policy.simulation.learned import Setup
from reshelf.processes.parallel import counted

TUNING_SEEDS = 1_000
"""Seeds of tuning begin here: no shop is both tuned on and raced in."""


@dataclass(frozen=True, slots=True)
class Contest:
    """What is run: a race of a peer ends after `limit_s` seconds of processor time, or is whole with 0.

    With `bound` the informed learner races too, where its models fit.  Finished races are kept in `folder`.
    """

    fields: Sequence[Field]
    names: Sequence[str]
    checkpoints: tuple[int, ...]
    seeds: int
    tuning_seeds: int
    processes: int
    delay: int
    limit_s: float = 0.0
    bound: bool = False
    setup: Setup = DEFAULTS
    folder: Path | None = None
    say: Callable[[str, int, int], None] = lambda what, done, total: None

    def hold(self) -> dict[str, Any]:
        """Run all of it; the answer has plain values alone."""
        tuning = range(TUNING_SEEDS, TUNING_SEEDS + self.tuning_seeds)
        open_fields = [field for field in self.fields if not field.alike]
        entries = [entry for field in open_fields for entry in peers(field.shape, self.names, text=field.text)]
        tuned = self._run("tuning peers", dict.fromkeys(entries, len(self.checkpoints)), tuning)
        reach = dict.fromkeys(self._own(), len(self.checkpoints))
        for field in open_fields:
            at_home = {(e, seed): run for (e, seed), run in tuned.items() if (e.shape, e.text) == field[1:]}
            reach |= best_settings(at_home)
        figures = self._figures(self._run("racing", reach, range(self.seeds)), tuned)
        shops = dict.fromkeys(field.shop for field in self.fields)
        return {
            "page_views": list(self.checkpoints),
            "seeds": self.seeds,
            "shops": {name: figures.of([field for field in self.fields if field.shop == name]) for name in shops},
        }

    def _figures(self, raced: Mapping[tuple[Entry, int], Run], tuned: Mapping[tuple[Entry, int], Run]) -> Figures:
        return Figures(self.checkpoints, self.delay, self.setup, self.bound, raced, tuned)

    def _own(self) -> list[Entry]:
        """The policy in all fields, and the informed learner where it fits."""
        figures = self._figures({}, {})
        entries: list[Entry] = []
        for field in self.fields:
            delays = {0, self.delay} if not field.alike else {0}
            entries += [figures.ours(field, delay) for delay in sorted(delays)]
            if self.bound and not field.alike and not field.shape.misfit():
                entries.append(figures.informed(field))
        return entries

    def _run(self, what: str, reach: Mapping[Entry, int], seeds: Sequence[int]) -> dict[tuple[Entry, int], Run]:
        """Those that go furthest first, so that no process is left with a long one at the end."""
        results: dict[tuple[Entry, int], Run] = {}
        total = len({as_raced(entry) for entry in reach}) * len(seeds)
        for far in sorted(set(reach.values()), reverse=True):
            tasks = [(entry, seed) for entry, length in reach.items() if length == far for seed in seeds]
            tell = counted(self.say, what, total, len({(as_raced(entry), seed) for entry, seed in results}))
            results |= runs(tasks, self.checkpoints[:far], self.processes, tell, self.limit_s, self.folder)
        return results
