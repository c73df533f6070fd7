"""Charts as SVG text: pure functions, no script, colours from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from html import escape
from typing import NamedTuple

from reshelf.numbers import between, gain, share

WIDTH = 640
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 24


class Bounds(NamedTuple):
    """A value between bounds at a place of the axis; what is unknown is not finite."""

    at: float
    value: float
    low: float
    high: float


class Bar(NamedTuple):
    """A named interval with a value and a mark to compare it with."""

    name: str
    low: float
    value: float
    high: float
    mark: float
    about: str


class Scale(NamedTuple):
    """From values to places on the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)


def band(points: Sequence[Bounds], title: str, since: float, zone: tzinfo = UTC) -> str:
    """A line with its band over time (milliseconds), in per cent; points without bounds are left out.

    A single point is written in words: it holds what was counted since `since`.
    """
    finite = [point for point in points if all(map(math.isfinite, point))]
    if not finite:
        return '<p class="soft">Not enough outcomes yet.</p>'
    if len(finite) == 1:
        return f"<p>{_label(finite[0])} since {_day(since, zone)}</p>"
    height, most = 190, max(0.05, *(abs(value) for point in finite for value in point[1:]))
    across = Scale(finite[0].at, finite[-1].at, LEFT, WIDTH - RIGHT)
    up = Scale(-min(most, 1.0), min(most, 2.0), height - BOTTOM, TOP)
    upper = [f"{across(point.at)},{up(point.high)}" for point in finite]
    lower = [f"{across(point.at)},{up(point.low)}" for point in reversed(finite)]
    line = " ".join(f"{across(point.at)},{up(point.value)}" for point in finite)
    dots = "".join(
        _dot(across(point.at), up(point.value), f"{_day(point.at, zone)}: {_label(point)}") for point in finite
    )
    content = (
        _grid(up, [up.low, 0.0, up.high], height)
        + f'<polygon class="band" points="{" ".join(upper + lower)}"/><polyline class="line" points="{line}"/>{dots}'
        + f'<text x="{LEFT}" y="{height - 6}">{_day(finite[0].at, zone)}</text>'
        + f'<text x="{WIDTH - RIGHT}" y="{height - 6}" text-anchor="end">{_day(finite[-1].at, zone)}</text>'
    )
    return _svg(content, height, f"{title}: {_label(finite[-1])}")


def bars(rows: Sequence[Bar], title: str, digits: int = 1) -> str:
    """Horizontal intervals, one a row, with the value as a dot, the mark as a tick and shares below."""
    if not rows:
        return '<p class="soft">Nothing yet.</p>'
    left, step = 170, 20
    height = TOP + step * len(rows) + BOTTOM
    most = max(max(row.high, row.mark) for row in rows)
    across = Scale(0.0, most, left, WIDTH - RIGHT)
    drawn = [
        f"<g><title>{escape(row.about)}</title>"
        f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{escape(_short(row.name))}</text>'
        f'<line class="band-line" x1="{across(row.low)}" x2="{across(row.high)}" y1="{y}" y2="{y}"/>'
        f'<line class="mark" x1="{across(row.mark)}" x2="{across(row.mark)}" y1="{y - 6}" y2="{y + 6}"/>'
        f'<circle class="dot" cx="{across(row.value)}" cy="{y}" r="3.5"/></g>'
        for y, row in ((TOP + step * at + step // 2, row) for at, row in enumerate(rows))
    ]
    ends = "".join(
        f'<text x="{across(value)}" y="{height - 6}" text-anchor="{anchor}">{share(value, digits)}</text>'
        for value, anchor in ((0.0, "start"), (most, "end"))
    )
    return _svg("".join(drawn) + ends, height, title)


def _grid(up: Scale, values: Sequence[float], height: int) -> str:
    return "".join(
        f'<line class="{"zero" if value == 0.0 else "grid"}" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
        f'y1="{up(value)}" y2="{up(value)}"/>'
        f'<text x="{LEFT - 6}" y="{up(value) + 4}" text-anchor="end">{gain(value, 0)}</text>'
        for value in values
    )


def _dot(x: float, y: float, about: str) -> str:
    return f'<circle class="dot" cx="{x}" cy="{y}" r="3"><title>{escape(about)}</title></circle>'


def _svg(content: str, height: int, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{content}</svg>"
    )


def _label(point: Bounds) -> str:
    return f"{gain(point.value)} ({between(point.low, point.high)})"


def _day(at: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at / 1000, zone).strftime("%Y-%m-%d %H:%M")


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
