"""How much the published segments foretell of what visitors looked at after they were published."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from policy.segments.fitting import Published, likeliest_names, mixture_of
from policy.segments.gain import Gain, gain_of, newest_logs
from policy.segments.rule import UNASSIGNED
from policy.segments.votes import Votes
from streams.fitter.segments.reader import UnitReader
from streams.fitter.segments.sample import votes
from streams.page_settings import SegmentSettings
from streams.settings import FoldSettings, KafkaSettings


@dataclass(frozen=True)
class Measured:
    """Visitors who came after the model was published, and how far it foretells the last item of each.

    `entropy` is that of their segments in bits: 0 where all are in one.
    """

    units: int
    unassigned: float
    shares: dict[str, float]
    entropy: float
    gain: Gain

    @property
    def likelier(self) -> tuple[float, float, float]:
        """By which share the last item is likelier, and the 95 % interval of that."""
        mean, error = self.gain
        low, high = (mean - 1.96 * error, mean + 1.96 * error) if self.units > 1 else (-math.inf, math.inf)
        return math.expm1(mean), math.expm1(low), math.expm1(high)


def looked_at_since(kafka: KafkaSettings, fold: FoldSettings, settings: SegmentSettings, since_ms: int) -> Votes:
    """What the visitors of the sample looked at who came since then; raises `Transient` where no broker answers."""
    reader = UnitReader(kafka, fold, settings)

    async def read() -> Votes:
        try:
            await reader.start()
            units, values, _ = reader.looked_at(since_ms)
            return votes((units, values), None)
        finally:
            await reader.close()

    return asyncio.run(read())


def measure(published: Published, visitors: Votes) -> Measured:
    """What the model says of these visitors."""
    names = likeliest_names(published, visitors)
    counts = Counter(names)
    shares = {name: counts[name] / max(1, len(names)) for name in [UNASSIGNED, *published.model.names]}
    mixture = mixture_of(published, visitors)
    ratios = mixture.ratios - logsumexp(mixture.ratios, axis=0, b=visitors.popularity[:, None])
    is_measurable = bool(published.model.names) and bool((np.diff(visitors.starts) >= 2).any())
    gain = gain_of(newest_logs(replace(mixture, ratios=ratios), visitors)) if is_measurable else Gain(0.0, np.inf)
    entropy = -sum(share * math.log2(share) for share in shares.values() if share)
    return Measured(visitors.units, shares[UNASSIGNED], shares, entropy + 0.0, gain)
