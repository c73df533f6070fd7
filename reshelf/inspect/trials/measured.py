"""How each branch of a page does against the page's own slates since its trial began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from msgspec import UNSET

from policy.experiments.trial import Trial, trials
from reshelf.inspect.experiment import uplifts_as_json
from reshelf.namespaces.open_state import open_state
from reshelf.settings import Settings
from schemas.messages.pages import MAIN, PageRules
from streams.layouts.branches import shares_of
from streams.state.arrays.experiment_bins import BucketBins, pre_period, sides


class Trials(NamedTuple):
    """How each branch of a page does, by its name, from `counted_since` on, in milliseconds.

    `settings` are those that the state was made with.
    """

    branches: Mapping[str, Trial]
    counted_since: int
    settings: Settings


async def trials_of(settings: Settings, versions: Sequence[PageRules], level: float) -> Trials:
    """How each branch of a page does; `versions` of its rules are oldest first, the last is in force."""
    async with open_state(settings) as state:
        bins = await state.reader.read_bins(versions[-1].page)
    return trials_in(versions, bins, state.settings, level)


def trials_in(versions: Sequence[PageRules], bins: BucketBins, settings: Settings, level: float) -> Trials:
    """How each branch does by what was counted in whole time buckets since the trial and the experiment began.

    The bucket in which the trial began has what was served before, too.  Where all time is one bucket, all counts.
    """
    rules, width = versions[-1], settings.fold.bucket_ms
    began = max(trial_began(versions), settings.experiment.since_ms) if width else 0
    shares = shares_of(rules)
    before = pre_period(bins, settings.experiment, width)
    earlier = before.learned if before else None
    results = trials(sides(bins, began).learned, rules.branch_salt, list(shares.values()), level, earlier)
    first = -(-began // width) * width if width else 0
    return Trials(dict(zip([name for name in shares if name != MAIN], results, strict=True)), first, settings)


def trial_began(versions: Sequence[PageRules]) -> int:
    """Since when branches have the visitors, policies and rules that the newest version gives them; milliseconds."""
    now = _on_trial(versions[-1])
    return list(takewhile(lambda rules: _on_trial(rules) == now, reversed(versions)))[-1].published_at


def _on_trial(rules: PageRules) -> tuple[object, ...]:
    ruled = [rule for rule in rules.rules if rule.branches is not UNSET]
    return rules.branch_salt, rules.policy, rules.template, rules.branches, ruled


def trial_as_json(trial: Trial) -> dict[str, Any]:
    """A branch as JSON has it: what is unknown is null."""
    return {"views": trial.views, **uplifts_as_json(trial.uplifts, trial.sample_ratio)}
