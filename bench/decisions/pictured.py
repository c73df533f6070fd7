"""Shops whose goods are told apart by their pictures: how many clicks new items lose with pictures, texts, both, none.

Pictures are drawn (`bench.encoding.drawing`) and go through the encoder's own default model.  Their shape,
colour and pattern drive what is clicked; texts tell nothing, or as much of another half of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.encoding.drawing import HUES, PATTERNS, SHAPES, Look, picture
from encoders.pictures.encoder import PictureEncoder
from encoders.pictures.model import load_pictures
from policy.arrays import Floats, Indices
from policy.simulation.learned import Learned, Setup
from policy.simulation.means import ratio_of_sums
from policy.simulation.race import opened, race
from policy.simulation.shop import Shape, Shop

SHAPE = Shape(segments=8, items=120, views_per_day=12_000, new=0.1, text_share=0.8)
KNOWN = {"none": (False, False), "texts": (True, False), "pictures": (False, True), "both": (True, True)}
"""Whether texts and whether pictures are looked at."""
RATIOS = {
    "pictures_to_none": "pictures to none",
    "texts_to_none": "texts to none",
    "both_to_the_better": "both to the better of the two",
}
POOL = 360
"""Pictures that are drawn and encoded; the items of all shops are among them."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """What pictures show, float64[P, 15] with a column for each shape, hue and pattern, and their vectors [P, D]."""

    design: Floats
    vectors: Floats


def drawn(count: int = POOL, seed: int = 7) -> Pool:
    """Pictures of all looks by turns, encoded."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(count)
    looks = np.stack([numbers % len(SHAPES), numbers // len(SHAPES) % len(HUES), numbers // 30 % len(PATTERNS)], axis=1)
    contents = [picture(Look(*look), rng) for look in looks.tolist()]
    vectors = PictureEncoder(load_pictures(device="auto", dtype="float32")).encode(contents).vectors
    parts = [np.eye(len(kinds))[looks[:, at]] for at, kinds in enumerate((SHAPES, HUES, PATTERNS))]
    return Pool(np.concatenate(parts, axis=1), vectors.astype(np.float64))


def pictured(shop: Shop, pool: Pool, texts_tell: bool) -> Shop:
    """The shop, whose items look like some of the pool, and are attractive by that."""
    rows: Indices = shop.world.integers(0, len(pool.design), len(shop.items))
    shop.pictures = pool.vectors[rows]
    looks = pool.design[rows] - pool.design[rows].mean(axis=0)
    looks /= np.sqrt(np.square(looks).sum(axis=1).mean())
    texts = shop.vectors - shop.vectors.mean(axis=0)
    texts /= np.sqrt(np.square(texts).sum(axis=1).mean())
    shop.predict_from(np.concatenate([looks, texts], axis=1) if texts_tell else looks)
    return shop


def compare(views: Sequence[int], seeds: int, setup: Setup, say: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Clicks lost by items in their first day, by what texts tell and what is looked at, and their ratios."""
    pool = drawn()
    content: dict[str, Any] = {"seeds": seeds, "page_views": list(views)}
    for name, texts_tell in (("texts_tell_nothing", False), ("texts_tell_as_much", True)):
        lost = {inputs: np.zeros((seeds, len(views))) for inputs in KNOWN}
        for seed in range(seeds):
            for inputs, (text, pictures) in KNOWN.items():
                shop = pictured(opened(SHAPE, seed, views[-1]), pool, texts_tell)
                ours = Learned(SHAPE, replace(setup, text=text, pictures=pictures))
                lost[inputs][seed] = race(shop, ours, views).first_day
            say("shops where " + name.replace("_", " "), seed + 1, seeds)
        content[name] = _figures(lost)
    return content


def _figures(lost: dict[str, Floats]) -> dict[str, Any]:
    """From clicks lost by shop and checkpoint, float64[N, C], with what is looked at."""
    mean = {inputs: each.mean(axis=0) for inputs, each in lost.items()}
    better = np.where(mean["texts"] < mean["pictures"], lost["texts"], lost["pictures"])
    return {
        "first_day_regret": {inputs: each.round(1).tolist() for inputs, each in mean.items()},
        "pictures_to_none": _ratios(lost["pictures"], lost["none"]),
        "texts_to_none": _ratios(lost["texts"], lost["none"]),
        "both_to_the_better": _ratios(lost["both"], better),
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
    for name in ("texts_tell_nothing", "texts_tell_as_much"):
        part = content[name]
        lines.append(name.replace("_", " "))
        lines += [f"  {inputs:<9}{regret}" for inputs, regret in part["first_day_regret"].items()]
        lines += [f"  {of}: {', '.join(_in_words(each) for each in part[ratio])}" for ratio, of in RATIOS.items()]
    lines.append(f"{content['seeds']} shops, with 95 % intervals")
    return "\n".join(lines)


def _in_words(ratio: dict[str, float] | None) -> str:
    if ratio is None:
        return "nothing lost"
    return f"{ratio['mean']:.2f}" + (f" ({ratio['low']:.2f} to {ratio['high']:.2f})" if "low" in ratio else "")
