"""The module of each kind of rule, by its declared type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy.rules.kind import Kind
from policy.rules.kinds import bid, boost, cap, complements, exposure, pin, placement, shelves, spacing, sponsored
from schemas import rules as declared

_ALL: tuple[Kind[Any], ...] = (
    pin.KIND,
    boost.KIND,
    cap.KIND,
    spacing.KIND,
    exposure.KIND,
    placement.KIND,
    sponsored.KIND,
    bid.KIND,
    complements.KIND,
    shelves.NOT_ABOVE,
    shelves.NOT_BELOW,
    shelves.MOST_OF_KIND,
    shelves.LEAST_EXPOSURE,
)
KINDS: Mapping[type[declared.Rule], Kind[Any]] = {kind.rule: kind for kind in _ALL}
