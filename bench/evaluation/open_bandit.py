"""The two policies of the Open Bandit Dataset, each valued from the log of the other, beside what it earned itself.

Its policies change with time, so a policy is taken as it behaved in its log: the
share in which it showed each item in each position.  Each row is a visitor of its own.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policy.arrays import Floats
from policy.assignment import BINS
from policy.evaluation.decisions import Decisions
from policy.evaluation.estimators import Estimate, Evidence
from policy.evaluation.ratio import Interval, Ratio
from reshelf.datasets.open_bandit import OpenBandit

POLICIES = ("random", "bts")
ESTIMATORS = ("ips", "snips")
Place = tuple[str, str]


class Rows(NamedTuple):
    """What a policy showed: item and position, and clicks and propensities float64[N]."""

    places: list[Place]
    clicks: Floats
    propensities: Floats

    def shares(self) -> dict[Place, float]:
        """How often each item was shown in each position, among all that were shown there."""
        positions = Counter(position for _, position in self.places)
        return {place: count / positions[place[1]] for place, count in Counter(self.places).items()}


class Swapped(NamedTuple):
    """A policy's click rate in its own log, and estimated from the log of the other."""

    logged: str
    target: str
    own: Interval
    estimates: list[Estimate]

    @property
    def agree(self) -> bool:
        """Whether its own click rate is in every estimate's interval."""
        return all(estimate.low <= self.own.value <= estimate.high for estimate in self.estimates)


def rows(folder: Path, policy: str, campaign: str = "all") -> Rows:
    """The log of a policy; raises BadSettings where the files are not the dataset's."""
    data = OpenBandit(folder, campaign, policy)
    data.check()
    with data.log_file.open(newline="", encoding="utf-8") as source:
        read = [
            ((row["item_id"], row["position"]), float(row["click"]), float(row["propensity_score"]))
            for row in csv.DictReader(source)
        ]
    clicks, propensities = (np.array([row[at] for row in read]) for at in (1, 2))
    return Rows([row[0] for row in read], clicks, propensities)


def swapped(folder: Path, campaign: str = "all") -> list[Swapped]:
    """Both ways."""
    logs = {policy: rows(folder, policy, campaign) for policy in POLICIES}
    return [_valued(logs, *pair) for pair in (POLICIES, POLICIES[::-1])]


def _valued(logs: dict[str, Rows], logged: str, target: str) -> Swapped:
    log, chance = logs[logged], logs[target].shares()
    target_chances = np.array([chance.get(place, 0.0) for place in log.places])
    unknown = np.full(len(target_chances), np.nan)
    decisions = Decisions.of_actions(_bins(log), log.clicks, log.propensities, target_chances, unknown, unknown)
    estimates = [Evidence.of(name, decisions).estimate() for name in ESTIMATORS]
    own, ones = logs[target], np.ones(len(logs[target].clicks))
    return Swapped(logged, target, Ratio.of(_bins(own), own.clicks, ones, ones).interval(), estimates)


def _bins(log: Rows) -> NDArray[np.int64]:
    return np.arange(len(log.clicks), dtype=np.int64) % BINS
