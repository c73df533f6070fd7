"""What a page gains by learned segments: its own policy beside branches that have the slates of the whole page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import UNSET

from policy.experiments.sample_ratio import SampleRatio
from policy.experiments.sequence import Uplift
from reshelf.inspect.trials.measured import trials_in
from reshelf.settings import Settings
from schemas.messages.pages import PageRules
from streams.state.arrays.experiment_bins import BucketBins


class SegmentGain(NamedTuple):
    """The gains of a page's segments over one branch; `holdout` of an uplift is that of the branch."""

    branch: str
    uplifts: dict[str, Uplift]
    sample_ratio: SampleRatio


def segment_gains(
    versions: Sequence[PageRules], bins: BucketBins, settings: Settings, level: float
) -> list[SegmentGain]:
    """By what was counted, for each branch with `segment: "*"`; `settings` are those that the state was made with.

    `versions` of the page's rules are oldest first, the last is in force.
    """
    whole = {branch.name for branch in versions[-1].branches if branch.segment is not UNSET}
    return [
        SegmentGain(name, {outcome: uplift.reverse for outcome, uplift in trial.uplifts.items()}, trial.sample_ratio)
        for name, trial in trials_in(versions, bins, settings, level).branches.items()
        if name in whole
    ]
