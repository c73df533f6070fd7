"""Shops whose goods are told apart by their pictures: how many clicks new items lose with pictures, texts, both, none.

Pictures are drawn (`bench.encoding.drawing`) and go through the encoder's own default model.  Their shape,
colour and pattern drive what is clicked; texts tell nothing, or as much of another half of it.  Beside the policy
stand two bounds, which are told how much of it pictures tell (`policy.simulation.informed`): one has their vectors,
the other what they show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from bench.decisions.tables import reach_of
from bench.encoding.drawing import HUES, PATTERNS, SHAPES, Look, picture
from policy.arrays import Floats, Indices
from policy.model.directions import directions_of
from policy.simulation.informed import Informed
from policy.simulation.learned import Learned, Setup
from policy.simulation.means import ratio_of_sums
from policy.simulation.race import opened, race
from policy.simulation.shop import Shape, Shop
from reshelf.processes.parallel import counted, mapped

SHAPE = Shape(segments=4, items=100, views_per_day=6_000, new=0.2, text_share=0.8)
"""Small, with many new items, so that few shops say much: as where texts are measured (docs/concepts/decisions.md)."""
WORLDS = {"texts_tell_nothing": False, "texts_tell_as_much": True}
KNOWN = {"none": (False, False), "texts": (True, False), "pictures": (False, True), "both": (True, True)}
"""Whether texts and whether pictures are looked at."""
BOUNDS = "told_vectors", "told_looks"
"""They have texts, too, where these tell something."""
BETTER = "better"
RATIOS = {
    "pictures_to_none": ("pictures", "none"),
    "texts_to_none": ("texts", "none"),
    "both_to_the_better": ("both", BETTER),
    **{f"{bound}_to_{beside}": (bound, beside) for bound in BOUNDS for beside in ("none", BETTER)},
}
"""What is divided by what."""
POOL = 360
"""Pictures that are drawn and encoded; the items of all shops are among them."""
Task = tuple[str, int, str]


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """What pictures show, float64[P, 15] with a column for each shape, hue and pattern, and their vectors [P, D]."""

    design: Floats
    vectors: Floats


def drawn(count: int = POOL, seed: int = 7) -> Pool:
    """Pictures of all looks by turns, encoded; vectors have the coordinates of the space that they span."""
    from encoders.pictures.encoder import PictureEncoder
    from encoders.pictures.model import load_pictures

    rng = np.random.default_rng(seed)
    numbers = np.arange(count)
    looks = np.stack([numbers % len(SHAPES), numbers // len(SHAPES) % len(HUES), numbers // 30 % len(PATTERNS)], axis=1)
    contents = [picture(Look(*look), rng) for look in looks.tolist()]
    vectors = PictureEncoder(load_pictures(device="auto", dtype="float32")).encode(contents).vectors.astype(np.float64)
    parts = [np.eye(len(kinds))[looks[:, at]] for at, kinds in enumerate((SHAPES, HUES, PATTERNS))]
    return Pool(np.concatenate(parts, axis=1), vectors @ np.linalg.qr(vectors.T).Q)


def pictured(shop: Shop, pool: Pool, texts_tell: bool) -> dict[str, Floats]:
    """Let items look like some of the pool, and be attractive by that; what each bound is told of them, [U, D]."""
    rows: Indices = shop.world.integers(0, len(pool.design), len(shop.items))
    shop.pictures = pool.vectors[rows]
    shown = shop.pictures @ directions_of(shop.pictures), pool.design[rows]
    texts = [_centred(shop.vectors)] if texts_tell else []
    designs = {
        bound: np.concatenate([_centred(each), *texts], axis=1) for bound, each in zip(BOUNDS, shown, strict=True)
    }
    shop.predict_from(designs["told_looks"])
    return designs


def _centred(values: Floats) -> Floats:
    """Around their mean, with the mean square sum 1."""
    centred = values - values.mean(axis=0)
    return np.asarray(centred / np.sqrt(np.square(centred).sum(axis=1).mean()), dtype=np.float64)


def compare(
    views: Sequence[int], seeds: int, processes: int, setup: Setup, say: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """Clicks lost by items in their first day, by what texts tell and what is looked at, and their ratios."""
    tasks: list[Task] = [
        (world, seed, learner) for world in WORLDS for seed in range(seeds) for learner in (*KNOWN, *BOUNDS)
    ]
    tell = counted(say, "shops of pictures", len(tasks))
    run = partial(lost_in_first_days, pool=drawn(), views=views, setup=setup)
    results = dict(zip(tasks, mapped(run, tasks, processes, tell), strict=True))
    content: dict[str, Any] = {"seeds": seeds, "page_views": list(views)}
    for world in WORLDS:
        lost = {each: [results[world, seed, each] for seed in range(seeds)] for each in (*KNOWN, *BOUNDS)}
        content[world] = _figures({learner: np.array(shops) for learner, shops in lost.items()})
    return content


def lost_in_first_days(task: Task, pool: Pool, views: Sequence[int], setup: Setup) -> tuple[float, ...]:
    """By one learner in one shop, until each number of page views."""
    world, seed, learner = task
    shop = opened(SHAPE, seed, views[-1])
    designs = pictured(shop, pool, WORLDS[world])
    if learner in designs:
        return race(shop, Informed(shop, setup.choice.exploration, seed, design=designs[learner]), views).first_day
    text, pictures = KNOWN[learner]
    return race(shop, Learned(SHAPE, replace(setup, text=text, pictures=pictures)), views).first_day


def _figures(lost: dict[str, Floats]) -> dict[str, Any]:
    """From clicks lost by shop and checkpoint, float64[N, C], with what is looked at."""
    mean = {learner: each.mean(axis=0) for learner, each in lost.items()}
    better = np.where(mean["texts"] < mean["pictures"], lost["texts"], lost["pictures"])
    beside = {**lost, BETTER: better}
    return {
        "first_day_regret": {learner: each.round(1).tolist() for learner, each in mean.items()},
        **{name: _ratios(beside[above], beside[below]) for name, (above, below) in RATIOS.items()},
    }


def _ratios(lost: Floats, to: Floats) -> list[dict[str, float] | None]:
    """By checkpoint, with intervals over shops; None where nothing was lost: no item was in its first day yet."""
    return [_ratio(a, b) if b.sum() else None for a, b in zip(lost.T, to.T, strict=True)]


def _ratio(lost: Floats, to: Floats) -> dict[str, float]:
    """One shop says nothing of how far its ratio may be off."""
    if np.count_nonzero(to) < 2:
        return {"mean": round(float(lost.sum() / to.sum()), 3)}
    return {name: round(value, 3) for name, value in ratio_of_sums(lost.tolist(), to.tolist())._asdict().items()}


def text_of(content: dict[str, Any]) -> str:
    """The comparison as text."""
    lines = [f"Clicks lost by items in their first day, after {content['page_views']} page views:"]
    for world in WORLDS:
        part = content[world]
        lines.append(_spelt(world))
        lines += [f"  {_spelt(learner):<14}{regret}" for learner, regret in part["first_day_regret"].items()]
        lines += [f"  {_spelt(ratio)}: {', '.join(_in_words(each) for each in part[ratio])}" for ratio in RATIOS]
    lines.append(f"{content['seeds']} shops, with 95 % intervals; the better is that of texts and pictures alone")
    return "\n".join(lines)


def _spelt(name: str) -> str:
    return name.replace("_", " ")


def _in_words(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return "nothing lost"
    return reach_of(ratio) if "low" in ratio else f"{ratio['mean']:.2f}"
