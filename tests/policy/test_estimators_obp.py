"""Estimates equal those of the Open Bandit Pipeline."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest

from policy.evaluation.decisions import Decisions, compare
from policy.evaluation.estimators import ESTIMATORS
from tests.policy.random_decisions import CURVE, SLOTS, bandit_rows, permutations, value, views_of


@pytest.fixture(scope="module")
def obp() -> Iterator[dict[str, Any]]:
    """Its estimators; what they import for other purposes, and for checking input, is stood in for."""
    spec = find_spec("obp")
    if spec is None or spec.origin is None:
        pytest.skip("obp is not installed")
    stand_ins: dict[str, Any] = {
        name: mock.MagicMock(__spec__=ModuleSpec(name, None))
        for name in ("torch", "pandas", "sklearn", "sklearn.utils")
        if find_spec(name.partition(".")[0]) is None
    }
    if "torch" in stand_ins:
        stand_ins["torch"].Tensor = type("Tensor", (), {})
    package = ModuleType("obp.ope")
    package.__path__ = [str(Path(spec.origin).parent / "ope")]
    with mock.patch.dict(sys.modules, stand_ins | {"obp.ope": package}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its docstrings, when Python compiles it for the first time
        one, slates = (importlib.import_module(f"obp.ope.{name}") for name in ("estimators", "estimators_slate"))
        checks = {name: lambda **_: None for name in vars(slates) if name.startswith("check_")}
        with mock.patch.dict(vars(slates), checks):
            yield vars(one) | vars(slates)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bandit_estimates_equal_those_of_obp(obp: dict[str, Any], seed: int) -> None:
    bins, actions, reward, logging, target, model = bandit_rows(seed)
    rows = np.arange(len(actions))
    decisions = Decisions.of_actions(
        bins, reward, logging[rows, actions], target[rows, actions], model[rows, actions], (target * model).sum(axis=1)
    )
    theirs = {
        "reward": reward,
        "action": actions,
        "position": np.zeros(len(rows), dtype=int),
        "pscore": logging[rows, actions],
        "action_dist": target[:, :, None],
        "estimated_rewards_by_reg_model": model[:, :, None],
    }
    for name, estimator in (
        ("ips", obp["InverseProbabilityWeighting"]()),
        ("snips", obp["SelfNormalizedInverseProbabilityWeighting"]()),
        ("direct", obp["DirectMethod"]()),
        ("doubly-robust", obp["DoublyRobust"]()),
    ):
        expected = estimator.estimate_policy_value(**theirs)
        assert value(ESTIMATORS[name].rule(decisions)) == pytest.approx(expected, abs=1e-9), name


def test_the_replay_estimate_equals_that_of_obp(obp: dict[str, Any]) -> None:
    bins, actions, reward, _, target, _ = bandit_rows(3)
    best = np.zeros((len(actions), 5))
    best[np.arange(len(actions)), target.argmax(axis=1)] = 1.0
    shown = best[np.arange(len(actions)), actions]
    decisions = Decisions.of_actions(bins, reward, np.full(len(bins), 0.2), shown, reward, reward)
    expected = obp["ReplayMethod"]().estimate_policy_value(
        reward=reward, action=actions, position=np.zeros(len(bins), dtype=int), action_dist=best[:, :, None]
    )
    assert value(ESTIMATORS["replay"].rule(decisions)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_slate_estimates_equal_those_of_obp(obp: dict[str, Any], seed: int) -> None:
    random = np.random.default_rng(seed)
    logged = permutations(random, 8, 4)
    found = compare(logged, np.full(8, 1 / 8), logged[:3], np.full(3, 1 / 3), CURVE)
    shown = random.integers(0, 8, 500)
    decisions = views_of(found, shown, random, random.binomial(1, 0.2, (500, SLOTS)).astype(np.float64))
    rows = {
        "slate_id": np.repeat(np.arange(500), SLOTS),
        "reward": decisions.reward.ravel(),
        "position": np.tile(np.arange(SLOTS), 500),
    }
    whole = {
        name: np.repeat(one[:, -1], SLOTS)
        for name, one in (
            ("pscore", decisions.chances.logged_prefix),
            ("evaluation_policy_pscore", decisions.chances.target_prefix),
        )
    }
    by_item = {
        "pscore_item_position": decisions.chances.logged.ravel(),
        "evaluation_policy_pscore_item_position": decisions.chances.target.ravel(),
    }
    cascade = {
        "pscore_cascade": decisions.chances.logged_prefix.ravel(),
        "evaluation_policy_pscore_cascade": decisions.chances.target_prefix.ravel(),
    }
    for name, estimator, probabilities in (
        ("ips", "SlateStandardIPS", whole),
        ("item-position", "SlateIndependentIPS", by_item),
        ("interaction", "SlateRewardInteractionIPS", cascade),
    ):
        expected = obp[estimator](len_list=SLOTS).estimate_policy_value(**rows, **probabilities)
        assert value(ESTIMATORS[name].rule(decisions)) == pytest.approx(expected, abs=1e-9), name
