"""How an experiment stands, as JSON has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policy.experiments.health import Health
    from policy.experiments.sample_ratio import SampleRatio
    from policy.experiments.sequence import Uplift


def told(health: Health) -> dict[str, Any]:
    """As JSON has it: what is unknown is null."""
    return {**_plain(health.uplifts, health.sample_ratio), "guard_rail": health.guard_rail}


def _plain(uplifts: Mapping[str, Uplift], split: SampleRatio) -> dict[str, Any]:
    return {
        "uplift": {
            name: {key: value if math.isfinite(value) else None for key, value in one._asdict().items()}
            for name, one in uplifts.items()
        },
        "sample_ratio": {**split._asdict(), "alarm": split.alarm},
    }
