"""From when on a key is due for a layout: a pure object, the time comes in with every call.

A layout moves by what was learned, not by what happened: one click among ten says
much, one among ten thousand nothing.  So a key is due when its impressions or its
clicks have grown by a share of those that its last layout was composed from.

Laws: while little is known, each click acts at once; what came is composed after
`rest_ms` at the latest, however little it was; a key's layouts are bounded by the logarithm
of its traffic and by the time over `rest_ms`; a request that is lost delays a key to
its next one, and a layout corrects what was summed, as it is composed from the state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from policy.arrays import Counts
from policy.slates.renewal import is_enough
from streams.catalog.page import Key
from streams.catalog.weighted_counts import WeightedCounts
from streams.catalog.weights import ONE
from streams.fold.evidence import NO_EVIDENCE, Evidence


@dataclass(slots=True)
class _Growth:
    """What came since a key was composed, when that began, and whether it is enough."""

    began_at: float
    evidence: Evidence = NO_EVIDENCE
    enough: bool = False


class DueRule:
    """What layouts were composed from, and what came since; times are milliseconds of one steady clock."""

    def __init__(self, growth_share: float, rest_ms: float) -> None:
        self._share = growth_share
        self._rest = rest_ms
        self._composed: dict[Key, Evidence] = {}
        self._growths: dict[Key, _Growth] = {}

    def due_at(self, key: Key, more: Evidence | None, now: float) -> float:
        """From when on the key is due after this came; where nobody says how much, it is enough."""
        growth = self._growths.setdefault(key, _Growth(now))
        growth.evidence = growth.evidence.plus(more or NO_EVIDENCE)
        growth.enough = growth.enough or more is None or self._is_enough(key, growth.evidence)
        return now if growth.enough else growth.began_at + self._rest

    def begin(self, key: Key) -> None:
        """The key's counts are about to be read: what comes from now on may not be among them."""
        self._growths.pop(key, None)

    def composed(self, key: Key, evidence: Evidence) -> None:
        """The key's layout was composed from this much."""
        self._composed[key] = evidence

    def forget(self, key: Key) -> None:
        """The key has no layout any more."""
        self._composed.pop(key, None)
        self._growths.pop(key, None)

    def keep(self, is_owned: Callable[[Key], bool]) -> None:
        """Forget keys that went to another worker."""
        self._composed = {key: evidence for key, evidence in self._composed.items() if is_owned(key)}
        self._growths = {key: growth for key, growth in self._growths.items() if is_owned(key)}

    def _is_enough(self, key: Key, evidence: Evidence) -> bool:
        before = self._composed.get(key)
        return before is None or is_enough(evidence, before, self._share)


def evidence_in(weighted_counts: WeightedCounts) -> Evidence:
    """How much a layout was composed from."""
    parts = weighted_counts.impressions, weighted_counts.clicks, weighted_counts.conversions
    impressions, clicks, conversions = (_total(list(part.values())) for part in parts)
    return Evidence(impressions, clicks + conversions)


def _total(counts: list[Counts]) -> float:
    return float(sum(int(each.sum()) for each in counts)) / ONE
