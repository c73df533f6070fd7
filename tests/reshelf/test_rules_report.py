"""What rules have cost or earned so far: since when, in how many page views, and for people."""

from __future__ import annotations

import asyncio
import io
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from policy.assignment import branches_of_bins
from policy.experiments.sample_ratio import SampleRatio
from policy.experiments.sequence import VIEWS, Uplift
from policy.experiments.trial import Trial
from policy.prices.earnings import Earnings
from reshelf.console.views.planning.rule_earnings import FRESH_S, RuleEarnings
from reshelf.inspect.prices.preview import Preview
from reshelf.inspect.prices.priced import Price, Sponsorship
from reshelf.inspect.prices.so_far import Report, SoFar, in_force_since, views_since
from reshelf.inspect.prices.so_far_words import as_json, in_words
from reshelf.inspect.trials.measured import Trials, trial_began, trials_in
from reshelf.settings import Settings
from schemas.errors import ReshelfError
from schemas.messages.pages import Branch, PageRules, PolicyChoice
from schemas.rules import Pin, Rule
from streams.fold.deltas import Traffic
from streams.settings import FoldSettings
from streams.state.arrays.tables import decode_bins

PIN = Pin(name="week", item="i1", slot="top")
HOUR = 3_600_000
T0 = 1_790_000_000_000


def version(number: int, *rules: Rule) -> PageRules:
    return PageRules("home", number, ["top"], rules=list(rules), published_at=T0 + number * HOUR)


def test_a_rule_is_in_force_since_it_last_came_as_it_is() -> None:
    changed, second = Pin(name="week", item="i2", slot="top"), Pin(name="second", item="i2", slot="left")
    history = [version(1, PIN), version(2), version(3, second, PIN), version(4, PIN)]
    assert in_force_since(PIN, history) == T0 + 3 * HOUR
    assert in_force_since(changed, [version(1, PIN), version(2, changed), version(3, changed)]) == T0 + 2 * HOUR
    later = Pin(name="week", item="i1", slot="top", starts_at=T0 + 9 * HOUR)
    assert in_force_since(later, [version(1, later)]) == T0 + 9 * HOUR


def bins(views: dict[int, int]) -> dict[tuple[int, Traffic], Any]:
    """So many page views by hour, half of them of the holdout, and as many that fell back, which do not count."""
    counted = {}
    for hour, count in views.items():
        for traffic, times in ((Traffic.LEARNED, count), (Traffic.HOLDOUT, count), (Traffic.FALLBACK, 7)):
            table = decode_bins()
            table[3, VIEWS] = times
            counted[T0 + hour * HOUR, traffic] = table
    return counted


@given(
    st.dictionaries(st.integers(0, 5), st.integers(0, 1_000), min_size=1),
    st.floats(-1, 7),
    st.floats(-1, 7),
)
def test_page_views_since_two_moments_differ_by_those_between(
    views: dict[int, int], first: float, second: float
) -> None:
    early, late = (T0 + int(hours * HOUR) for hours in sorted((first, second)))
    until = T0 + 7 * HOUR
    since, more = views_since(bins(views), HOUR, early, until)
    _, fewer = views_since(bins(views), HOUR, late, until)
    assert more is not None and fewer is not None
    assert since == max(early, T0 + min(views) * HOUR)
    between = sum(
        2 * count * max(0, min(late, T0 + (hour + 1) * HOUR) - max(early, T0 + hour * HOUR)) / HOUR
        for hour, count in views.items()
    )
    assert more - fewer == pytest.approx(between, abs=1e-6)


