"""The demonstration in a terminal: figures above, a page that re-shelves itself below."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reshelf.numbers import between, gain, money, number, outcome, share

TURN_S = 10.0
COLOURS = {
    "garden": "green",
    "kitchen": "yellow",
    "outdoor": "cyan",
    "books": "magenta",
    "toys": "red",
    "bath": "blue",
    "office": "white",
    "living": "bright_yellow",
}


def screen(picture: dict[str, Any], address: str, hint: str) -> RenderableType:
    """The whole screen; the segment on show changes every ten seconds, `hint` says how other commands find the shop."""
    figures = Table.grid(expand=True)
    figures.add_column(ratio=4)
    figures.add_column(ratio=5)
    figures.add_row(_figures(picture["figures"]), _arms(picture["figures"]))
    tastes = [_tastes(picture["figures"]["tastes"])] if "tastes" in picture["figures"] else []
    parts: list[RenderableType] = [_heading(picture, address), figures, *tastes, _renderer(picture)]
    return Group(*parts, Text(f" In another terminal: {hint}", "dim")) if hint else Group(*parts)


def line(picture: dict[str, Any]) -> str:
    """One plain line, for output that is not a terminal."""
    figures = picture["figures"]
    return (
        f"{number(picture['elapsed'], 1):>7} s  {number(figures['events_per_s']):>8} events/s  "
        f"{number(figures['layouts']):>6} layouts  {number(figures['signals']):>6} signals  "
        f"{number(figures['returns']):>4} returns  click to layout {_delay(figures)}  "
        f"clicks per view {number(figures['learned']['clicks_per_view'], 4)} learned, "
        f"{number(figures['holdout']['clicks_per_view'], 4)} holdout  uplift {_interval(figures['uplift'])}  "
        f"front page: order {_interval(figures['front']['order'])}, items {_interval(figures['front']['items'])}"
        f"{_tastes_line(figures)}"
    )


def _tastes_line(figures: dict[str, Any]) -> str:
    if "tastes" not in figures:
        return ""
    segments = ", ".join(_named(taste) for taste in figures["tastes"]["segments"])
    return f"  learned segments {_interval(figures['tastes']['gain'])}: {segments or 'none yet'}"


def _named(taste: dict[str, Any]) -> str:
    """A segment by its first words, and by what its visitors really are."""
    return f"{taste['segment']} {' '.join(taste['words'][:2])} ({share(taste['share'], 0)} {taste['most']})"


def closing(summary: dict[str, Any]) -> str:
    """The last words when the demonstration ends."""
    uplift = {"value": summary["uplift"], "low": summary["uplift_low"], "high": summary["uplift_high"]}
    return (
        f"{summary['events']} events, {summary['layouts']} layouts, {summary['dead_letters']} dead letters. "
        f"Clicks per page view of learned layouts against the holdout: {_interval(uplift)}. On the front page shelves "
        f"that move earn {_interval(summary['front']['order'])} beside the merchants' order of them, and learned items "
        f"within that order {_interval(summary['front']['items'])} beside the holdout.{_tastes_closing(summary)}"
    )


def _tastes_closing(summary: dict[str, Any]) -> str:
    if "tastes" not in summary:
        return ""
    if not summary["tastes"]["segments"]:
        return " No segments were learned yet: that takes some minutes, and with --null there are none."
    named = ", ".join(_named(taste) for taste in summary["tastes"]["segments"])
    return (
        f" Learned segments ({named}) earn {_interval(summary['tastes']['gain'])} on the other pages beside the "
        "layouts of all visitors."
    )


def _heading(picture: dict[str, Any], address: str) -> Text:
    text = Text.assemble(
        (" Reshelf ", "bold reverse"), f"  {picture['title']}, open for {number(picture['elapsed'])} s"
    )
    return text.append(f"   {address}", "underline") if address else text


def _figures(figures: dict[str, Any]) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold", min_width=9)
    table.add_column(style="dim")
    table.add_row(number(figures["events_per_s"]), "events/s")
    table.add_row(number(figures["views_per_s"]), "page views/s")
    table.add_row(number(figures["layouts"]), f"layouts ({number(figures['layouts_per_s'])}/s)")
    table.add_row(_delay(figures), "click to layout, p50 / p99")
    table.add_row(number(figures["lag"]), "clicks not yet in a layout")
    table.add_row(number(figures["signals"]), f"signals, and {number(figures['returns'])} returns")
    table.add_row(number(figures["dead_letters"]), "dead letters")
    return Panel(table, title="Stream", border_style="dim")


def _arms(figures: dict[str, Any]) -> Panel:
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(justify="right")
    table.add_row("", "[dim]page views", "[dim]clicks/view", "[dim]revenue/view")
    for name in ("learned", "holdout"):
        arm = figures[name]
        table.add_row(
            f"[bold]{name}",
            number(arm["views"]),
            number(arm["clicks_per_view"], 4),
            outcome("revenue", arm["revenue_per_view"], "EUR"),
        )
    uplifts = Table.grid(padding=(0, 2))
    uplifts.add_row("[bold]uplift of clicks", _coloured(figures["uplift"]))
    uplifts.add_row("[bold]uplift of revenue", _coloured(figures["revenue_uplift"]))
    uplifts.add_row("[bold]front page: order of shelves", _coloured(figures["front"]["order"]))
    uplifts.add_row("[bold]front page: items in that order", _coloured(figures["front"]["items"]))
    return Panel(Group(table, "", uplifts), title="Learned layouts against the holdout", border_style="dim")


def _tastes(tastes: dict[str, Any]) -> Panel:
    """Which segments were learned and what they earn; the shop alone knows what their visitors really are."""
    table = Table.grid(padding=(0, 2))
    for taste in tastes["segments"]:
        visitors = f"{number(taste['visitors'])} visitors"
        truth = f"[dim]{share(taste['share'], 0)} of them {taste['most']}"
        table.add_row(f"[bold]{taste['segment']}", visitors, ", ".join(taste["words"][:5]), truth)
    if not tastes["segments"]:
        table.add_row("[dim]none yet: visitors have to look at some items first")
    title = f"Learned segments, beside layouts that are one for all: {_coloured(tastes['gain'])}"
    return Panel(table, title=title, border_style="dim")


def _coloured(interval: dict[str, float | None]) -> str:
    low, high = interval["low"], interval["high"]
    style = "dim" if low is None or high is None else "green" if low > 0 else "red" if high < 0 else "yellow"
    return f"[{style}]{_interval(interval)}[/]"


def _interval(interval: dict[str, Any]) -> str:
    if interval["low"] is None or interval["high"] is None:
        return "not known yet"
    return f"{gain(interval['value'])} ({between(interval['low'], interval['high'])})"


def _delay(figures: dict[str, Any]) -> str:
    delay = figures["click_to_layout_ms"]
    return f"{number(delay['p50'])} / {number(delay['p99'])} ms" if delay else "-"


def _renderer(picture: dict[str, Any]) -> Panel:
    segments, page = picture["segments"], picture["pages"][0]
    segment = segments[int(picture["elapsed"] / TURN_S) % len(segments)]
    renderer, columns = page["layouts"][segment], page["columns"]
    rows: list[RenderableType] = []
    for row, begin in enumerate(range(0, len(renderer["slots"]), columns)):
        if renderer["titles"]:
            rows.append(Text(renderer["titles"][row] or "left out", style="bold underline"))
        rows.append(_row(renderer["slots"][begin : begin + columns], framed=not renderer["titles"]))
    return Panel(
        Group(*(rows or [Text("no layout yet: the renderer shows its fallback", "dim")])),
        title=f"Page {page['name']} for {segment}, as {renderer['guest'] or 'a visitor'} sees it",
        subtitle="[dim]percent: the share of slates that have the item there",
    )


def _row(slots: list[dict[str, Any]], *, framed: bool) -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    for _ in slots:
        table.add_column(ratio=1)
    table.add_row(*(_card(slot, framed=framed) for slot in slots))
    return table


def _card(slot: dict[str, Any], *, framed: bool) -> RenderableType:
    """Without a frame it is two lines, so that a page of many rows fits into a terminal."""
    colour = COLOURS.get(slot["category"], "white")
    below = (
        f"was {slot['before']}"
        if slot["fresh"] and slot["before"]
        else f"{slot['category']}  {money(slot['price'], 'EUR')}  {share(slot['share'], 0)}"
    )
    text = Text(slot["title"] or "empty", style=f"bold {colour}", no_wrap=True, overflow="ellipsis")
    note = Text(below, style="italic" if slot["fresh"] else "dim", no_wrap=True, overflow="ellipsis")
    if not framed:
        return Group(text, note)
    return Panel(Group(text, note), border_style=f"bold {colour}" if slot["fresh"] else "dim")
