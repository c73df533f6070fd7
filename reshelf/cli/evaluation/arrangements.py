"""The part of `reshelf evaluate` that is about arrangements of a page's shelves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from reshelf.cli.front import Front
from reshelf.numbers import figures, gain, number, share
from reshelf.terminal.prose import tell
from schemas.errors import BadSettings

if TYPE_CHECKING:
    from rich.console import RenderableType

_OPTIONS = (
    click.option("--declared", is_flag=True, help="Shelves in the declared order, as the holdout sees them."),
    click.option(
        "--template",
        "templates",
        multiple=True,
        metavar="NAME",
        help="One of the page's templates, as its own policy would have filled it; may be given several times.",
    ),
    click.option(
        "--pin",
        "pins",
        multiple=True,
        metavar="SHELF=ROW",
        help="A shelf in a row, what stood there being in its place; may be given several times, each by itself.",
    ),
    click.option(
        "--exchange",
        "exchanges",
        multiple=True,
        nargs=2,
        metavar="ROW ROW",
        help="Two rows with each other's shelves; may be given several times, each by itself.",
    ),
    click.option("--segments", is_flag=True, help="Show each segment of visitors, too; --json always has them."),
)


class ArrangementOptions(NamedTuple):
    """The options that are about shelves."""

    declared: bool
    templates: tuple[str, ...]
    pins: tuple[str, ...]
    exchanges: tuple[tuple[str, str], ...]
    segments: bool

    @property
    def first(self) -> str:
        """The first that was given; empty where none was."""
        names = ("--declared", "--template", "--pin", "--exchange", "--segments")
        return next((name for name, value in zip(names, self, strict=True) if value), "")


def arrangement_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command with the options that are about shelves, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def evaluate_arrangements(front: Front, page: str | None, options: ArrangementOptions, level: float) -> None:
    """Read the log, value what was asked, and print it."""
    from reshelf.evaluation.arrangements.answer import answer
    from reshelf.evaluation.arrangements.question import ArrangementQuestion, check
    from reshelf.evaluation.evaluate import evaluator
    from reshelf.evaluation.records.store import record
    from schemas.topics import PAGE_RULES
    from streams.catalog.snapshot import read_catalog

    if page is None:
        raise BadSettings(
            "--policy: expected a policy, or --page with a page that has shelves, got neither. "
            "See `reshelf evaluate --help`."
        )
    question = ArrangementQuestion(page, *options[:-1], level=level)
    check(read_catalog(front.settings.kafka, [PAGE_RULES]).rules, question)
    began = time.monotonic()
    with evaluator(front.settings) as decisions:
        content, settings = answer(decisions, question), decisions.settings
    parameters = {"page": page, **{name: value for name, value in options._asdict().items() if value}, "level": level}
    read = {page: {"views": content["views"], "layouts": content["layouts"]}}
    record("evaluate", settings, parameters, read, content, time.monotonic() - began)
    if front.json:
        front.answer(content, "")
        return
    _print(content, options.segments)


def _print(content: dict[str, Any], segments: bool) -> None:
    from reshelf.terminal.tables import show

    views, layouts = content["views"], content["layouts"]
    tell(f"{content['page']}: {number(views)} page views of {number(layouts)} layouts, outside the holdout")
    show(_table(content, segments))
    for arrangement in content["arrangements"]:
        if arrangement["refused"]:
            tell(f"refused: {arrangement['arrangement']}: {arrangement['refused']}")
    for reason, count in content["left_out"].items():
        tell(f"left out: {number(count)} × {reason}")


def _table(content: dict[str, Any], segments: bool) -> RenderableType:
    from reshelf.terminal.tables import table

    bounds = ("from", "to")
    rows = [("(log)", *_values(content["clicks"]), *[""] * 5)]
    if segments:
        rows += ((f"  {name}", *_values(segment["clicks"]), *[""] * 5) for name, segment in content["segments"].items())
    for arrangement in content["arrangements"]:
        rows.append((arrangement["arrangement"], *_cells(arrangement)))
        if segments:
            rows += ((f"  {name}", *_cells(estimate)) for name, estimate in arrangement["segments"].items())
    return table(("clicks per page view", "value", *bounds, "gain", *bounds, "effective views", "lacking"), rows)


def _cells(estimate: dict[str, Any]) -> tuple[str, ...]:

    lacking = share(estimate["lacking"])
    if estimate["refused"]:
        return ("refused", *[""] * 6, lacking)
    gains = (gain(estimate[name]) for name in ("gain", "gain_low", "gain_high"))
    return (*_values(estimate), *gains, number(estimate["effective_size"]), lacking)


def _values(estimate: dict[str, float | None]) -> tuple[str, ...]:
    return tuple(figures(estimate[name]) for name in ("value", "low", "high"))
