"""Whether segments pay: a page's own policy, which goes by segment, against branches with the slates of `*`."""

from __future__ import annotations

from math import inf

from msgspec import UNSET

from policy.experiments.health import GUARD_LEVEL
from policy.experiments.sequence import METRICS
from policy.experiments.trial import Trial, trials
from schemas.messages.pages import PageRules
from streams.layouts.branches import has_whole_branches, shares_of
from streams.page_settings import ExperimentSettings
from streams.state.arrays.experiment_bins import BucketBins, periods


def loss_by_segments(rules: PageRules, bins: BucketBins, settings: ExperimentSettings, bucket_ms: int) -> str:
    """What the page loses for certain by its segments, in words; empty where it loses nothing, or gains something.

    As for the guard-rail against the holdout the intervals hold at any time at a level of `GUARD_LEVEL`, and nothing
    is said while units do not come to the branches as they should.
    """
    if not has_whole_branches(rules):
        return ""
    during, before = periods(bins, settings, bucket_ms)
    shares = list(shares_of(rules).values())
    results = trials(during.learned, rules.branch_salt, shares, GUARD_LEVEL, before.learned if before else None)
    losses = (
        _loss(branch.name, trial)
        for branch, trial in zip(rules.branches, results, strict=True)
        if branch.segment is not UNSET
    )
    return next(filter(None, losses), "")


def _loss(branch: str, trial: Trial) -> str:
    """By how much the slates of the whole page are better, where they are better in something and worse in nothing."""
    certain = {name: uplift for name, uplift in trial.uplifts.items() if name in METRICS and uplift.high < inf}
    if trial.sample_ratio.alarm or any(uplift.high < 0.0 for uplift in certain.values()):
        return ""
    better = [f"{name} {gain.low:+.1%} to {gain.high:+.1%}" for name, gain in certain.items() if gain.low > 0.0]
    return f"with the slates of * ({branch}): {'; '.join(better)}" if better else ""
