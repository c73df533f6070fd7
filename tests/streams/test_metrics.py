"""Metrics: one table, a registry, Prometheus's text form, and the page in docs."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.slates.entropy import entropy
from schemas.topics import PURCHASES, RETURNS, SIGNALS
from streams.attribution.report import report_lines
from streams.attribution.step import CREDITED, CREDITED_BY_LOG, RETURN
from streams.fold.judge import REPEATED, SKIPPED, UNDECLARED
from streams.metrics import METRICS, REGISTRY, Registry, Sample, exposition, verdict_page
from streams.metrics.page import written
from streams.state.clicks.memory import MISSES
from streams.transport.health import Health, of_health

VERDICTS = ("applied", "duplicate", "late")
AGE = "reshelf_event_age_seconds"


def test_samples_in_prometheus_form() -> None:
    registry = Registry()
    registry.add("reshelf_rewinds_total", 'a"b\\c')
    registry.add("reshelf_rewinds_total", 'a"b\\c', by=2)
    health = Health(True, False, ("starting",), {"events-clicks/3": 7})
    text = exposition([*of_health(health), *registry.samples()])
    assert 'reshelf_lag_records{topic="events-clicks",partition="3"} 7\n' in text
    assert "reshelf_live 1\n" in text and "reshelf_ready 0\n" in text
    assert 'reshelf_rewinds_total{topic="a\\"b\\\\c"} 3\n' in text
    assert text.count("# TYPE reshelf_rewinds_total counter\n") == 1
    assert re.search(r"^process_cpu_seconds_total \d", text, re.MULTILINE)


@given(st.lists(st.floats(0.0, 1e5)))
def test_buckets_of_a_histogram_hold_what_is_at_most_their_bound(values: list[float]) -> None:
    registry = Registry()
    for value in values:
        registry.observe(AGE, "t", value=value)
    assert registry.value(AGE, "t") == len(values)
    text = exposition(registry.samples())
    buckets = {float(end): int(count) for end, count in re.findall(rf'{AGE}_bucket{{topic="t",le="(.+)"}} (\d+)', text)}
    assert buckets == {end: sum(value <= end for value in values) for end in (*METRICS[AGE].bounds, math.inf) if values}
    if values:
        assert f'{AGE}_count{{topic="t"}} {len(values)}\n' in text
        (total,) = re.findall(rf"{AGE}_sum{{topic=\"t\"}} (.+)", text)
        assert float(total) == pytest.approx(sum(values))


def test_a_family_that_is_put_is_replaced() -> None:
    registry = Registry()
    registry.put("reshelf_sample_ratio_alarm", {("home",): 1.0, ("gone",): 0.0})
    registry.add("reshelf_rewinds_total", "t")
    registry.put("reshelf_sample_ratio_alarm", {("home",): 0.0})
    assert registry.samples() == [
        Sample("reshelf_rewinds_total", ("t",), 1.0),
        Sample("reshelf_sample_ratio_alarm", ("home",), 0.0),
    ]


def test_a_block_that_fails_is_not_timed() -> None:
    times = iter([1.0, 1.5, 9.0])
    registry = Registry(clock=lambda: next(times))
    with registry.timed("reshelf_fit_seconds"):
        pass
    with pytest.raises(ArithmeticError), registry.timed("reshelf_fit_seconds"):
        raise ArithmeticError
    (sample,) = registry.samples()
    assert not isinstance(sample.value, float) and sample.value.total == 0.5


def test_only_what_the_table_knows_is_counted() -> None:
    with pytest.raises(KeyError):
        Registry().add("reshelf_surprises_total")
    with pytest.raises(ValueError, match="expected values of"):
        Registry().add("reshelf_rewinds_total")
    with pytest.raises(ValueError, match="expected values of"):
        Registry().observe(AGE, value=1.0)
    with pytest.raises(ValueError, match="expected values of"):
        Registry().put("reshelf_workers", {(): 1.0})


def test_names_follow_the_convention() -> None:
    for one in METRICS.values():
        assert re.fullmatch("(reshelf|process)(_[a-z0-9]+)+", one.name)
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert bool(one.bounds) == (one.kind == "histogram")
        assert sorted(one.bounds) == list(one.bounds)
        assert not {"unit", "item", "segment", "le"} & set(one.labels)
        assert one.meaning.endswith(".") and one.remedy.endswith(".")


def test_purchases_are_told_by_verdict_and_their_lines_by_what_they_were_credited_to() -> None:
    totals = {"applied": 3, "duplicate": 1, "invalid_late": 2, "decided": 4, "credited": 1, "unattributed_no_click": 3}
    report_lines(totals)
    records = {verdict: REGISTRY.value("reshelf_records_total", PURCHASES.name, verdict) for verdict in VERDICTS}
    assert records == {"applied": 3, "duplicate": 1, "late": 2}
    lines = [REGISTRY.value("reshelf_purchase_lines_total", one) for one in ("credited", "unattributed_no_click")]
    assert lines == [1, 3]
    report_lines({})
    assert REGISTRY.value("reshelf_records_total", PURCHASES.name, "applied") == 0


def test_signals_and_returned_lines_are_reported_beside_purchases() -> None:
    totals = {"applied": 1, "repeated": 4, "events-signals applied": 5, "events-signals repeated": 2}
    totals |= {"signal_credited": 2, "signal_repeated": 1, "signal_undeclared": 1, "signal_unattributed_no_click": 1}
    totals |= {
        "events-returns invalid_currency": 3,
        "returned_credited": 6,
        "returned_unknown_order": 7,
        "published": 9,
    }
    report_lines(totals)
    records = {(sample.labels, sample.value) for sample in REGISTRY.samples() if sample.name == "reshelf_records_total"}
    assert records >= {
        ((PURCHASES.name, "applied"), 1),
        ((PURCHASES.name, "repeated"), 4),
        ((SIGNALS.name, "applied"), 5),
        ((SIGNALS.name, "repeated"), 2),
        ((RETURNS.name, "currency"), 3),
    }
    signals = {verdict: REGISTRY.value("reshelf_signals_total", verdict) for verdict in verdict_page.SIGNALS}
    assert {verdict: count for verdict, count in signals.items() if count} == {
        "credited": 2, "repeated": 1, "undeclared": 1, "unattributed_no_click": 1
    }  # fmt: skip
    returned = {verdict: REGISTRY.value("reshelf_returned_lines_total", verdict) for verdict in verdict_page.RETURNED}
    assert returned == {"credited": 6, "repeated": 0, "unknown_order": 7}
    assert REGISTRY.value("reshelf_purchase_lines_total", "credited") == 0
    report_lines({})


def test_every_metric_is_told_somewhere() -> None:
    places = [place for room in ("streams", "reshelf") for place in Path(room).rglob("*.py")]
    told = "".join(place.read_text(encoding="utf-8") for place in places if place.name != "table.py")
    assert [name for name in METRICS if f'"{name}"' not in told] == []


def test_the_page_is_what_the_table_says() -> None:
    assert Path("docs/reference/metrics.md").read_text(encoding="utf-8") == written(), (
        "write it anew with `make generated`"
    )


def test_the_page_of_verdicts_has_each_and_is_what_the_code_says() -> None:
    assert Path("docs/reference/verdicts.md").read_text(encoding="utf-8") == verdict_page.written(), (
        "write it anew with `make generated`"
    )
    assert set(verdict_page.RECORDS) == {"applied", RETURN, *SKIPPED}
    assert set(verdict_page.LINES) == {
        *(CREDITED, CREDITED_BY_LOG),
        *(f"unattributed_{why}" for why in (REPEATED, *MISSES)),
    }
    assert set(verdict_page.SIGNALS) == {"credited", "repeated", UNDECLARED, *(f"unattributed_{why}" for why in MISSES)}
    pages = (verdict_page.RECORDS, verdict_page.LINES, verdict_page.SIGNALS, verdict_page.RETURNED)
    assert all(text.endswith(".") for page in pages for text in page.values())


shares = st.lists(st.integers(1, 20), min_size=1, max_size=8).map(
    lambda counts: {f"i{at}": count / sum(counts) for at, count in enumerate(counts)}
)


@given(st.dictionaries(st.text(max_size=3), shares, max_size=4))
def test_entropy_is_0_where_all_variants_agree_and_1_where_none_do(propensities: dict[str, dict[str, float]]) -> None:
    assert 0.0 <= entropy(propensities, 8) <= 1.0 + 1e-12
    settled = {slot: {next(iter(items)): 1.0} for slot, items in propensities.items()}
    spread = {slot: {f"i{at}": 1 / 8 for at in range(8)} for slot in propensities}
    assert entropy(settled, 8) == 0.0
    assert entropy(spread, 8) == pytest.approx(1.0 if propensities else 0.0)
    assert entropy(spread, 1) == 0.0
