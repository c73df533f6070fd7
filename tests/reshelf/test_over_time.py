"""Campaigns in the order of time, what became of an item, and both as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from policy.experiments.sequence import Uplift
from reshelf.cli.evaluation.history import axis
from reshelf.cli.main import run
from reshelf.inspect.experiment import Point, with_rules
from reshelf.rules.calendar import campaigns, overlaps
from reshelf.rules.timeline import LEAST_CHANGE, NEWS, elsewhere, in_words, timeline
from reshelf.rules.topic import publish
from reshelf.settings import variable
from reshelf.terminal.csv import csv_text
from reshelf.topics.publish import deliver
from schemas.codec import encode, encode_key
from schemas.messages.catalog import CatalogItem
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from schemas.rules import FOR_EVER, Boost, Match, Pin, Rule
from schemas.topics import LAYOUTS_HISTORY
from streams.settings import KafkaSettings
from tests.reshelf.test_console import layout_of

NOW = 1_790_000_000_000
DAY = 86_400_000
DATES = st.one_of(st.just(0), st.integers(NOW - 9, NOW + 9))
ENDS = st.one_of(st.just(FOR_EVER), st.integers(NOW - 9, NOW + 9))


def pin(name: str, starts_at: int = 0, ends_at: int = FOR_EVER) -> Rule:
    return Pin(name=name, item="i1", slot="top", starts_at=starts_at, ends_at=ends_at)


def page(number: int, *rules: Rule) -> PageRules:
    return PageRules("home", number, ["top"], rules=list(rules), published_at=NOW + number, author="Ann", reason="r")


@given(st.lists(st.tuples(DATES, ENDS), max_size=8), st.integers(NOW - 9, NOW + 9))
def test_campaigns_are_the_rules_with_dates_and_say_whether_they_hold(dates: list[tuple[int, int]], now: int) -> None:
    rules = [pin(f"rule-{at}", *pair) for at, pair in enumerate(dates)]
    those = campaigns({"home": page(1, *rules)}, now)
    assert {each.rule for each in those} == {f"rule-{at}" for at, pair in enumerate(dates) if pair != (0, FOR_EVER)}
    assert [each.starts_at for each in those] == sorted(each.starts_at for each in those)
    for each in those:
        assert (each.state == "now") == (each.starts_at <= now < each.ends_at)
        assert (each.state == "coming") == (now < each.starts_at)
    holding = {each.rule for each in those if each.state == "now"}
    assert {each.rule for each in overlaps(those, now, now + 1) if each.starts_at < each.ends_at} == holding


def layout(version: int, share: float, slot: str = "top") -> Layout:
    return msgspec.structs.replace(layout_of(version, [{"s": "i1"}]), propensities={slot: {"i1": share, "i2": 0.5}})


def test_a_timeline_tells_what_changed_and_no_churn() -> None:
    shares = [(0.5, "top"), (0.52, "top"), (0.56, "top"), (0.56, "left"), (0.5, "left"), (0.0, "left"), (0.06, "top")]
    layouts = [layout(at, *each) for at, each in enumerate(shares, 1)]
    hats = Boost(name="hats", match=Match(categories=["hats"]), factor=2.0)
    versions = [page(1), page(2, hats), page(3, hats, pin("week")), page(4, hats, pin("week")), page(5)]
    moments, left_out = timeline("i1", layouts, versions, {"i1": CatalogItem("i1", "i1", category="hats")})
    assert [in_words(moment) for moment in moments] == [
        "stands in top 50%",
        "stands in left 56%",
        "stands nowhere",
        "stands in top 6%",
        "rules: hats (Ann: r)",
        "rules: hats, week (Ann: r)",
        "rules: none (Ann: r)",
    ]
    assert [moment.version for moment in moments] == [1, 4, 6, 7, 2, 3, 5]
    assert left_out == 2, "versions 3 and 5; 2 is no change"


@given(st.lists(st.tuples(st.floats(0.0, 0.5), st.sampled_from(["top", "left"])), max_size=12))
def test_what_is_told_of_slots_is_news_and_where_an_item_stands_now(steps: list[tuple[float, str]]) -> None:
    moments, left_out = timeline("i1", [layout(at, *each) for at, each in enumerate(steps, 1)], [], {})
    told = [moment.slots or {} for moment in moments]
    assert all(elsewhere(before, after) >= NEWS for before, after in pairwise([{}, *told[:-1]]))
    assert left_out + len(told) <= len(steps)
    now = {steps[-1][1]: steps[-1][0]} if steps else {}
    assert elsewhere(told[-1] if told else {}, now) < 2 * LEAST_CHANGE


@given(st.lists(st.fixed_dictionaries({"a": st.text(max_size=5), "b": st.floats(-9, 9)}), max_size=5))
def test_csv_comes_back_and_holds_no_formula(rows: list[dict[str, object]]) -> None:
    head, *cells = csv.reader(io.StringIO(csv_text(("a", "b", "c"), rows), newline=""))
    assert head == ["a", "b", "c"]
    assert [float(number) for _, number, _ in cells] == [row["b"] for row in rows]
    for (name, _, missing), row in zip(cells, rows, strict=True):
        assert name.removeprefix("'") == str(row["a"]).removeprefix("'")
        assert not name.startswith(("=", "+", "-", "@")) and missing == ""


def test_both_are_commands(
    broker: str,
    prefix: str,
    make_topics: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    for key, value in {"kafka.bootstrap": broker, "kafka.prefix": prefix}.items():
        monkeypatch.setenv(variable(key), value)
    publish(kafka, [page(0, pin("week", NOW, 4_000_000_000_000), pin("old", 0, NOW - DAY))], "Ann", "shoes", NOW)
    own = encode_key(LAYOUTS_HISTORY, "home", "*")
    records = [
        (own, encode(layout(1, 0.5))),
        (own, b"{"),
        (encode_key(LAYOUTS_HISTORY, "home", "s"), encode(layout(2, 1.0))),
    ]
    deliver(kafka, LAYOUTS_HISTORY, records)

    def out(*command: str) -> str:
        assert run(["rules", *command]) == 0
        return capsys.readouterr().out

    (campaign,) = json.loads(out("calendar", "--json"))["campaigns"]
    assert (campaign["rule"], campaign["state"]) in {("week", "now"), ("week", "coming")}
    listed = out("calendar", "--over", "--csv").splitlines()
    assert listed[0] == "page,rule,kind,begins,ends,state,segments" and len(listed) == 3
    assert "2026-09-" in out("calendar")
    moments = json.loads(out("timeline", "home", "i1", "--json"))["moments"]
    assert [moment["slots"] or moment["rules"] for moment in moments] == [{"top": 0.5}, ["week", "old"]]
    assert "stands in top 50%" in out("timeline", "home", "i1")
    assert "nothing is known of i9 on home" in out("timeline", "home", "i9")
    assert run(["rules", "timeline", "away", "i1"]) == 1


POINTS = st.lists(st.integers(1, 50), min_size=1, max_size=8, unique=True).map(sorted)


@given(POINTS, st.lists(st.integers(-20, 70), max_size=6))
def test_changes_of_rules_stand_beside_the_time_bucket_in_which_they_were_published(
    ends: list[int], published: list[int]
) -> None:
    points = [Point(NOW, NOW + end, Uplift(0.2, 0.1, 1.0, 0.5, 1.5)) for end in ends]
    versions = [msgspec.structs.replace(page(at + 1), published_at=NOW + moment) for at, moment in enumerate(published)]
    marked = list(with_rules(points, versions))
    assert [point for point, _ in marked] == points
    begins = [0, *ends[:-1]]
    assert [sorted(rules.published_at - NOW for rules in those) for _, those in marked] == [
        sorted(moment for moment in published if begin <= moment < end) for begin, end in zip(begins, ends, strict=True)
    ]


def test_the_axis_of_an_experiment_fits_a_terminal() -> None:
    uplift = Uplift(0.2, 0.1, 1.0, 0.5, 12345.678)
    long = msgspec.structs.replace(page(12), reason="the week of shoes, with all that goes with it " * 3)
    drawn = io.StringIO()
    Console(file=drawn, width=80).print(
        axis([(Point(NOW, NOW + DAY, uplift), [long]), (Point(NOW, NOW, uplift), [])], UTC)
    )
    head, marked, plain = drawn.getvalue().splitlines()
    assert "rules published" in head and all(len(line) <= 80 for line in (head, marked, plain))
    assert "+1,234,567.8%" in marked and "◆" in marked and "version 12: the week" in marked
    assert "◆" not in plain
