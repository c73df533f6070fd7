"""What learned segments are worth: clicks lost with them, against those lost with one segment for all visitors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace as replace_fields

from bench.decisions.races import finished
from bench.decisions.tables import reach_of
from policy.simulation.learned import Setup
from policy.simulation.means import mean_of, ratio_of
from policy.simulation.tastes import WORLDS, Tastes, open_tastes, race_tastes
from reshelf.processes.parallel import counted, mapped

LEARNED, INFORMED = "learned", "informed"
"""The learners with segments, of which one is told the tastes; all others have one for all."""
SEGMENTED = LEARNED, INFORMED
MOST_TASTES = 12
"""In worlds with more there is no segment for each."""
Table = dict[str, Any]
Task = tuple[str, str, Setup, int, int, tuple[int, ...], int | None]


def compare(
    views: Sequence[int],
    seeds: int,
    processes: int,
    setup: Setup,
    units: int = 5_000,
    elsewhere: int | None = None,
    worlds: Sequence[str] = (),
    folder: Path | None = None,
    bound: bool = False,
    say: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Table:
    """Ratios of lost clicks in these worlds, by page views; those of the first world stand above the others'.

    With one segment it is explored as much and half as much, and the ratio is to what loses less.
    No worlds are all of them.  `elsewhere` is how many items a visitor looks at beside each page view, None: as the
    world has it.  Finished races are kept in `folder`.  With `bound` a learner takes part that is told the tastes, and
    not which visitor has which, where tastes can be told.
    """
    worlds = tuple(dict.fromkeys(worlds)) or tuple(WORLDS)
    calm = replace(setup, choice=replace_fields(setup.choice, exploration=setup.choice.exploration / 2.0))
    learners = {LEARNED: setup, "one": setup, "one, half as much": calm}
    if bound:
        learners[INFORMED] = setup
    tasks: list[Task] = [
        (world, name, own, units, seed, tuple(views), elsewhere)
        for world in worlds
        for seed in range(seeds)
        for name, own in learners.items()
        if name != INFORMED or _can_be_told(WORLDS[world])
    ]
    tell = counted(say, "tastes", len(tasks))
    results = dict(zip(tasks, mapped(finished(_run, folder, list[float]), tasks, processes, tell), strict=True))
    by_world = {
        world: figures(
            {
                name: courses
                for name in learners
                if (courses := [lost for task, lost in results.items() if task[:2] == (world, name)])
            },
            views,
        )
        for world in worlds
    }
    tastes = {**by_world[worlds[0]], "worlds": by_world}
    return {"page_views": list(views), "seeds": seeds, "visitors": units, "shops": {"tastes": tastes}}


def _run(task: Task) -> list[float]:
    world, name, setup, units, seed, views, elsewhere = task
    tastes = WORLDS[world] if elsewhere is None else replace(WORLDS[world], elsewhere=elsewhere)
    shop = open_tastes(tastes, units, seed, views[-1])
    return race_tastes(
        shop, replace(setup, text=False), views, segmented=name in SEGMENTED, seed=seed, informed=name == INFORMED
    )


def _can_be_told(tastes: Tastes) -> bool:
    return 1 < tastes.count <= MOST_TASTES and not tastes.new and not tastes.drift


def figures(lost: Mapping[str, Sequence[Sequence[float]]], views: Sequence[int]) -> Table:
    """Lost clicks of each learner, and the ratio to the better one with one segment, with intervals over seeds."""
    regret: Table = {}
    ratios: Table = {}
    bounds: Table = {}
    for at, count in enumerate(views):
        now = {name: [course[at] for course in courses] for name, courses in lost.items()}
        regret[str(count)] = {name: mean_of(losses)._asdict() for name, losses in now.items()}
        best = min((name for name in now if name not in SEGMENTED), key=lambda name: float(np.mean(now[name])))
        ratios[str(count)] = ratio_of(now[LEARNED], now[best])._asdict() | {"peer": best}
        if INFORMED in now:
            bounds[str(count)] = ratio_of(now[INFORMED], now[best])._asdict()
    return {"ratio_to_one_segment": ratios, "informed_to_one_segment": bounds, "regret": regret}


def text_of(content: Table) -> str:
    """The answer as a table."""
    lines = [f"{'world':<16}{'page views':>10}  clicks lost, to one segment for all"]
    for world, figures_of in content["shops"]["tastes"]["worlds"].items():
        for views, ratio in figures_of["ratio_to_one_segment"].items():
            bound = figures_of["informed_to_one_segment"].get(views)
            beside = f"; told the tastes {reach_of(bound)}" if bound else ""
            lines.append(f"{world:<16}{int(views):>10,}  {reach_of(ratio)}{beside}")
    lines.append(f"means of {content['seeds']} shops of {content['visitors']:,} visitors, with 95 % intervals")
    return "\n".join(lines)
