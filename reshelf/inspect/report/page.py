"""The report as HTML: a pure function of what was gathered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from html import escape
from importlib.resources import files
from string import Template
from typing import Any, NamedTuple

from policy.experiments.health import Health
from policy.experiments.sequence import NET_REVENUE, Uplift
from reshelf.inspect.experiment import NET_REVENUE_NOTE, Point
from reshelf.inspect.report.charts import Bar, Bounds, band, bars
from reshelf.inspect.report.gather import Arm, PageReport, Slot
from reshelf.numbers import UNKNOWN, between, gain, number, outcome, p_value, share

FOR_PAGES = ("position-based", "item-position", "cluster-corrected", "doubly-robust")
"""The estimators that suit pages of many slots."""


class Report(NamedTuple):
    """Made at `made_at`, milliseconds; money is in `currency`.

    `answers` are those of `reshelf.evaluation.evaluate`, `notes` say what lacks.  Times are shown in `zone`.
    """

    made_at: int
    namespace: str
    currency: str
    level: float
    pages: Sequence[PageReport]
    answers: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    zone: tzinfo = UTC


def html(report: Report) -> str:
    """The whole page, with style and drawings inside."""
    template = Template(files("reshelf.inspect.report").joinpath("report.html").read_text(encoding="utf-8"))
    created = datetime.fromtimestamp(report.made_at / 1000, report.zone).strftime("%Y-%m-%d %H:%M %Z")
    return template.substitute(
        namespace=escape(report.namespace),
        created=created,
        level=share(report.level, 0),
        notes="".join(f'<p class="soft">{escape(note)}</p>' for note in report.notes),
        contents="".join(
            f'<a href="#{escape(report_page.page)}">{escape(report_page.page)}</a> ' for report_page in report.pages
        ),
        pages="".join(_page(report_page, report) for report_page in report.pages)
        or "<p>No declared page has counts yet.</p>",
    )


def _page(page: PageReport, report: Report) -> str:
    lines = "".join(
        uplift_over_time(name, points, report.made_at, report.zone) for name, points in page.over_time.items()
    )
    return (
        f'<section id="{escape(page.page)}"><h2>{escape(page.page)}</h2>{_health(page.health, report.currency)}'
        f'<div class="panels"><div class="panel">{lines}</div>'
        f'<div class="panel"><h3>Examination of slots</h3>{_examination(page.slots)}'
        f"<h3>Attractiveness of {len(page.arms)} of {page.arms_in_all} items</h3>{_posteriors(page.arms)}</div></div>"
        f"{valued_policies(page.page, report)}</section>"
    )


def uplift_over_time(name: str, points: Sequence[Point], made_at: int, zone: tzinfo = UTC) -> str:
    """The last time bucket goes on: what it holds is known up to now alone."""
    title = f"Uplift of {name.replace('_', ' ')}"
    bounds = [Bounds(float(min(until, made_at)), uplift.uplift, uplift.low, uplift.high) for _, until, uplift in points]
    return f"<h3>{title}</h3>" + band(bounds, title, points[0].since if points else made_at, zone)


def _health(health: Health, currency: str) -> str:
    split = health.sample_ratio
    rows = [
        [
            name.replace("_", " "),
            *(outcome(name, side, currency) for side in (up.learned, up.holdout)),
            gain(up.uplift),
            *_interval(up),
        ]
        for name, up in health.uplifts.items()
    ]
    units = (
        f"{number(split.learned)} units learned, {number(split.holdout)} in the holdout of {share(split.expected)}, "
        f"p = {p_value(split.p_value)}."
    )
    warning = "Sample ratio mismatch: trust no figure of this experiment." if split.alarm else ""
    crossed = f"Guard-rail crossed: {health.guard_rail}." if health.guard_rail else ""
    alarms = "".join(f'<p class="bad">{escape(text)}</p>' for text in (warning, crossed) if text)
    note = f'<p class="soft">{escape(NET_REVENUE_NOTE.capitalize())}</p>' if NET_REVENUE in health.uplifts else ""
    head = ["per page view", "learned", "holdout", "uplift", "from", "to"]
    return f'<div class="panel"><h3>Experiment</h3>{alarms}{_table(head, rows)}{note}<p class="soft">{units}</p></div>'


def _examination(slots: Sequence[Slot]) -> str:
    rows = [
        Bar(
            slot.name,
            0.0,
            slot.examination,
            slot.examination,
            slot.examination,
            f"{share(slot.click_rate, 2)} clicks per impression",
        )
        for slot in slots
    ]
    return bars(rows, "Probability that a slot is looked at", 0)


def _posteriors(arms: Sequence[Arm]) -> str:
    rows = [
        Bar(
            arm.item,
            arm.low,
            arm.mean,
            arm.high,
            arm.prior,
            f"{arm.item}: {share(arm.mean, 2)} ({share(arm.low, 2)} to {share(arm.high, 2)}), "
            f"prior {share(arm.prior, 2)}, {number(arm.clicks)} clicks of {number(arm.examined)} examined",
        )
        for arm in arms
    ]
    return bars(rows, "Posterior with its interval; the tick is the prior")


def valued_policies(page: str, report: Report) -> str:
    """What was answered of a page, by policy, outcome and estimator; nothing where nothing was."""
    rows = [
        [
            str(answer["policy"]),
            reward,
            _estimator(estimate["estimator"], answer["pages"][page]),
            *_bounds(reward, estimate, report.currency),
            _gain(estimate),
            _lacking(estimate),
        ]
        for answer in report.answers
        if page in answer["pages"]
        for reward, estimates in answer["pages"][page]["estimates"].items()
        for estimate in estimates
        if estimate["estimator"] in FOR_PAGES
    ]
    if not rows:
        return ""
    head = [
        "policy",
        "per page view",
        "estimator",
        "value",
        "from",
        "to",
        "gain over what was served",
        "lacking in the log",
    ]
    return f'<div class="panel"><h3>What policies would have earned</h3>{_table(head, rows, words=3)}</div>'


def _estimator(name: str, evaluation: Mapping[str, Any]) -> str:
    """Its name, and of what it borrows over clusters how many there are."""
    if not name.startswith("cluster"):
        return name
    return f"{name} ({number(evaluation['items'])} items in {number(evaluation['clusters'], 1)} clusters)"


def _lacking(estimate: Mapping[str, Any]) -> str:
    return share(estimate["lacking"] or 0.0) + (", extrapolated" if estimate["extrapolated"] else "")


def _bounds(reward: str, estimate: Mapping[str, Any], currency: str) -> list[str]:
    if estimate["refused"]:
        return ["refused", "", ""]
    values = (estimate[name] for name in ("value", "low", "high"))
    return [UNKNOWN if value is None else outcome(reward, value, currency) for value in values]


def _gain(estimate: Mapping[str, Any]) -> str:
    """Relative to what learned traffic earned, with its interval."""
    mean, low, high = (estimate[name] for name in ("gain", "gain_low", "gain_high"))
    if estimate["refused"] or mean is None:
        return ""
    return gain(mean) if low is None or high is None else f"{gain(mean)} ({between(low, high)})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """The first `words` columns are text, the others numbers."""

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{'' if at < words else ' class=number'}>{escape(cell)}</{tag}>" for at, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _interval(uplift: Uplift) -> tuple[str, str]:
    return (gain(uplift.low), gain(uplift.high)) if math.isfinite(uplift.high) else (UNKNOWN, UNKNOWN)
