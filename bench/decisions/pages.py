"""How many clicks a page of shelves loses while it is learned which shelf belongs in which row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bench.decisions.page_timing import compose_ms
from bench.decisions.tables import reach_of
from policy.simulation.means import mean_of, ratio_of
from policy.simulation.pages.learners import FixedOrder, Joint, PageLearner, RowWise
from policy.simulation.pages.race import PageCourse, opened, race
from policy.simulation.pages.world import PAGES, PageWorld
from reshelf.processes.parallel import counted, mapped

LEARNERS: Mapping[str, Callable[[PageWorld], PageLearner]] = {
    "reshelf": Joint,
    "fixed_order": FixedOrder,
    "row_wise_by_segment": RowWise,
    "row_wise_by_page": lambda world: RowWise(world, by="page"),
}
VOWPAL = "vw-cb-explore-adf"
OURS, FIXED = "reshelf", "fixed_order"
ROW_WISE = ("row_wise_by_segment", "row_wise_by_page")
"""The better of both is compared with, chosen by its mean at each number of page views."""

Table = dict[str, Any]


def compare(
    views: Sequence[int],
    seeds: int,
    processes: int,
    say: Callable[[str, int, int], None] = lambda what, done, total: None,
    names: Sequence[str] = tuple(PAGES),
    peers: Sequence[str] = (),
) -> Table:
    """Regret and ratios on these pages; figures of the first one stand above those of the others.

    `peers` are the libraries that take part beside the learners that always do: `VOWPAL`, or none.
    """
    learners = (*LEARNERS, *peers)
    tasks = [(name, learner, seed, tuple(views)) for name in names for seed in range(seeds) for learner in learners]
    tell = counted(say, "pages", len(tasks))
    courses = dict(zip(tasks, mapped(_run, tasks, processes, tell), strict=True))
    pages = {name: figures({learner: _seeds(courses, name, learner) for learner in learners}, views) for name in names}
    page = {**pages[names[0]], **compose_ms(), "pages": pages}
    return {"page_views": list(views), "seeds": seeds, "shops": {"page": page}}


def _run(task: tuple[str, str, int, tuple[int, ...]]) -> PageCourse:
    name, learner, seed, views = task
    world, visits = opened(PAGES[name], seed)
    return race(world, _vowpal(world) if learner == VOWPAL else LEARNERS[learner](world), views, visits)


def _vowpal(world: PageWorld) -> PageLearner:
    from bench.decisions.peers.vowpal_pages import RowByRow

    return RowByRow(world)


def _seeds(
    courses: Mapping[tuple[str, str, int, tuple[int, ...]], PageCourse], name: str, learner: str
) -> list[PageCourse]:
    return [course for (page, who, _, _), course in courses.items() if (page, who) == (name, learner)]


def figures(courses: Mapping[str, Sequence[PageCourse]], views: Sequence[int]) -> Table:
    """What the courses of each learner say of a page, by page views; with intervals over seeds."""
    regret: Table = {}
    ratios: dict[str, Table] = {"ratio_to_fixed_order": {}, "ratio_to_row_wise": {}}
    for at, count in enumerate(views):
        lost = {learner: [course.regret[at] for course in own] for learner, own in courses.items()}
        regret[str(count)] = {learner: mean_of(shares)._asdict() for learner, shares in lost.items()}
        best = min(ROW_WISE, key=lambda learner: float(np.mean(lost[learner])))
        ratios["ratio_to_fixed_order"][str(count)] = ratio_of(lost[OURS], lost[FIXED])._asdict()
        ratios["ratio_to_row_wise"][str(count)] = ratio_of(lost[OURS], lost[best])._asdict() | {"peer": best}
        if VOWPAL in lost:
            ratios.setdefault("ratio_to_vowpal", {})[str(count)] = ratio_of(lost[OURS], lost[VOWPAL])._asdict()
    moved = {learner: mean_of([course.moved for course in own])._asdict() for learner, own in courses.items()}
    still = {learner: mean_of([course.constant for course in own])._asdict() for learner, own in courses.items()}
    return {"regret": regret, **ratios, "rows_moved": moved, "rows_moved_at_constant_state": still}


def text_of(content: Table) -> str:
    """The answer as a table."""
    lines = [
        f"{'page':<14}{'page views':>10}  {'lost':>6} {'fixed':>6} {'by row':>6}  {'to the fixed order':<24}to row-wise"
    ]
    for name, page in content["shops"]["page"]["pages"].items():
        for views, regret in page["regret"].items():
            fixed, row_wise = page["ratio_to_fixed_order"][views], page["ratio_to_row_wise"][views]
            means = [regret[learner]["mean"] for learner in (OURS, FIXED, row_wise["peer"])]
            shares = " ".join(f"{mean:>6.1%}" for mean in means)
            lines.append(f"{name:<14}{int(views):>10,}  {shares}  {reach_of(fixed):<24}{reach_of(row_wise)}")
            if VOWPAL in regret:
                of_vowpal = f"Vowpal Wabbit lost {regret[VOWPAL]['mean']:.1%}, ratio to it"
                lines.append(f"{'':<26}{of_vowpal} {reach_of(page['ratio_to_vowpal'][views])}")
        moved = page["rows_moved"][OURS]["mean"]
        lines.append(f"{name:<14}rows with another shelf after a refresh, at the end: {moved:.1%}")
    whole, items = (content["shops"]["page"][name] for name in ("compose_ms", "items_ms"))
    lines.append(f"a page of 12 rows of 6, 16 slates, of 1,000 items: {whole:.1f} ms, items alone {items:.1f} ms")
    lines.append(f"lost: expected clicks, as a share of those of the best pages; means of {content['seeds']} pages")
    lines.append("by row: Thompson sampling on click rates of shelves in rows, by segment or not, whichever lost less")
    return "\n".join(lines)
