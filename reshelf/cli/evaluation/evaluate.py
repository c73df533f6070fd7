"""`reshelf evaluate`: what another policy, or another arrangement of a page's shelves, would have earned."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from reshelf.cli.evaluation.arrangements import ArrangementOptions, arrangement_options, evaluate_arrangements
from reshelf.cli.front import LEVEL_OPTION, Front
from reshelf.numbers import gain, number, share
from reshelf.terminal.prose import tell
from schemas.errors import BadSettings, ReshelfError

if TYPE_CHECKING:
    from rich.console import RenderableType

BOUNDS = ("from", "to")


@click.command()
@click.option(
    "--policy",
    help="The policy: served, holdout or shadow, whose slates are in the history; or one whose slates are composed "
    "again, as thompson or greedy.",
)
@click.option(
    "--exploration",
    type=click.FloatRange(0.0, 10.0),
    help="The exploration of the policy, in place of that in the page's rules.",
)
@click.option("--page", help="The only page to evaluate; without --policy, one with shelves.  [default: all pages]")
@arrangement_options
@click.option(
    "--follow",
    is_flag=True,
    help="Go on while events come in, with intervals that hold at all reports together; for served, holdout and shadow "
    "only.",
)
@click.option(
    "--outcome-wait-s",
    type=click.FloatRange(0.0),
    default=1_800.0,
    show_default=True,
    help="With --follow: how long to wait for the outcomes of a page view, in seconds of the log's time.",
)
@click.option(
    "--interval-s",
    type=click.FloatRange(0.1),
    default=60.0,
    show_default=True,
    help="With --follow: how often to report the estimates, in seconds.",
)
@LEVEL_OPTION
@click.pass_obj
def evaluate(
    front: Front,
    policy: str | None,
    exploration: float | None,
    page: str | None,
    declared: bool,
    templates: tuple[str, ...],
    pins: tuple[str, ...],
    exchanges: tuple[tuple[str, str], ...],
    segments: bool,
    follow: bool,
    outcome_wait_s: float,
    interval_s: float,
    level: float,
) -> None:
    """Estimate what a policy, or another arrangement of a page's shelves, would have earned, without serving it.

    Joins the events with the layouts that they came from, and compares what was shown
    with what the policy would have shown.  The slates of a policy that the history does
    not hold are composed again for each layout, from the counts of that time and with the
    settings of --settings.  An estimator is refused where the log lacks more than
    1 % of what the policy would show.  The gain is relative to what learned traffic earned.
    docs/concepts/evaluation.md says which one to use when.

    Without --policy it is about the shelves of --page: in the declared order and in each
    of its templates, or in the arrangements that options name, each by itself.  What was served
    is estimated, too, as a check.  The values are clicks per page view.

    Example: reshelf evaluate --policy greedy --page home
    """
    if front.embedded:
        raise BadSettings("--embedded: a broker that just started has no log. Use the settings of a running one.")
    asked = ArrangementOptions(declared, templates, pins, exchanges, segments)
    if policy is None:
        if exploration is not None or follow:
            raise BadSettings(
                "--exploration and --follow: expected a --policy beside them. Name one, or leave them out."
            )
        evaluate_arrangements(front, page, asked, level)
        return
    if option := asked.first:
        raise BadSettings(f"{option}: expected no --policy beside it, got {policy!r}. Ask about one or the other.")
    _evaluate_policy(front, policy, exploration, page, (outcome_wait_s, interval_s) if follow else None, level)


def _evaluate_policy(
    front: Front,
    policy: str,
    exploration: float | None,
    page: str | None,
    follow: tuple[float, float] | None,
    level: float,
) -> None:
    """`follow`: how long to wait for outcomes, and how often to report, in seconds; None: once, of the log as it is."""
    from reshelf.evaluation.evaluate import POLICIES, RECORDED, Question, evaluator
    from reshelf.evaluation.records.store import record
    from reshelf.terminal.tables import show

    if policy not in POLICIES:
        raise BadSettings(f"--policy: expected one of {', '.join(POLICIES)}, got {policy!r}.")
    if follow:
        if policy not in RECORDED:
            raise BadSettings(
                f"--follow: expected one of {', '.join(RECORDED)}, which the history holds, got {policy!r}."
            )
        _follow(front, policy, page, *follow, level)
        return
    began = time.monotonic()
    with evaluator(front.settings) as decisions:
        answer, settings = decisions.answer(Question(policy, exploration, page, level)), decisions.settings
    parameters = {"policy": policy, "exploration": exploration, "page": page, "level": level}
    record("evaluate", settings, parameters, _read(answer), answer, time.monotonic() - began)
    if front.json:
        front.answer(answer, "")
        return
    currency = settings.fold.currency
    for name, evaluation in answer["pages"].items():
        views, layouts = number(evaluation["views"]), number(evaluation["layouts"])
        tell(f"{name}: {views} page views of {layouts} layouts, policy {policy}")
        tell(_clusters(evaluation))
        show(_table(evaluation, currency))
    _say_refused(answer)
    for reason, count in answer["left_out"].items():
        tell(f"left out: {number(count)} × {reason}")


def _read(answer: dict[str, Any]) -> dict[str, Any]:
    """What of the log an answer is based on, by page."""
    return {
        page: {"views": evaluation["views"], "layouts": evaluation["layouts"]}
        for page, evaluation in answer["pages"].items()
    }


def _follow(
    front: Front, policy: str, page: str | None, outcome_wait_s: float, interval_s: float, level: float
) -> None:
    """Report the estimates whenever page views have settled; with --json one object a line."""
    import json

    from reshelf.evaluation.follow import Running, follow
    from reshelf.namespaces.open_state import namespace_settings
    from reshelf.terminal.tables import show

    settings = namespace_settings(front.settings)
    running = Running(policy, settings.fold, round(outcome_wait_s * 1_000), settings.layouts.epoch_ms)
    for update in follow(settings.kafka, running, interval_s):
        answer = {"policy": policy, **update.answer(level)}
        if page in answer["refused"]:
            raise ReshelfError(answer["refused"][page])
        for part in ("pages", "refused"):
            answer[part] = {name: content for name, content in answer[part].items() if page in (None, name)}
        if front.json:
            click.echo(json.dumps(answer))
            continue
        for name, evaluation in answer["pages"].items():
            views = f"{number(evaluation['views'])} page views have settled"
            tell(f"{name}: {views}, policy {policy}; intervals hold at all reports together")
            tell(_clusters(evaluation))
            show(_table(evaluation, settings.fold.currency))
        _say_refused(answer)


def _say_refused(answer: dict[str, Any]) -> None:
    for reason in answer["refused"].values():
        tell(f"refused: {reason}")


def _clusters(evaluation: dict[str, Any]) -> str:
    """What `cluster-corrected` goes by, and `position-based` where items take clicks from each other."""
    items, clusters = number(evaluation["items"]), number(evaluation["clusters"], 1)
    text = f"cluster-corrected: {items} items in {clusters} clusters on average"
    if (left := evaluation["after_alike"]) == 1.0:
        return text
    return f"{text}\nposition-based: {share(left, 0)} of looks are left below each item of the same category"


def _table(evaluation: dict[str, Any], currency: str) -> RenderableType:
    from reshelf.terminal.tables import table

    rows: list[tuple[str, ...]] = []
    for reward, estimates in evaluation["estimates"].items():
        rows.append((reward, *[""] * 8))
        for side, estimate in evaluation["served"][reward].items():
            rows.append((f"  ({side} traffic)", *_bounds(reward, estimate, currency), *[""] * 5))
        for estimate in estimates:
            values = ("refused", "", "") if estimate["refused"] else _bounds(reward, estimate, currency)
            lacking = share(estimate["lacking"]) + (" extrapolated" if estimate["extrapolated"] else "")
            size = number(estimate["effective_size"])
            rows.append((f"  {estimate['estimator']}", *values, *_gain(estimate), size, lacking))
    return table(("per page view", "value", *BOUNDS, "gain", *BOUNDS, "effective views", "lacking"), rows)


def _gain(estimate: dict[str, float | None]) -> tuple[str, ...]:
    """Relative to what learned traffic earned."""

    if estimate["refused"]:
        return ("", "", "")
    values = (estimate[name] for name in ("gain", "gain_low", "gain_high"))
    return tuple(gain(value) for value in values)


def _bounds(reward: str, estimate: dict[str, float | None], currency: str) -> tuple[str, ...]:
    from reshelf.numbers import UNKNOWN, outcome

    values = (estimate[name] for name in ("value", "low", "high"))
    return tuple(UNKNOWN if value is None else outcome(reward, value, currency) for value in values)
