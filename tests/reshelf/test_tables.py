"""What people see on a terminal: whole names and numbers, no line that is too wide, and a word while they wait."""

from __future__ import annotations

import ast
import io
import re
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from reshelf.inspect.explain import listing as arms_listing
from reshelf.inspect.layouts_topic import listing, slots_table
from reshelf.terminal.prose import wrapped
from reshelf.terminal.tables import show, table
from reshelf.terminal.waiting import at_work, shown
from streams.fold.deltas import Traffic
from streams.layouts.explain import explain
from streams.page_settings import LayoutSettings
from streams.state.reader import KeyState
from tests.reshelf.test_explain import ITEMS, SLOTS, page
from tests.reshelf.test_layouts_command import layout
from tests.streams.layout_inputs import table as counted

ROWS = [("four-season-sleeping-bag-0001", "1,234", "home-1 25 %, home-2 50 %", "pinned by summer sale")] * 3


def test_names_stand_whole_on_a_narrow_terminal() -> None:
    drawn = io.StringIO()
    Console(file=drawn, width=60).print(table(("item", "seen", "slots", "rules"), ROWS, spare=2))
    lines = drawn.getvalue().splitlines()
    assert len(lines) == 1 + len(ROWS)
    assert all(len(line) <= 60 for line in lines)
    assert all("four-season-sleeping-bag-0001  1,234  home-1" in line for line in lines[1:])


def test_nothing_is_cut_off_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    show(table(("item", "seen", "slots", "rules"), ROWS, spare=2))
    assert capsys.readouterr().out.count("pinned by summer sale") == len(ROWS)


WIDTH = 80
IDS = st.text("abcdefghij0123456789-", min_size=1, max_size=34)
TITLES = st.text("Äbc 鞋 def", max_size=120)
NUMBERS = st.sampled_from(["12,345,678", "−1,234.56", "0.08% to 12.34%", "€1,234,567.00", "7"])


def drawn_at(what: RenderableType, width: int = WIDTH) -> list[str]:
    drawn = io.StringIO()
    Console(file=drawn, width=width, highlight=False).print(what)
    return drawn.getvalue().splitlines()


@given(st.lists(st.tuples(IDS, *[NUMBERS] * 6, TITLES), min_size=1, max_size=4), st.integers(0, 1))
def test_no_line_is_too_wide_and_no_number_is_broken(rows: list[tuple[str, ...]], more: int) -> None:
    head = ["item", *(f"outcome {at}" for at in range(6)), "title"]
    several = [(*row[:4], *row[4 : 6 + more], row[7]) for row in rows]
    lines = drawn_at(table([*head[:4], *head[4 : 6 + more], "title"], several, spare=1))
    assert all(cell_len(line) <= WIDTH for line in lines)
    text = "\n".join(lines)
    assert all(cell in text for row in several for cell in row[:-1])


@given(IDS, TITLES, st.integers(0, 10**9))
def test_layouts_fit_a_terminal(item: str, title: str, age_ms: int) -> None:
    one = layout("cooks", 9)
    shares = {item: 0.4375, f"{item}-2": 0.25, f"{item}-3": 0.1875, f"{item}-4": 0.125}
    one = msgspec.structs.replace(one, propensities={"home-10": shares}, baseline={"home-10": item})
    lines = drawn_at(slots_table(one, {item: title})) + drawn_at(listing([(one, 0)], one.produced_at + age_ms))
    assert all(cell_len(line) <= WIDTH for line in lines)
    assert any(item in line and "44%" in line for line in lines) or "   share 44%" in "\n".join(lines)
    assert "and 1 more" in "\n".join(lines)


def test_arms_with_large_numbers_and_long_titles_fit_a_terminal() -> None:
    state = KeyState((counted(0, Traffic.LEARNED, ITEMS, SLOTS, 3),), {})
    found = explain("new", state, page(), LayoutSettings(), 3, 9)
    many = [replace(arm, item=f"kitchen-{arm.item}", impressions=12_345_678.0, clicks=345_678.0) for arm in found.arms]
    titles = {arm.item: "A pot of cast iron with a lid, for four people" for arm in many}
    lines = drawn_at(arms_listing(replace(found, arms=many), titles))
    assert all(cell_len(line) <= WIDTH for line in lines)
    text = "\n".join(lines)
    assert text.count("12,345,678") == text.count(" 345,678") == text.count("A pot of") == len(many)


@given(
    st.lists(st.sampled_from(["home-1 13%,", "of", "12,345,678", "records", "are", "late", "sku-0001"]), max_size=60)
)
def test_sentences_are_broken_at_blanks_alone(words: list[str]) -> None:
    text = "      " + " ".join(words)
    lines = list(wrapped(text, WIDTH))
    assert all(len(line) <= WIDTH for line in lines)
    assert " ".join(line.strip() for line in lines) == text.strip()
    assert not any(line.strip().startswith("13%") for line in lines)
    assert all(line.startswith("      ") for line in lines) or not words
    assert list(wrapped(text, 0)) == [text]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_waits_is_told_and_who_sees_something_is_not() -> None:
    slow, quick, piped = Terminal(), Terminal(), io.StringIO()
    with at_work(slow, 0.0):
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join(5.0)
    with at_work(quick, 3_600.0):
        shown()
    with at_work(piped, 0.0):
        pass
    assert (slow.getvalue(), quick.getvalue(), piped.getvalue()) == ("Working ...\n", "", "")


def test_each_finding_of_the_doctor_that_is_not_well_has_a_next_step() -> None:
    calls = [
        call
        for file in (Path(__file__).parents[2] / "reshelf" / "doctor").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Finding"
    ]
    bare = [ast.unparse(call) for call in calls if len(call.args) < 4 and ast.unparse(call.args[1]) != "'ok'"]
    empty = [ast.unparse(call) for call in calls if len(call.args) == 4 and re.search("''$", ast.unparse(call.args[3]))]
    assert len(calls) > 40 and bare == [] and [call for call in empty if " if " not in call] == []
