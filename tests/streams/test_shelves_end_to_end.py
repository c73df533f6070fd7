"""Shelves from the log to the page: the one whose items are clicked more goes up, whatever stands on both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from schemas.messages.events import Click, Impression, SlotItem
from schemas.messages.layouts import Layout
from schemas.messages.pages import Candidates, PageRow, PageRules, PageShelf, PolicyChoice
from schemas.topics import CLICKS, IMPRESSIONS
from streams.fitter.app import fitter_app
from streams.learner.app import learner_app
from streams.page_settings import FitterSettings
from streams.settings import FoldSettings, LearnerSettings
from tests.streams.layouts_shop import Shop, open_shop  # noqa: F401  a fixture

ITEMS = [f"k{number:02d}" for number in range(8)]
ROWS = [PageRow("hero", slots=["hero", "hero-2"]), PageRow("below", columns=2)]
RULES = PageRules(
    "home",
    2,
    shelves=[PageShelf("dull"), PageShelf("bright", title="Bright")],
    rows=ROWS,
    policy=PolicyChoice(variants=16),
    candidates=Candidates(categories=["shoes"]),
)
RATES = {"bright": 0.5, "dull": 0.05}
VIEWS = 600
FOLD = FoldSettings(bucket_ms=600_000)


def visit(shop: Shop) -> None:
    """Each view is of a unit of its own; shelves change places, and any item stands on either of them."""
    rng, now = np.random.default_rng(1), round(time.time() * 1000)
    for view in range(VIEWS):
        at, unit, first = now - 60_000 + view, f"u{view}", ["bright", "dull"][view % 2]
        rows = {"hero": first, "below": "dull" if first == "bright" else "bright"}
        items = rng.permutation(ITEMS)[:4].tolist()
        slots = [
            SlotItem(slot, items.pop(), row=row.name if slot.startswith("hero") else "")
            for row in ROWS
            for slot in row.slot_names
        ]
        names = unit, "home", "s"
        shop.send(IMPRESSIONS, Impression(f"i{view}", at, *names, f"v{view}", 1, 0, slots, rows))
        for slot in slots:
            shelf = rows["hero" if slot.row else "below"]
            if rng.random() < RATES[shelf]:
                clicked = f"c{view}{slot.slot}", at + 1, *names, slot.slot, slot.item, f"v{view}", 1, 0
                shop.send(CLICKS, Click(*clicked, shelf=shelf))
    shop.flush()


def test_a_shelf_that_is_clicked_more_goes_up(
    broker: str,
    open_shop: Callable[..., Shop],  # noqa: F811
    tmp_path: Path,
) -> None:
    shop = open_shop(broker, rest_s=1.0, change_threshold=0.0)
    for item in ITEMS:
        shop.stock(item)
    shop.declare(RULES)
    learner = LearnerSettings(advance_s=0.2, folder=str(tmp_path / "duplicates"))
    fitter = FitterSettings(interval_s=0.2, rest_s=1.0)
    errors = shop.errors.append

    async def run() -> Layout:
        visit(shop)
        async with shop.working(
            learner_app(shop.kafka, shop.redis, FOLD, learner, errors, shop.layouts),
            fitter_app(shop.kafka, shop.redis, FOLD, shop.layouts, fitter, errors),
            fold=FOLD,
        ):
            layout: Layout = await shop.until(lambda: turned(shop.newest("s")))
            return layout

    layout = asyncio.run(run())
    assert layout.baseline_rows == {"hero": "dull", "below": "bright"}, "the holdout keeps the declared order"
    assert layout.shelves and layout.shelves["bright"].title == "Bright"
    assert {*layout.propensities} == {"hero", "hero-2", "below.1", "below.2"}


def turned(layout: Layout | None) -> Layout | None:
    """The layout, once the shelf that is clicked more stands first in all its slates."""
    shares = layout.row_propensities if layout else None
    return layout if shares and shares["hero"].get("bright", 0.0) > 0.95 else None
