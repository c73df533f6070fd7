"""What rules have cost or earned so far, for people and scripts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from msgspec import UNSET
from rich.console import Group, RenderableType

from policy.arrays import Floats
from policy.experiments.sequence import Uplift
from policy.experiments.trial import Trial
from policy.prices.earnings import interval_of
from reshelf.inspect.prices.preview import Preview
from reshelf.inspect.prices.priced import Sponsorship
from reshelf.inspect.prices.so_far import Report, SoFar
from reshelf.inspect.prices.words import NO_TITLES, UNCHANGED, called, earnings_as_json, sponsorship_as_json
from reshelf.inspect.trials.measured import trial_as_json
from reshelf.numbers import between, number, outcome, share, signed
from reshelf.rules.calendar import moment
from reshelf.settings import Settings
from reshelf.terminal.tables import table
from schemas.rules import Rule, kind_in_words

COLUMNS = "rule", "kind", "since", "page_views", "outcome", "per_page_view", "mean", "low", "high"
"""Of CSV."""
LISTED = 3
"""Items that lost most by a bid."""


def as_json(report: Report, level: float) -> dict[str, Any]:
    """Each rule by its name, per page view and so far; null where it is not known."""
    preview = report.preview
    return {
        "page": preview.rules.page,
        "version": preview.rules.version,
        "at": preview.at_ms,
        "currency": preview.currency,
        "level": level,
        "segments_left_out": preview.left_out,
        "trials_counted_since": report.trials and report.trials.counted_since,
        "rules": [
            _rule(each, level)
            | {"sponsor": _sponsor(preview.sponsorship(each.rule.name), each.views, level)}
            | {"trials": {name: trial_as_json(trial) for name, trial in _trials(each.rule, report).items()}}
            for each in report.rules
        ],
    }


def _trials(rule: Rule, report: Report) -> Mapping[str, Trial]:
    """What was measured of the branches that a rule on trial holds in."""
    chosen, measured = rule.branches, report.trials
    if measured is None or chosen is UNSET:
        return {}
    return {name: trial for name, trial in measured.branches.items() if name in chosen}


def _sponsor(bid: Sponsorship | None, views: float | None, level: float) -> dict[str, Any] | None:
    return None if bid is None else sponsorship_as_json(bid, level, views, "so_far")


def _rule(so_far: SoFar, level: float) -> dict[str, Any]:
    rule, since, counted_since, views, change = so_far
    return {
        "name": rule.name,
        "kind": kind_in_words(rule),
        "in_force_since": since,
        "counted_since": counted_since,
        "page_views": views,
        "change": None if change is None else earnings_as_json(change, level, views, "so_far"),
    }


def in_words(report: Report, level: float, settings: Settings, titles: Mapping[str, str] = NO_TITLES) -> RenderableType:
    """A line about each rule, and below it what it cost or earned, by outcome; items by their titles."""
    preview = report.preview
    said: list[RenderableType] = [
        f"{preview.rules.page}, version {preview.rules.version}: what each rule cost (-) or earned (+) so far,",
        f"against the page without it, by what is known of its items now; {share(level, 0)} between.",
    ]
    for each in report.rules:
        said += [
            "",
            *_of_rule(each, preview, level, settings, titles),
            *_measured(each.rule, report, settings.shop.zone),
        ]
    if not report.rules:
        said.append("The page has no rules.")
    if preview.left_out:
        said.append(f"{preview.left_out} segments with fewer page views are left out.")
    return Group(*said)


def csv_rows(report: Report, level: float, settings: Settings) -> Iterator[dict[str, object]]:
    """A row for each rule and outcome; revenue in minor units."""
    for rule, since, _, views, change in report.rules:
        for name, draws in ({} if change is None else change._asdict()).items():
            if draws is not None:
                interval = interval_of(draws, level)
                times = 0.0 if views is None else views
                so_far = {} if views is None else {side: times * value for side, value in interval._asdict().items()}
                yield {
                    "rule": rule.name,
                    "kind": kind_in_words(rule),
                    "since": moment(since, settings.shop.zone),
                    "page_views": views,
                    "outcome": name,
                    "per_page_view": interval.mean,
                    **so_far,
                }


def _of_rule(
    so_far: SoFar, preview: Preview, level: float, settings: Settings, titles: Mapping[str, str]
) -> Sequence[RenderableType]:
    rule, since, counted_since, views, change = so_far
    zone = settings.shop.zone
    head = f"{rule.name} ({kind_in_words(rule)})"
    if change is None:
        return [f"{head}: not in force now for any segment"]
    began = f"{head}, since {moment(since, zone)}"
    if views is None:
        return [f"{began}: how many page views it had is not known: no time bucket was counted"]
    more = "" if counted_since == since else f", counted since {moment(counted_since, zone)}"
    rows = [_row(name, draws, views, preview, level) for name, draws in change._asdict().items() if draws is not None]
    said: list[RenderableType] = [f"{began}{more}: {number(views)} page views"]
    changes = any(draws is not None and draws.any() for draws in change)
    said.append(table(["", "so far", "between", "a day"], rows) if changes else f"   {UNCHANGED} is expected of it")
    if (bid := preview.sponsorship(rule.name)) is not None:
        income, clicks = (views * float(draws.mean()) for draws in (bid.income, bid.clicks))
        said.append(f"  {bid.sponsor} paid {number(income, 2)} for {number(clicks)} clicks, by what is known now")
        said.append(f"  looked at less for it: {_most_displaced(bid, titles)}")
    return said


def _measured(rule: Rule, report: Report, zone: tzinfo) -> Iterator[RenderableType]:
    """How those who get a rule on trial do against those who do not: by what they did, with always-valid bounds."""
    for name, trial in _trials(rule, report).items():
        yield f"  on trial in the branch {name}, {_counted(trial, report, zone)}"
        if trial.views:
            rows = [(f"  {key.replace('_', ' ')}", *_verdict(uplift)) for key, uplift in trial.uplifts.items()]
            yield table(["", "against the page without it", "between"], rows)
            yield "  To keep it leave out its `branches`, then the branch; to drop it, the rule."


def _counted(trial: Trial, report: Report, zone: tzinfo) -> str:
    since = report.trials.counted_since if report.trials else 0
    if since > report.preview.at_ms:
        return f"counted from {moment(since, zone)} on, when the next whole time bucket begins"
    return f"{number(trial.views)} page views" + (f" since {moment(since, zone)}" if since else "")


def _verdict(uplift: Uplift) -> tuple[str, str]:
    low, high = uplift.low, uplift.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return "not known yet", ""
    return "gains" if low > 0.0 else "loses" if high < 0.0 else "not decided", between(low, high)


def _most_displaced(bid: Sponsorship, titles: Mapping[str, str]) -> str:
    """Items by how many looks they lose, with the share of page views."""
    most = sorted(bid.displaced.items(), key=lambda pair: -pair[1])
    more = f", and {len(most) - LISTED} more" if len(most) > LISTED else ""
    less = (f"{called(item, titles)} {signed(-loss, share)}" for item, loss in most[:LISTED])
    return ", ".join(less) + more or "nothing"


def _row(name: str, draws: Floats, views: float, preview: Preview, level: float) -> tuple[str, ...]:
    mean, low, high = (views * value for value in interval_of(draws, level))

    def figure(value: float | None) -> str:
        return signed(value, lambda size: outcome(name, size, preview.currency))

    a_day = "" if preview.views is None else figure(preview.views * float(draws.mean()))
    return f"  {name}", figure(mean), between(low, high, figure), a_day
