"""What signals, families, repeated lines and returns are credited to: examples of the plain rule."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from policy.attribution.clicks import CreditRule
from policy.attribution.plain import LogEntry, Logs, Outcomes, plain_outcomes
from schemas.messages.events import Click, Purchase, PurchaseLine, Return, ReturnLine, Signal

WINDOW, GRACE = 1_000, 50


def entries(*events: Any) -> list[LogEntry[Any]]:
    """Each is appended when it happens."""
    return [LogEntry(at, event.occurred_at, event.unit, event) for at, event in enumerate(events)]


def outcomes(clicks: list[Click], *others: Any, stage: str = "add-to-cart") -> Outcomes:
    kinds = (Purchase, Signal, Return)
    purchases, signals, returns = (entries(*(one for one in others if isinstance(one, kind))) for kind in kinds)
    return plain_outcomes(
        Logs(entries(*clicks), purchases, signals, returns), CreditRule(lambda page: WINDOW, GRACE, 0, stage)
    )


def click(name: str, at: int, item: str = "shoe-red", family: str = "shoe") -> Click:
    return Click(name, at, "u", "home", "s", "top", item, f"v{at}", 1, 0, family)


def order(name: str, at: int, *lines: PurchaseLine) -> Purchase:
    return Purchase(name, at, "u", f"o-{name}", "EUR", list(lines))


def line(item: str = "shoe-red", amount: int = 100, nth: int = 1) -> PurchaseLine:
    return PurchaseLine(item, 1, amount, "shoe", nth)


def cart(name: str, at: int, item: str = "shoe-red", kind: str = "add-to-cart") -> Signal:
    return Signal(name, at, "u", kind, item, "shoe")


def test_the_same_item_comes_first_and_then_the_family() -> None:
    clicks = [click("same", 100), click("sister", 200, "shoe-blue"), click("hat", 300, "hat", "hat")]
    credited = outcomes(clicks, order("a", 400, line(), line("shoe-green"), line("scarf"))).conversions
    assert [(each.click_id, each.item, each.bought) for each in credited] == [
        ("same", "shoe-red", ""),
        ("sister", "shoe-blue", "shoe-green"),
        ("sister", "shoe-blue", "scarf"),
    ]


def test_an_order_goes_to_the_click_that_its_cart_was_credited_to() -> None:
    clicks = [click("first", 100), click("later", 300)]
    events = (cart("s", 200), cart("again", 350, kind="view"), order("a", 400, line()))
    (by_cart,) = outcomes(clicks, *events).conversions
    assert (by_cart.click_id, by_cart.via) == ("first", {"add-to-cart": 200})
    (by_click,) = outcomes(clicks, *events, stage="").conversions
    assert (by_click.click_id, by_click.via) == ("later", {"view": 50})


def test_a_view_of_one_click_is_not_on_the_way_from_another_one() -> None:
    """The view counts for the click that led to it, the order and its cart for the later one."""
    clicks = [click("a", 100), click("b", 300)]
    of_all = outcomes(clicks, cart("v", 150, kind="view"), cart("s", 350), order("o", 400, line()))
    assert [(each.click_id, each.kind) for each in of_all.credits] == [("a", "view"), ("b", "add-to-cart")]
    (conversion,) = of_all.conversions
    assert (conversion.click_id, conversion.via) == ("b", {"add-to-cart": 50})


KINDS = ("view", "wish", "add-to-cart")
_moments = st.integers(0, 60).map(lambda step: 25 * step)
_items = st.sampled_from(["shoe-red", "shoe-blue"])


@given(
    st.lists(st.tuples(_moments, _items), max_size=5),
    st.lists(st.tuples(_moments, _items, st.sampled_from(KINDS)), max_size=8),
    st.lists(st.tuples(_moments, _items), max_size=4),
    st.sampled_from(["", *KINDS]),
)
def test_an_order_names_all_kinds_of_signals_that_its_click_had_by_then(
    clicked: list[tuple[int, str]],
    sent: list[tuple[int, str, str]],
    bought: list[tuple[int, str]],
    stage: str,
) -> None:
    """Whatever its stage, and no kind of another click: so a stage never has more orders behind it than signals."""
    clicks = [click(f"c{at}", time, item) for at, (time, item) in enumerate(sorted(clicked))]
    signals = [cart(f"s{at}", time, item, kind) for at, (time, item, kind) in enumerate(sorted(sent))]
    orders = [order(f"o{at}", time, line(item)) for at, (time, item) in enumerate(sorted(bought))]
    of_all = outcomes(clicks, *signals, *orders, stage=stage)
    for conversion in of_all.conversions:
        assert conversion.via == {
            credit.kind: conversion.occurred_at - credit.occurred_at
            for credit in of_all.credits
            if credit.click_id == conversion.click_id and credit.occurred_at <= conversion.occurred_at
        }
    signalled = Counter((credit.click_id, credit.kind) for credit in of_all.credits)
    led_on = Counter((each.click_id, kind) for each in of_all.conversions if not each.repeat for kind in each.via)
    assert max(signalled.values(), default=0) <= 1
    assert led_on <= signalled


def test_a_click_gets_a_kind_of_signal_once() -> None:
    credit_events = outcomes([click("c", 100)], cart("a", 110), cart("b", 120), cart("v", 130, kind="view")).credits
    assert [(each.event_id, each.delay) for each in credit_events] == [("add-to-cart:a", 10), ("view:v", 30)]


def test_a_signal_after_the_order_is_not_on_its_way() -> None:
    (conversion,) = outcomes([click("c", 100)], order("a", 200, line()), cart("s", 201)).conversions
    assert conversion.via == {}


def test_a_click_converts_once_and_its_lines_add_up_to_one_square() -> None:
    credited = outcomes(
        [click("c", 100)], order("a", 200, line(), line(amount=50, nth=2)), order("b", 300, line())
    ).conversions
    assert [(each.repeat, each.earlier) for each in credited] == [(False, 0), (True, 100), (True, 150)]
    squares = sum(each.amount**2 + 2 * each.amount * each.earlier for each in credited)
    assert squares == sum(each.amount for each in credited) ** 2


def returned(name: str, at: int, *lines: ReturnLine, order_id: str = "o-a") -> Return:
    return Return(name, at, "u", f"r-{name}", order_id, "EUR", list(lines))


def test_a_return_goes_to_the_click_of_its_line_for_at_most_what_it_cost() -> None:
    clicks = [click("c", 100), click("d", 150, "hat", "hat")]
    back = [ReturnLine("shoe-red", 1, 30, 2), ReturnLine("hat", 1, 900), ReturnLine("shoe-red", 1, 1, 3)]
    events = (order("a", 200, line(), line(amount=50, nth=2), line("hat")), returned("r", 5_000, *back))
    credit_events = outcomes(clicks, *events).credits
    assert [(each.click_id, each.amount, each.delay, each.kind) for each in credit_events] == [
        ("c", 30, 4_800, "return"),
        ("d", 100, 4_800, "return"),
    ]


def test_a_return_of_an_order_that_nobody_knows_or_that_comes_later_is_credited_to_nothing() -> None:
    late = order("a", 1_000, line())
    unknown = returned("r", 900, ReturnLine("shoe-red", 1, 30), order_id="o-x")
    early = returned("e", 1_000 - GRACE - 1, ReturnLine("shoe-red", 1, 30))
    in_time = returned("g", 1_000 - GRACE, ReturnLine("shoe-red", 1, 30))
    assert [each.source_id for each in outcomes([click("c", 100)], late, unknown, early, in_time).credits] == ["g"]


def test_a_line_that_is_reported_again_days_later_under_another_event_counts_once() -> None:
    first, again = order("a", 200, line()), Purchase("b", 900, "u", "o-a", "EUR", [line(), line(amount=7, nth=2)])
    credited = outcomes([click("c", 100)], first, again).conversions
    assert [(each.purchase_id, each.nth, each.amount) for each in credited] == [("a", 1, 100), ("b", 2, 7)]


def test_a_line_of_a_return_that_is_reported_again_counts_once_and_of_another_return_anew() -> None:
    back = ReturnLine("shoe-red", 1, 30)
    first, again = returned("r", 5_000, back), Return("r-2", 9_000, "u", "r-r", "o-a", "EUR", [back])
    other = returned("s", 9_500, back)
    credit_events = outcomes([click("c", 100)], order("a", 200, line()), first, again, other).credits
    assert [each.source_id for each in credit_events] == ["r", "s"]
