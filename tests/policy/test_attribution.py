"""Which click a purchase is credited to: the rule, and the rule over whole logs."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from policy.attribution.clicks import ClickRecord, CreditRule, Match, Moment, attribute
from policy.attribution.plain import LogEntry, plain_attribution
from schemas.codec import decoder, encode
from schemas.messages.events import Click, Conversion, Purchase, PurchaseLine

CLICK = ClickRecord(
    offset=0,
    append_time=0,
    occurred_at=0,
    click_id="c",
    page="home",
    segment="*",
    slot="top",
    item="shoe",
    layout_version=1,
    variant=0,
)
NOON = 1_000
FIVE = CreditRule(lambda page: 5, 0, 0)
SMALL = st.integers(0, 12)


def window_of(page: str) -> int:
    return {"home": 10, "cart": 3}[page]


def clicked(offset: int, occurred_at: int, **changes: Any) -> ClickRecord:
    moments = {"occurred_at": occurred_at, "append_time": occurred_at, **changes}
    return replace(CLICK, offset=offset, click_id=f"c{offset}", **moments)


def credited(*clicks: ClickRecord, appended_at: int = NOON, grace: int = 0, skew: int = 0) -> str | None:
    click = attribute(Match("item", "shoe"), Moment(NOON, appended_at), clicks, CreditRule(window_of, grace, skew))
    return click.click_id if click else None


def test_without_a_fitting_click_there_is_no_credit() -> None:
    assert credited() is None
    assert credited(clicked(1, NOON, item="hat")) is None


def test_both_ends_of_the_window_count() -> None:
    assert credited(clicked(1, NOON - 10)) == "c1"
    assert credited(clicked(1, NOON)) == "c1"
    assert credited(clicked(1, NOON - 11)) is None
    assert credited(clicked(1, NOON + 1)) is None


def test_the_window_is_that_of_the_clicks_page() -> None:
    assert credited(clicked(1, NOON - 5), clicked(2, NOON - 4, page="cart")) == "c1"


def test_a_click_appended_after_the_cut_does_not_count() -> None:
    assert credited(clicked(1, NOON, append_time=NOON + 5), grace=5) == "c1"
    assert credited(clicked(1, NOON, append_time=NOON + 6), grace=5) is None


def test_a_clock_that_is_ahead_of_the_log_is_not_believed() -> None:
    assert credited(clicked(1, NOON + 240, append_time=NOON - 2)) == "c1"
    assert credited(clicked(1, NOON + 240, append_time=NOON - 12)) is None
    assert credited(clicked(1, NOON + 240, append_time=NOON - 3), clicked(2, NOON - 2)) == "c2"
    assert credited(clicked(1, NOON + 240, append_time=NOON - 2), clicked(2, NOON - 3)) == "c1"


def test_a_purchase_whose_clock_is_behind_takes_the_click_that_the_log_has_before_it() -> None:
    tolerant = {"appended_at": NOON + 240, "skew": 300}
    assert credited(clicked(1, NOON + 230), **tolerant) == "c1"
    assert credited(clicked(1, NOON + 241), **tolerant) is None
    assert credited(clicked(1, NOON + 230), appended_at=NOON + 240, skew=200) is None


def test_a_click_that_is_appended_after_the_purchase_is_believed_to_be_later() -> None:
    assert credited(clicked(1, NOON + 1, append_time=NOON + 3), grace=5, skew=300) is None


def test_the_latest_click_wins_and_of_equals_the_higher_offset() -> None:
    assert credited(clicked(1, NOON - 1), clicked(2, NOON - 2)) == "c1"
    assert credited(clicked(4, NOON - 1), clicked(3, NOON - 1)) == "c4"


@given(st.permutations([clicked(number, NOON - number % 4, append_time=NOON + number * 20) for number in range(9)]))
def test_the_order_of_clicks_does_not_matter(clicks: list[ClickRecord]) -> None:
    assert credited(*clicks, grace=100) == "c4"


def click_entry(offset: int, append_time: int, unit: str, item: str, occurred_at: int, kind: str) -> LogEntry[Click]:
    if kind != "click":
        return LogEntry(offset, append_time, unit, None, forget=kind == "forget")
    message = Click(f"c{offset}", occurred_at, unit, "home", "*", "top", item, f"v{offset}", 1, 0)
    return LogEntry(offset, append_time, unit, message)


def purchase_entry(offset: int, append_time: int, unit: str, items: list[str], occurred_at: int) -> LogEntry[Purchase]:
    lines = [PurchaseLine(item, 1, 100 + number) for number, item in enumerate(items)]
    return LogEntry(offset, append_time, unit, Purchase(f"p{offset}", occurred_at, unit, f"o{offset}", "EUR", lines))


UNITS, ITEMS = st.sampled_from("uv"), st.sampled_from("ab")
KINDS = st.sampled_from(["click", "click", "click", "invalid", "forget"])
CLICKS = st.lists(st.tuples(SMALL, UNITS, ITEMS, SMALL, KINDS), max_size=20).map(
    lambda rows: [click_entry(offset, *row) for offset, row in enumerate(rows)]
)
PURCHASES = st.lists(st.tuples(SMALL, UNITS, st.lists(ITEMS, min_size=1, max_size=3), SMALL), max_size=6).map(
    lambda rows: [purchase_entry(offset, *row) for offset, row in enumerate(rows)]
)


def reread(
    clicks: list[LogEntry[Click]], purchases: list[LogEntry[Purchase]], grace: int, skew: int
) -> list[tuple[str, str]]:
    """The same rule, read out naively: purchase by purchase, the log up to the cut."""
    found = []
    for entry in purchases:
        assert entry.message is not None
        appended = max(other.append_time for other in purchases[: entry.offset + 1])
        cut = appended + grace
        late = [click.offset for click in clicks if click.append_time > cut]
        boundary = min(late, default=len(clicks))
        earlier = [click.offset for click in clicks if click.append_time > appended]
        appended_before = min(earlier, default=len(clicks))
        bought_at = min(entry.message.occurred_at, appended)
        for number, line in enumerate(entry.message.lines):
            best: tuple[int, int] | None = None
            for click in clicks[:boundary]:
                if click.forget and click.unit == entry.unit:
                    best = None
                if click.message is None or (click.unit, click.message.item) != (entry.unit, line.item):
                    continue
                newest = max(other.append_time for other in clicks[: click.offset + 1])
                clicked_at = min(click.message.occurred_at, newest)
                tolerated = skew if click.offset < appended_before else 0
                if -tolerated <= bought_at - clicked_at <= 5:
                    best = max(best or (-1, -1), (clicked_at, click.offset))
            if best is not None:
                found.append((f"{entry.message.event_id}/{number}", f"c{best[1]}"))
    return found


@given(CLICKS, PURCHASES, st.integers(0, 3), st.integers(0, 4))
def test_whole_logs_follow_the_rule_word_by_word(
    clicks: list[LogEntry[Click]], purchases: list[LogEntry[Purchase]], grace: int, skew: int
) -> None:
    conversions = plain_attribution(clicks, purchases, CreditRule(lambda page: 5, grace, skew))
    assert [(found.event_id, found.click_id) for found in conversions] == reread(clicks, purchases, grace, skew)
    for found in conversions:
        assert decoder(Conversion)(encode(found)) == found


@given(CLICKS, PURCHASES)
def test_clicks_appended_later_change_nothing(
    clicks: list[LogEntry[Click]], purchases: list[LogEntry[Purchase]]
) -> None:
    later = [click_entry(len(clicks) + more, 99, "u", "a", 3, kind) for more, kind in enumerate(("click", "forget"))]
    arguments = (purchases, CreditRule(lambda page: 5, 2, 3))
    assert plain_attribution(clicks, *arguments) == plain_attribution([*clicks, *later], *arguments)


def test_a_clock_that_stepped_back_does_not_let_a_later_record_in() -> None:
    clicks = [click_entry(0, 50, "v", "a", 1, "click"), click_entry(1, 10, "u", "a", 1, "click")]
    purchase = purchase_entry(0, 20, "u", ["a"], 2)
    assert plain_attribution(clicks, [purchase], CreditRule(lambda page: 5, 5, 0)) == []


def test_a_conversion_tells_both_sides() -> None:
    (found,) = plain_attribution(
        [click_entry(3, 8, "u", "b", 7, "click")], [purchase_entry(5, 9, "u", ["a", "b"], 9)], FIVE
    )
    assert found == Conversion(
        event_id="p5/1",
        occurred_at=9,
        unit="u",
        order_id="o5",
        purchase_id="p5",
        line=1,
        click_id="c3",
        clicked_at=7,
        delay=2,
        page="home",
        segment="*",
        slot="top",
        item="b",
        layout_version=1,
        variant=0,
        quantity=1,
        amount=101,
        currency="EUR",
    )


def test_the_longest_ids_still_fit_a_conversion() -> None:
    line = PurchaseLine("b", 1, 1)
    purchase = Purchase("p" * 128, 9, "u" * 128, "o", "EUR", [line] * 100)
    click = click_entry(0, 7, "u" * 128, "b", 7, "click")
    conversions = plain_attribution([click], [LogEntry(0, 9, "u" * 128, purchase)], FIVE)
    assert len(conversions) == 100
    assert decoder(Conversion)(encode(conversions[-1])) == conversions[-1]
