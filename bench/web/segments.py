"""What learned segments cost: a fit to a large sample of visitors, the model it publishes, and a renderer's choice.

Visitors have one of a few tastes each, and look at items that are popular as in a catalog with a long tail.  They
go through the sample of the fitter, in the order in which they look.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.web.renderer import per_call_us
from policy.segments.fitting import ItemFacts, Published, fit_segments
from policy.segments.rule import choose_segment
from streams.fitter.segments.records import records_of
from streams.fitter.segments.sample import Seen, UnitSample, votes
from streams.fitter.view_sample import unit_hash

VOTES_EACH = 8.5
OWN = 1.0
"""The standard deviation of what tastes differ by, on the logit scale."""
CHOOSERS = 2_000
AT_A_TIME = 100_000
"""Page views whose items are drawn together."""


@dataclass(frozen=True, slots=True)
class Segments:
    """A fit to `visitors` with `votes`: seconds of a processor, the process's largest memory in GB, MB as JSON.

    `sample_s` is what taking the views in took, `again_s` the fit that starts from this one, `choose_us` one choice.
    """

    visitors: int
    votes: int
    items: int
    segments: int
    items_with_points: int
    sample_s: float
    fit_s: float
    again_s: float
    memory_gb: float
    model_mb: float
    choose_us: float


def measure(visitors: int, items: int, tastes: int, rounds: int, say: Callable[[str], None]) -> Segments:
    """Fit the segments of simulated visitors twice, as the fitter does, and choose a segment for some of them."""
    names = [f"item-{number:06d}" for number in range(items)]
    sample = UnitSample(visitors)
    say("taking in what visitors look at")
    began = time.process_time()
    for seen in _views(visitors, names, tastes):
        sample.see(seen)
    sample_s = time.process_time() - began
    looked_at = sample.looked_at()
    say("fitting segments")
    published, fit_s, count = _fitted(looked_at, names, None, tastes)
    say("fitting them again")
    published, again_s, _ = _fitted(looked_at, names, published, tastes)
    records = records_of(*published, parts_before=0)
    of_topic = sum(len(record.value or b"") for record in records if record.topic == records[0].topic)
    return Segments(
        visitors=len(sample),
        votes=count,
        items=items,
        segments=len(published.model.names),
        items_with_points=len(published.points),
        sample_s=round(sample_s, 1),
        fit_s=round(fit_s, 1),
        again_s=round(again_s, 1),
        memory_gb=round(_most_memory() / 1e9, 2),
        model_mb=round(of_topic / 1e6, 2),
        choose_us=_choice_us(published, looked_at[0][:CHOOSERS], rounds),
    )


def _views(visitors: int, names: list[str], tastes: int) -> Iterator[Seen]:
    """What visitors look at, one after another: on average VOTES_EACH items each."""
    rng = np.random.default_rng(1)
    taste_of = rng.integers(0, tastes, visitors)
    popular = -0.8 * np.log(np.arange(len(names)) + 10.0)
    weights = np.exp(popular + rng.normal(0.0, OWN, (tastes, len(names))))
    chances = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    hashes = [unit_hash(f"visitor-{number}".encode()) for number in range(visitors)]
    left = int(VOTES_EACH * visitors)
    while left > 0:
        units, drawn = rng.integers(0, visitors, min(left, AT_A_TIME)), rng.random(min(left, AT_A_TIME))
        rows = np.empty(len(units), dtype=np.intp)
        for taste in range(tastes):
            own = taste_of[units] == taste
            rows[own] = np.searchsorted(chances[taste], drawn[own])
        for unit, row in zip(units.tolist(), np.minimum(rows, len(names) - 1).tolist(), strict=True):
            yield Seen(hashes[unit], names[row], 1_000, {})
        left -= AT_A_TIME


def _fitted(
    looked_at: tuple[list[list[str]], dict[str, list[str]]], names: list[str], before: Published | None, tastes: int
) -> tuple[Published, float, int]:
    began = time.process_time()
    facts = ItemFacts(dict.fromkeys(names, ""))
    own = votes(looked_at, facts.texts)
    published = fit_segments(own, facts, before, tastes, 1_000, np.random.default_rng(1))
    return published, time.process_time() - began, len(own.items)


def _choice_us(published: Published, visitors: list[list[str]], rounds: int) -> float:
    model, points = published
    current = model.names[0] if model.names else ""

    def choosing() -> None:
        for looked_at in visitors:
            choose_segment(model, points, looked_at, current)

    return per_call_us(choosing, len(visitors), rounds, time.process_time)


def _most_memory() -> int:
    """Bytes of this process at most; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
