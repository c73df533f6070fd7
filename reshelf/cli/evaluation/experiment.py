"""`reshelf experiment`: learned layouts against the holdout, and policies on trial against the page's own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from reshelf.cli.evaluation.autopilot import autopilot
from reshelf.cli.evaluation.history import history
from reshelf.cli.evaluation.plan import plan
from reshelf.cli.front import LEVEL_OPTION, Front
from reshelf.numbers import gain, number, p_value, share
from reshelf.terminal.prose import tell
from schemas.errors import ReshelfError
from schemas.messages.pages import MAIN

if TYPE_CHECKING:
    from policy.experiments.health import Health
    from policy.experiments.sample_ratio import SampleRatio
    from policy.experiments.sequence import Uplift
    from reshelf.inspect.event_sample import TopicSample
    from reshelf.settings import Settings


@click.group()
def experiment() -> None:
    """Compare learned layouts with the holdout, and policies on trial with the page's own."""


experiment.add_command(autopilot)
experiment.add_command(history)
experiment.add_command(plan)


@experiment.command()
@click.argument("page", required=False)
@LEVEL_OPTION
@click.pass_obj
def status(front: Front, page: str | None, level: float) -> None:
    """Show the uplift per page view of all pages, or of PAGE, with intervals that are valid at any time.

    Where orders were returned, net revenue is shown, too. Young orders are not yet returned, so
    guard-rails and decisions go by orders and revenue.

    Also shows whether units are in the holdout as often as they should be, whether page views
    are on the side of their unit, and which guard-rails were crossed.
    docs/concepts/evaluation.md explains each figure.

    Example: reshelf experiment status home
    """
    from reshelf.inspect.experiment import LEARNED_NOTE, health_as_json, healths, sides_as_json

    front.require_state()
    report = asyncio.run(healths(front.settings, page, level))
    pages = {
        name: {
            **health_as_json(health),
            "sides": sides_as_json(report.views, name),
            "by_segment": LEARNED_NOTE if name in report.learned else None,
        }
        for name, health in report.pages.items()
    }
    if front.json or not pages:
        front.answer({"level": level, "pages": pages}, "no page has counts yet: events come in by way of the learner")
    else:
        for name, health in report.pages.items():
            _show(name, health, report.settings)
            _sides(report.views, name)
            if name in report.learned:
                tell(LEARNED_NOTE)


@experiment.command()
@click.argument("page")
@LEVEL_OPTION
@click.pass_obj
def branches(front: Front, page: str, level: float) -> None:
    """Show the uplift of each policy on trial on PAGE (`branches` in its file) over the page's own policy.

    Counts begin with the first whole time bucket after the trial began, and after experiment.since_ms. A trial begins
    anew when its branches, their policies, or rules that name them change.

    Example: reshelf experiment branches home
    """
    from reshelf.inspect.trials.measured import trial_as_json, trials_of
    from reshelf.rules import topic
    from reshelf.rules.calendar import moment

    front.require_state()
    rules = topic.newest(front.settings.kafka).get(page)
    if rules is None or not rules.branches:
        raise ReshelfError(f"page {page!r} has no policies on trial. Name some in its file, as `branches`.")
    report = asyncio.run(trials_of(front.settings, topic.history(front.settings.kafka, page), level))
    if front.json:
        content = {name: trial_as_json(trial) for name, trial in report.branches.items()}
        since = report.counted_since
        front.answer({"level": level, "page": page, "counted_since": since, "branches": content}, "")
    else:
        if report.counted_since:
            tell(f"counted from {moment(report.counted_since, front.settings.shop.zone)} on, in whole time buckets")
        for name, trial in report.branches.items():
            _table(f"{page}, per page view", (name, MAIN), trial.uplifts, report.settings.fold.currency)
            _split(trial.sample_ratio, name, MAIN)


def _show(page: str, health: Health, settings: Settings) -> None:
    _table(f"{page}, per page view", ("learned", "holdout"), health.uplifts, settings.fold.currency)
    _split(health.sample_ratio, "learned", "holdout", settings.layouts.holdout_share)
    if health.guard_rail:
        tell(f"GUARD-RAIL CROSSED: {health.guard_rail}")


def _table(title: str, sides: tuple[str, str], uplifts: Mapping[str, Uplift], currency: str) -> None:
    from policy.experiments.sequence import NET_REVENUE
    from reshelf.inspect.experiment import NET_REVENUE_NOTE
    from reshelf.numbers import UNKNOWN, outcome
    from reshelf.terminal.tables import show, table

    rows = []
    for name, uplift in uplifts.items():
        rates = (outcome(name, uplift.learned, currency), outcome(name, uplift.holdout, currency))
        bounds = (gain(uplift.low), gain(uplift.high)) if math.isfinite(uplift.high) else (UNKNOWN, UNKNOWN)
        rows.append((name.replace("_", " "), *rates, gain(uplift.uplift), *bounds))
    show(table((title, *sides, "uplift", "from", "to"), rows))
    if NET_REVENUE in uplifts:
        tell(NET_REVENUE_NOTE)


def _split(split: SampleRatio, name: str, other: str, due: float | None = None) -> None:
    """How units came to both sides; `due` is the share that was expected on the other, else on the first."""
    expected = f"{share(due)} in the {other}" if due is not None else f"{share(split.expected)} in {name}"
    tell(
        f"units: {number(split.learned)} {name}, {number(split.holdout)} {other}, expected {expected}, "
        f"p = {p_value(split.p_value)}" + (": SAMPLE RATIO MISMATCH, trust no figure" if split.alarm else "")
    )


def _sides(views: TopicSample | None, page: str) -> None:
    """Whether the page views that came last are on the side of their unit."""
    from reshelf.inspect.event_sample import mixed_sides

    if views is None:
        tell("page views: not looked at, as Kafka does not answer")
        return
    for fault in mixed_sides(views, page):
        tell(f"HOLDOUT MIXED: {fault.detail}. {fault.remedy}")
