"""Kinds of shops by name: each is a declaration, and differs from the first in what its comment says."""

from __future__ import annotations

from collections.abc import Mapping

from policy.simulation.shop import Shape

SHOPS: Mapping[str, Shape] = {
    "ours": Shape(),
    # Click rates are not cut off, differ more, and some are far from all others.
    "wide": Shape(bounded=False, spread=1.2, freedom=4.0),
    # All slots are looked at alike, and click rates differ more.
    "flat": Shape(visitors="flat", bounded=False, spread=1.2),
    # Visitors go down the page, stop more often after a click, and are bored by more of the same.
    "cascade": Shape(visitors="cascade"),
    # Visitors go down the page until a click satisfies them.
    "dbn": Shape(visitors="dbn"),
    # Looks fall little from column to column, and more from row to row.
    "grid": Shape(visitors="grid"),
    # All items are alike: nothing can be lost.
    "null": Shape(spread=0.0),
    # Texts mean nothing to a quarter of the segments, and the opposite to another.
    "misleading": Shape(silent=0.25, contrary=0.25),
    # A quarter of the items is replaced each day, and the others change five times as fast.
    "churn": Shape(new=0.25, drift=0.1),
}
"""What the bench races in; the policy's model is wrong where `Shape.misfit` says so."""
