"""Metrics: one table, Prometheus's text form, and the page of them in docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.metrics import METRICS, Counters, exposition, of_health


def test_samples_in_prometheus_form() -> None:
    counters = Counters()
    counters.add("reshelf_rewinds_total", 'a"b\\c')
    counters.add("reshelf_rewinds_total", 'a"b\\c', by=2)
    text = exposition([*of_health(True, False, {"events-clicks/3": 7}), *counters.samples()])
    assert 'reshelf_lag_records{topic="events-clicks",partition="3"} 7\n' in text
    assert "reshelf_live 1\n" in text and "reshelf_ready 0\n" in text
    assert 'reshelf_rewinds_total{topic="a\\"b\\\\c"} 3\n' in text
    assert text.count("# TYPE reshelf_rewinds_total counter\n") == 1


def test_only_what_the_table_knows_is_counted() -> None:
    with pytest.raises(KeyError):
        Counters().add("reshelf_surprises_total")
    with pytest.raises(ValueError, match="expected values of"):
        Counters().add("reshelf_rewinds_total")


def test_names_follow_the_convention_and_stand_in_the_docs() -> None:
    page = Path("docs/operating.md").read_text()
    for metric in METRICS.values():
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        row = f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.meaning} | {metric.remedy} |"
        assert row in page
