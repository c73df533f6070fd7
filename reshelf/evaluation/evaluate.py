"""What a policy would have earned on each page of a decision log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from policy.assignment import own_slates
from policy.defaults import LEVEL
from policy.evaluation.estimators import ESTIMATORS, Estimate, Evidence
from policy.evaluation.ratio import Ratio
from reshelf.evaluation import decision_log
from reshelf.evaluation.arrays import REWARDS, PageLog, Reward, Target, page_log
from reshelf.evaluation.clock import Clock
from reshelf.evaluation.join import DecisionLog, View, join
from reshelf.evaluation.recompose import Recomposer
from reshelf.namespaces.open_state import namespace_settings
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from schemas.messages.fields import BASELINE
from schemas.messages.layouts import Layout
from schemas.messages.pages import PolicyChoice, PolicyName
from streams.catalog.snapshot import read_catalog, read_parameters

RECORDED = ("served", "holdout", "shadow")
POLICIES: tuple[str, ...] = (*RECORDED, *get_args(PolicyName))


@dataclass(frozen=True, slots=True)
class Question:
    """Which policy is asked about: one whose slates the history holds, or one that is composed again.

    `exploration` and `page` None mean the page's own exploration, and all pages.
    """

    policy: str
    exploration: float | None = None
    page: str | None = None
    level: float = LEVEL

    def choice(self, served: PolicyChoice) -> PolicyChoice:
        """The page's policy with what is asked about in place of its own."""
        exploration = served.exploration if self.exploration is None else self.exploration
        return msgspec.structs.replace(served, name=self.policy, exploration=exploration, shadow="")


class Evaluator:
    """Reads a log once and answers questions about it; raises `NamespaceMissing` where no state says how to judge it.

    `settings` are then those that the state was made with.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings = namespace_settings(settings)
        self._clock = Clock()
        self._events = decision_log.events(settings.kafka, settings.fold, self._clock)
        listed = [entry.event for accepted in self._events.values() for entry in accepted]
        versions = {(event.page, event.layout_version) for event in listed}
        self.log: DecisionLog = join(listed, decision_log.history(settings.kafka, versions), settings.fold.amount_cap)

    def answer(self, question: Question) -> dict[str, Any]:
        """The estimates of each page, as JSON has them; raises ReshelfError where the log has nothing to go by."""
        pages = self.log.pages()
        if question.page is not None:
            pages = {page: views for page, views in pages.items() if page == question.page}
        if not pages:
            raise ReshelfError(
                f"no page view of {question.page or 'any page'} belongs to a layout of the history; left out were "
                f"{self.log.left_out or 'none'}. Check kafka.prefix, and that renderers report layout_version."
            )
        pages = {page: some for page, views in pages.items() if (some := answerable(question.policy, views))}
        if not pages:
            raise ReshelfError(
                "--policy shadow: no page view is of a layout whose history holds slates of a shadow policy. "
                "Set policy.shadow in the page's rules, or name a policy to be composed again."
            )
        target = self._target(question)
        evaluations = {page: evaluated(page_log(views, target), views, question.level) for page, views in pages.items()}
        return {"policy": question.policy, "level": question.level, "left_out": self.log.left_out, "pages": evaluations}

    def _target(self, question: Question) -> Target:
        if question.policy in RECORDED:
            return recorded(question.policy)
        return _composed_again(
            Recomposer(
                self._events,
                self._clock,
                read_catalog(self.settings.kafka),
                read_parameters(self.settings.kafka),
                self.settings.fold,
                self.settings.layouts,
                question.choice,
            )
        )


def recorded(policy: str) -> Target:
    """The slates of a policy that the history holds: one of `RECORDED`."""
    slates: Mapping[str, Target] = {
        "served": own_slates,
        "holdout": lambda layout: [layout.baseline],
        "shadow": lambda layout: layout.shadow,
    }
    return slates[policy]


def answerable(policy: str, views: Sequence[View]) -> list[View]:
    """The page views of layouts that hold what the policy would have shown: a shadow is not always watched."""
    return [view for view in views if policy != "shadow" or view.layout.shadow]


def _composed_again(recomposer: Recomposer) -> Target:
    def target(layout: Layout) -> list[dict[str, str]]:
        if not recomposer.knows(layout.page):
            raise ReshelfError(
                f"page {layout.page} is no longer in page-rules, so its layouts cannot be composed again. "
                "Choose other pages with --page, or a policy of the history: " + ", ".join(RECORDED) + "."
            )
        again = recomposer.again(layout)
        explored = recomposer.chosen(recomposer.catalog.rules[layout.page].policy).exploration_slates
        return again.slates[: len(again.slates) - explored]

    return target


def evaluated(log: PageLog, views: list[View], level: float) -> dict[str, Any]:
    """What is said of one page: the value per page view of what was served, and of the target by each estimator."""
    held = np.array([view.variant == BASELINE for view in views])
    return {
        "views": len(views),
        "layouts": len(log.targets),
        "served": {
            reward: {side: _mean(log, reward, rows, level) for side, rows in (("learned", ~held), ("holdout", held))}
            for reward in REWARDS
        },
        "estimates": {reward: estimates(log, reward, level) for reward in REWARDS},
    }


def estimates(log: PageLog, reward: Reward, level: float) -> list[dict[str, Any]]:
    """Every estimator's estimate, as JSON has it."""
    decisions = log.decisions(reward)
    return [estimate_as_json(Evidence.of(name, decisions).estimate(level)) for name in ESTIMATORS]


def _mean(log: PageLog, reward: Reward, rows: NDArray[np.bool_], level: float) -> dict[str, float | None]:
    earned = log.rewards[reward][rows].sum(axis=1)
    ones = np.ones(len(earned))
    value, low, high = Ratio.of(log.bins[rows], earned, ones, ones).interval(level)
    return _numbers({"value": value, "low": max(0.0, low) if rows.any() else np.nan, "high": high})


def estimate_as_json(estimate: Estimate) -> dict[str, Any]:
    """As JSON has it: what is unknown is null."""
    content = estimate._asdict()
    words = {name: content.pop(name) for name in ("estimator", "extrapolated", "refused")}
    return {**words, **_numbers(content)}


def _numbers(content: dict[str, float]) -> dict[str, float | None]:
    return {name: float(value) if np.isfinite(value) else None for name, value in content.items()}