def test_all_page_views_of_the_bucket_of_now_have_been_already() -> None:
    counted = bins({0: 500})
    assert views_since(counted, HOUR, T0, T0 + HOUR // 2) == (T0, 1_000.0)
    assert views_since(counted, HOUR, T0 + HOUR // 4, T0 + HOUR // 2) == (T0 + HOUR // 4, 500.0)
    assert views_since(counted, 0, T0, T0 + HOUR) == (T0, None)
    assert views_since({}, HOUR, T0, T0 + HOUR) == (T0, None)


def told(views: float | None, sponsors: dict[str, Sponsorship] | None = None) -> Report:
    change = Earnings(np.full(9, -0.5), np.full(9, -0.01), np.full(9, -123.456))
    price = Price(change, change, {"week": change}, {}, {}, [], sponsors or {}, None)  # type: ignore[arg-type]
    preview = Preview(version(4, PIN), 4, T0 + 9 * HOUR, "EUR", 24_000.0, {"*": 1.0}, {"*": price}, 0)
    return Report(preview, [SoFar(PIN, T0, T0 + HOUR, views, change), SoFar(PIN, T0, T0, views, None)])


def test_a_report_says_per_view_and_so_far() -> None:
    rule, idle = as_json(told(2_000_000.0), 0.95)["rules"]
    assert rule["change"]["clicks"]["per_page_view"]["mean"] == -0.5
    assert rule["change"]["clicks"]["so_far"]["mean"] == -1_000_000
    assert (rule["in_force_since"], rule["counted_since"], idle["change"]) == (T0, T0 + HOUR, None)
    assert as_json(told(None), 0.95)["rules"][0]["change"]["clicks"]["so_far"] is None


def test_what_a_sponsor_pays_is_beside_what_the_bid_costs() -> None:
    bid = Sponsorship("Nordfell", np.full(9, 0.02), np.full(9, 0.05), {"i2": 0.25, "i3": 0.5})
    report = told(1_000.0, {"week": bid})
    rule, _ = as_json(report, 0.95)["rules"]
    assert (rule["sponsor"]["sponsor"], rule["sponsor"]["income"]["so_far"]["mean"]) == ("Nordfell", pytest.approx(50))
    assert list(rule["sponsor"]["displaced"]) == ["i3", "i2"]
    console = Console(width=80, highlight=False, record=True, file=io.StringIO())
    console.print(in_words(report, 0.95, Settings()))
    text = console.export_text()
    assert "Nordfell paid 50.00 for 20 clicks" in text and "looked at less for it: i3 −50.0%, i2 −25.0%" in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.02, 0.07, "gains +2.0% to +7.0%"),
        (-0.07, -0.02, "loses −7.0% to −2.0%"),
        (-0.02, 0.07, "not decided −2.0% to +7.0%"),
        (-1.0, math.inf, "not known yet"),
    ],
)
def test_what_was_measured_of_a_rule_on_trial_is_told_beside_its_price(low: float, high: float, verdict: str) -> None:
    on_trial = msgspec.structs.replace(PIN, branches=["a", "b"])
    trial = Trial(1_234, {"clicks": Uplift(0.1, 0.1, 0.0, low, high)}, SampleRatio(9, 9, 0.5, 1.0))
    report, trials = told(1_000.0), Trials({"a": trial, "c": trial}, T0, Settings())
    report = report._replace(rules=[report.rules[0]._replace(rule=on_trial)], trials=trials)
    console = Console(width=100, highlight=False, record=True, file=io.StringIO())
    console.print(in_words(report, 0.95, Settings()))
    text = " ".join(console.export_text().split())
    assert "on trial in the branch a, 1,234 page views since 2026-09-21" in text and "branch c" not in text
    assert f"between clicks {verdict}" in text
    assert list(as_json(report, 0.95)["rules"][0]["trials"]) == ["a"]


def tried(number: int, *rules: Rule, share: float = 0.5) -> PageRules:
    return msgspec.structs.replace(
        version(number, *rules), branches=[Branch("a", share, PolicyChoice())], branch_salt="week"
    )


def test_a_trial_begins_with_its_branches_and_with_the_rules_in_them() -> None:
    on_trial = msgspec.structs.replace(PIN, branches=["a"])
    assert (
        trial_began(
            [version(1), tried(2), tried(3, on_trial), tried(4, on_trial, Pin(name="other", item="i2", slot="top"))]
        )
        == T0 + 3 * HOUR
    )
    assert trial_began([tried(1, on_trial), tried(2), tried(3, on_trial)]) == T0 + 3 * HOUR
    assert trial_began([tried(1, on_trial), tried(2, on_trial, share=0.25)]) == T0 + 2 * HOUR


def test_page_views_before_a_trial_are_not_of_it() -> None:
    counted = bins({0: 700, 1: 500, 2: 30, 3: 4})
    for (_, traffic), table in counted.items():
        table[:, VIEWS] = table[3, VIEWS] if traffic is Traffic.LEARNED else 0
    began = msgspec.structs.replace(tried(1), published_at=T0 + HOUR + 1)
    hourly = Settings(fold=FoldSettings(bucket_ms=HOUR))
    trials = trials_in([version(0), began], counted, hourly, 0.95)
    assert trials.counted_since == -(-began.published_at // HOUR) * HOUR
    mine = branches_of_bins("week", (0.5, 0.5)).count(1)
    assert trials.branches["a"].views == 34 * mine
    whole = trials_in([version(0), began], counted, Settings(fold=FoldSettings(bucket_ms=0)), 0.95)
    assert (whole.counted_since, whole.branches["a"].views) == (0, 1_234 * mine)


@pytest.mark.parametrize("views", [None, 3.0, 2e9])
def test_a_report_fits_a_terminal(views: float | None) -> None:
    console = Console(width=80, highlight=False, record=True, file=io.StringIO())
    console.print(in_words(told(views), 0.95, Settings()))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert "week (pin): not in force now for any segment" in lines
    if views == 2e9:
        assert any("−1,000,000,000" in line for line in lines)


def test_a_report_is_worked_out_once_in_a_while_and_for_the_version_in_force() -> None:
    asked = list[int]()

    async def work_out(rules: PageRules) -> dict[str, Any]:
        asked.append(rules.version)
        if rules.version == 3:
            raise ReshelfError("no state yet")
        return {"version": rules.version}

    async def settled(earnings: RuleEarnings, rules: PageRules, now: float) -> Any:
        before = earnings.of(rules, now)
        for _ in range(3):
            await asyncio.sleep(0)
        return before

    async def ask() -> list[Any]:
        earnings = RuleEarnings(work_out)
        at = [(1, 0.0), (1, 1.0), (1, FRESH_S), (2, FRESH_S), (2, FRESH_S), (3, FRESH_S), (3, FRESH_S)]
        return [await settled(earnings, version(number), now) for number, now in at]

    first = {"version": 1}
    assert asyncio.run(ask()) == [None, first, first, None, {"version": 2}, None, {"error": "no state yet"}]
    assert asked == [1, 1, 2, 3]
