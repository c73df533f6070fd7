"""What a policy would have earned on each page of a decision log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, get_args

import msgspec
import numpy as np

from policy.arrays import Ints
from policy.assignment import own_slates
from policy.defaults import LEVEL
from policy.evaluation.clusters import ladder_of
from policy.model.visits.lowering import Lowering, kinds_of, lowering_of
from reshelf.evaluation.arrays import Target
from reshelf.evaluation.clock import Clock
from reshelf.evaluation.decision_log import KafkaLog, Source
from reshelf.evaluation.page_values import page_values
from reshelf.evaluation.recompose import Choice, Recomposer
from reshelf.evaluation.tables.decisions import Decisions, PageDecisions
from reshelf.evaluation.tables.engine import workspace
from reshelf.evaluation.tables.events import EventTables, joined
from reshelf.evaluation.tables.past import PastEvents
from reshelf.namespaces.open_state import namespace_settings
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from schemas.messages.layouts import Layout
from schemas.messages.pages import PolicyChoice, PolicyName
from streams.catalog.snapshot import read_catalog, read_parameters
from streams.catalog.view import CatalogView

RECORDED = ("served", "holdout", "shadow")
POLICIES: tuple[str, ...] = (*RECORDED, *get_args(PolicyName))


def refusal_of_shelves(page: str) -> str:
    """Why policies of a page with shelves are not valued, and what to do instead."""
    return (
        f"page {page!r} has shelves, and estimates by item would take what a shelf's title and row add for the items' "
        "own. Compare policies on visitors: declare a branch in the page's rules, and read `reshelf experiment "
        "branches`; `reshelf experiment status` compares what is served with the holdout. What other arrangements of "
        f"its shelves would have earned is said by `reshelf evaluate --page {page}` without --policy."
    )


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
    """The decisions of a log, joined on disk, and answers to questions about them.

    `catalog` is asked once, for what is known of the items now.
    """

    def __init__(
        self, settings: Settings, tables: EventTables, clock: Clock, catalog: Callable[[], CatalogView] = CatalogView
    ) -> None:
        self.settings = settings
        self.tables = tables
        self._clock = clock
        self._read_catalog = catalog

    @cached_property
    def catalog(self) -> CatalogView:
        """Items, their vectors and pages as they are now."""
        return self._read_catalog()

    @cached_property
    def decisions(self) -> Decisions:
        """The page views by page and layout."""
        return Decisions.sort(self.tables)

    def answer(self, question: Question) -> dict[str, Any]:
        """The estimates of each page, as JSON has them; raises ReshelfError where the log has nothing to go by.

        Pages with shelves are `refused`, each with the reason; where no other is left, that is raised.
        """
        shadowed, evaluations = question.policy == "shadow", dict[str, Any]()
        pages = self._pages(question)
        shelved = self.decisions.pages_with_shelves()
        refused = {page: refusal_of_shelves(page) for page in pages if page in shelved}
        pages = {page: number for page, number in pages.items() if page not in refused}
        if not pages:
            raise ReshelfError(" ".join(refused.values()))
        target = self._target(question)
        for page, number in pages.items():
            if question.policy not in RECORDED:
                self.decisions.keep_targets(number, target)
            views = PageDecisions(self.decisions, number, target if question.policy in RECORDED else None, shadowed)
            of_items = partial(clustered, self.catalog), partial(above, self.catalog, page)
            evaluations[page] = page_values(views, *of_items).as_json(question.level)
        answer = {"policy": question.policy, "level": question.level}
        return {**answer, "left_out": self.tables.left_out, "refused": refused, "pages": evaluations}

    def _pages(self, question: Question) -> dict[str, int]:
        pages = {page: code for page, code in self.decisions.pages().items() if question.page in (None, page)}
        if not pages:
            raise ReshelfError(
                f"no page view of {question.page or 'any page'} belongs to a layout of the history; left out were "
                f"{self.tables.left_out or 'none'}. Check kafka.prefix, and that renderers report layout_version."
            )
        shadowed = self.decisions.pages(shadowed=True)
        if question.policy == "shadow" and not (pages := {page: pages[page] for page in pages if page in shadowed}):
            raise ReshelfError(
                "--policy shadow: no page view is of a layout whose history holds slates of a shadow policy. "
                "Set policy.shadow in the page's rules, or name a policy to be composed again."
            )
        return pages

    def _target(self, question: Question) -> Target:
        if question.policy in RECORDED:
            return recorded(question.policy)
        return _composed_again(self.recomposer(question.choice))

    def recomposer(self, chosen: Choice) -> Recomposer:
        """Composes the log's layouts again with a policy in place of the page's own."""
        return Recomposer(
            PastEvents(self.tables),
            self._clock,
            self.catalog,
            read_parameters(self.settings.kafka),
            self.settings.fold,
            self.settings.layouts,
            chosen,
        )


@contextmanager
def evaluator(settings: Settings, source: Source | None = None) -> Iterator[Evaluator]:
    """Read a log once, to disk; raises `NamespaceMissing` where no state says how to judge it.

    The settings of the evaluator are those that the state was made with.  `source` None: the log is in Kafka.
    """
    settings = namespace_settings(settings)
    with workspace() as connection:
        clock = Clock(settings.fold)
        tables = joined(connection, source or KafkaLog(settings.kafka), settings.fold, clock)
        yield Evaluator(settings, tables, clock, partial(read_catalog, settings.kafka))


def clustered(catalog: CatalogView, items: Sequence[str]) -> Ints:
    """The ladder of clusters of some items, by the newest vectors of their texts; without any by category."""
    vectors, has = catalog.embeddings.matrix(items, catalog.embeddings.generation)
    described = [catalog.items.get(item) for item in items]
    return ladder_of(
        np.where(has[:, None], vectors.astype(np.float64), np.nan),
        ["" if item is None else item.category for item in described],
    )


def above(catalog: CatalogView, page: str, items: Sequence[str]) -> Lowering | None:
    """What was fitted of slots that bear on each other, and is in force on a page now."""
    parameters = catalog.parameters.get(page)
    described = (catalog.items.get(item) for item in items)
    kinds = kinds_of(["" if item is None else item.category for item in described])
    return lowering_of((parameters.visits or None) if parameters else None, kinds)


def recorded(policy: str) -> Target:
    """The slates of a policy that the history holds: one of `RECORDED`."""
    slates: Mapping[str, Target] = {
        "served": own_slates,
        "holdout": lambda layout: [layout.baseline],
        "shadow": lambda layout: layout.shadow,
    }
    return slates[policy]


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
