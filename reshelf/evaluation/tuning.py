"""`reshelf tune`: settings of the policy raced against each other in simulated shops.

All settings are raced in the same shops, so that they are compared within each.
The answer depends on the seeds alone, not on the number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from policy.simulation.learned import Learned, Setup
from policy.simulation.means import mean_of, ratio_of
from policy.simulation.race import opened, race
from policy.simulation.search import Among, Between, Space, Trial, Value, drawn, grid
from policy.simulation.shop import Shape
from reshelf.processes.parallel import mapped
from reshelf.settings import load_settings
from reshelf.terminal.progress import Begin
from schemas.errors import BadSettings
from schemas.messages.pages import PolicyChoice
from schemas.topics import DAY_MS

OF_LAYOUTS = ("exploration", "click_rate", "strength", "half_life_ms", "drift")
OF_PAGES = ("name", "variants", "exploration", "epsilon", "exploration_slates")
TRIED = tuple([f"layouts.{name}" for name in OF_LAYOUTS] + [f"policy.{name}" for name in OF_PAGES])
"""Settings that matter to what is lost: those of `layouts`, and the policy of a page's rules."""
WHOLE = ("layouts.half_life_ms", "policy.variants", "policy.exploration_slates")


@dataclass(frozen=True, slots=True)
class Plan:
    """In which shops is raced, how far, and whether text vectors are known there."""

    shape: Shape
    views: int
    seeds: int
    first_seed: int = 0
    delay: int = 0
    text: bool = True
    processes: int = 1

    def numbers(self, part: int = 0) -> list[int]:
        """Seeds of the shops; those of another `part` are other shops."""
        first = self.first_seed + part * self.seeds
        return list(range(first, first + self.seeds))


@dataclass(frozen=True, slots=True)
class _Race:
    setup: Setup
    seed: int
    plan: Plan


def declared(texts: Sequence[str]) -> Space:
    """`NAME=1,2,3` or `NAME=LOW..HIGH` as what may be tried; raises `BadSettings`."""
    space: dict[str, Among | Between] = {}
    for text in texts:
        name, is_, values = text.partition("=")
        if name not in TRIED or not is_ or name in space:
            raise BadSettings(
                f"--try: expected NAME=VALUES, each of these names once: {', '.join(TRIED)}; got {text!r}"
            )
        space[name] = _range(name, values) if ".." in values else Among(tuple(map(_value, values.split(","))))
    return space


def trials(space: Space, samples: int, seed: int) -> list[Trial]:
    """The grid, or with `samples` so many drawn at random; raises `BadSettings` for a grid of ranges."""
    if samples:
        return drawn(space, samples, np.random.default_rng([seed, 2]))
    among = {name: choice for name, choice in space.items() if isinstance(choice, Among)}
    if ranges := [name for name in space if name not in among]:
        raise BadSettings(f"--try: {', '.join(ranges)} is a range: add --samples N, or list the values")
    return grid(among)


def setup_of(file: Path | None, trial: Trial, *, text: bool = True) -> Setup:
    """The settings in effect with those of a trial instead; raises `BadSettings` where they are not allowed."""
    values = dict(trial)
    layouts = load_settings(file, {name: values[name] for name in values if name.startswith("layouts.")}, "--try")
    own = layouts.settings.layouts
    try:
        policy = {name.partition(".")[2]: value for name, value in trial if name.startswith("policy.")}
        choice = msgspec.convert(policy, PolicyChoice)
    except msgspec.ValidationError as error:
        raise BadSettings(f"--try: policy: {error}") from None
    return Setup(
        choice=msgspec.structs.replace(choice, exploration=choice.exploration * own.exploration),
        click_rate=own.click_rate,
        strength=own.strength,
        half_life_days=own.half_life_ms / DAY_MS,
        drift=own.drift,
        text=text,
    )


def tune(plan: Plan, file: Path | None, tried: Sequence[Trial], begin: Begin) -> dict[str, Any]:
    """Race all trials and the settings in effect; the ranking, least lost first, as plain values.

    The best of many looks better than it is, as it was chosen by what it lost here.
    So where it is not the settings in effect, both are raced again in as many other shops.
    """
    entries: list[Trial] = list(dict.fromkeys([(), *tried]))
    setups = {trial: setup_of(file, trial, text=plan.text) for trial in entries}
    lost = _raced(plan, setups, plan.numbers(), begin)
    order = sorted(entries, key=lambda trial: float(np.mean(lost[trial])))
    best, again = order[0], None
    if best:
        losses = _raced(plan, {setup: setups[setup] for setup in ((), best)}, plan.numbers(1), begin)
        again = _row(best, losses) | {"seeds": plan.numbers(1)}
    return {
        "page_views": plan.views,
        "delay": plan.delay,
        "embeddings": plan.text,
        "shop": asdict(plan.shape),
        "seeds": plan.numbers(),
        "ranking": [_row(trial, lost) for trial in order],
        "best_again": again,
    }


def _raced(plan: Plan, setups: Mapping[Trial, Setup], seeds: Sequence[int], begin: Begin) -> dict[Trial, list[float]]:
    """Clicks lost by each trial in the shop of each seed."""
    races = [_Race(setup, seed, plan) for setup in setups.values() for seed in seeds]
    advance = begin(len(races), "races")
    losses = mapped(_lost, races, min(plan.processes, len(races)), lambda: advance(1))
    return {trial: losses[at * len(seeds) : (at + 1) * len(seeds)] for at, trial in enumerate(setups)}


def _lost(task: _Race) -> float:
    plan = task.plan
    shop = opened(plan.shape, task.seed, plan.views)
    return race(shop, Learned(plan.shape, task.setup), [plan.views], plan.delay).regret[-1]


def _row(trial: Trial, lost: Mapping[Trial, Sequence[float]]) -> dict[str, Any]:
    """A trial's regret, and its ratio to that of the settings in effect; none where nothing was lost."""
    ours, theirs = lost[trial], lost[()]
    fit = min(*ours, *theirs) > 0.0
    return {
        "settings": dict(trial),
        "current": not trial,
        "regret": mean_of(ours)._asdict(),
        "ratio_to_current": ratio_of(ours, theirs)._asdict() if fit else None,
    }


def _range(name: str, text: str) -> Between:
    low, high = (_value(part) for part in text.split("..", 1))
    if isinstance(low, str) or isinstance(high, str) or not low < high:
        raise BadSettings(f"--try {name}: expected LOW..HIGH, two ascending numbers, got {text!r}")
    return Between(low, high, name in WHOLE)


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
