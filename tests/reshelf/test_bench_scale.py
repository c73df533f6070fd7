"""`reshelf bench scale`, `spread`, `catalog`, `renderer` and `segments`, small."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from click.testing import CliRunner

from bench.cli.scale import catalog, scale
from bench.cli.spread import spread
from bench.cli.web.renderer import renderer
from bench.cli.web.segments import segments
from reshelf.cli.front import Front
from reshelf.cli.main import cli


def run(command: click.Command, *arguments: str) -> Any:
    front = Front(click.Context(cli), json=True)
    done = CliRunner().invoke(command, arguments, obj=front, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_segments_are_fitted_and_chosen() -> None:
    result = run(segments, "--visitors", "4000", "--items", "300", "--tastes", "2", "--rounds", "1")["segments"]
    assert 3_900 < result["visitors"] <= 4_000 and 5.0 < result["votes"] / result["visitors"] < 8.5
    assert 0 < result["items_with_points"] <= 300 and result["segments"] in {2, 3, 4}
    assert min(result[name] for name in ("sample_s", "fit_s", "again_s", "memory_gb", "choose_us")) > 0.0


def test_renderer_times_each_step() -> None:
    told = run(renderer, "--items", "40", "--calls", "200", "--rounds", "3")
    assert told["machine"] and told["broker"] == "none"
    found = told["renderer"]
    assert (found["items"], found["slots"], found["variants"], found["rounds"]) == (40, 12, 16, 3)
    assert all(found[name] > 0 for name in ("layout_bytes", "decode_us", "choose_us", "slate_us"))


@pytest.fixture(scope="module")
def measured() -> Any:
    sizes = ("--keys", "10", "--keys", "300", "--items", "20", "--items", "200", "--slots", "3", "--slots", "8")
    return run(scale, *sizes, "--events", "1000", "--rounds", "3")


def test_scale_has_a_row_for_each_size(measured: Any) -> None:
    assert [row["keys"] for row in measured["by_keys"]] == [10, 300]
    assert [(row["items"], row["slots"]) for row in measured["by_items"]] == [(20, 12), (200, 12)]
    assert [(row["items"], row["slots"]) for row in measured["by_slots"]] == [(1_000, 3), (1_000, 8)]
    rows = [*measured["by_keys"], *measured["by_items"], *measured["by_slots"]]
    assert all(value > 0 for row in rows for value in row.values())


def test_scale_names_machine_growth_and_the_large_page(measured: Any) -> None:
    assert measured["machine"] and measured["redis"] == "embedded"
    assert measured["layout_ms_1000x12x16"] > 0
    assert 1_000 * 12 * 8 <= measured["redis_bytes_1000x12"] <= 120_000, "two counts of four bytes a cell, and names"
    assert measured["growth"]["keys"]["keys"] == 30.0
    assert measured["growth"]["items"]["redis_bytes"] > 1


def test_events_on_ten_keys_cost_the_same_beside_many(measured: Any) -> None:
    growth = measured["growth"]["keys"]
    assert growth["hot_us"] < growth["keys"] / 3, "the bound is wide: other work may share the machine"


def test_catalog_measures_each_kind_of_record() -> None:
    sizes = ("--items", "5000", "--pages", "20", "--dimensions", "8", "--fitting", "2100", "--changes", "20")
    measured = run(catalog, *sizes, "--rounds", "3")
    assert measured["machine"] and measured["broker"] == "none"
    cost = measured["catalog"]
    assert (cost["items"], cost["pages"], cost["dimensions"], cost["fitting"]) == (5_000, 20, 8, 2_100)
    assert all(value > 0 for value in cost.values())
    assert 100 < cost["item_bytes"] < 2_000


def test_spread_has_costs_for_each_number_of_keys() -> None:
    sizes = ("--keys", "20", "--keys", "300", "--batch", "50", "--batch", "400")
    told = run(spread, *sizes, "--events", "400", "--rounds", "1")
    assert [(row["keys"], row["batch"]) for row in told["by_keys"]] == [(20, 50), (20, 400), (300, 50), (300, 400)]
    assert all(value > 0 for row in told["by_keys"] for value in row.values())
    tables = [row["tables"] for row in told["by_keys"]]
    assert tables[1] < tables[0] <= 1 and tables[1] < tables[3] <= 1, "the more keys, and the smaller a batch"
    assert set(told["growth"]) == {"50", "400"}
