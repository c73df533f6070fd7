"""A default is one value, wherever it is written: settings, options, simulations, contract, examples, documents."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.cli.decisions import decisions
from bench.decisions.contest import DEFAULTS
from bench.pages import Size
from policy.defaults import LEVEL
from policy.simulation.learned import Setup
from policy.simulation.shop import Shape
from reshelf.cli.evaluation.tune import tune
from reshelf.cli.pages.ask import ask
from reshelf.cli.run.demo import demo
from reshelf.evaluation.tuning import setup_of
from reshelf.inspect.search.questions import Question
from reshelf.settings import Settings
from schemas.export import GENERATED
from schemas.messages.pages import PolicyChoice
from schemas.topics import DAY_MS
from streams.state.arrays.experiment_bins import health_of

ROOT = Path(__file__).parents[2]
USUAL = Settings()


def options(command: Any) -> dict[str, Any]:
    """Options of a command with the default of each."""
    return {one.name: one.default for one in command.params}


def defaults(kind: Any) -> dict[str, Any]:
    return {one.name: one.default for one in fields(kind)}


def test_a_simulated_shop_begins_with_the_settings() -> None:
    layouts = USUAL.layouts
    assert Setup() == DEFAULTS == setup_of(None, ())
    assert (Setup().click_rate, Setup().strength, Setup().drift) == (
        layouts.click_rate,
        layouts.strength,
        layouts.drift,
    )
    assert (Setup().choice.exploration, Setup().half_life_days * DAY_MS) == (layouts.exploration, layouts.half_life_ms)


def test_options_say_what_a_shop_has_by_itself() -> None:
    shape, ours = defaults(Shape), options(tune)
    named = ("segments", "items", "slots", "views_per_day", "new", "drift", "visitors")
    assert {name: ours[name] for name in named} == {name: shape[name] for name in named}
    theirs, names = options(decisions), {"daily": "views_per_day", "text_share": "text_share"}
    for name in ("segments", "items", "daily", "text_share"):
        assert theirs[name] == shape[names.get(name, name)], name


def test_a_question_asks_what_its_command_asks() -> None:
    asked, usual = options(ask), defaults(Question)
    assert {name: asked[name] for name in ("segment", "count", "clicks")} == {
        name: usual[name] for name in ("segment", "count", "clicks")
    }


def test_intervals_have_one_level() -> None:
    assert inspect.signature(health_of).parameters["level"].default == LEVEL


def test_measured_pages_have_as_many_slates_as_declared_ones() -> None:
    assert Size(1, 1).variants == PolicyChoice().variants


def test_the_contract_names_the_window_of_the_settings() -> None:
    field = json.loads((GENERATED / "page-rules.json").read_text())["properties"]["attribution_window"]
    assert field["default"] == USUAL.attribution.window_ms
    assert "attribution.window_ms" in field["description"]
    assert "`attribution.window_ms` of the settings, 7 days unless" in (ROOT / "docs/concepts/rules.md").read_text()
    assert USUAL.attribution.window_ms == 7 * DAY_MS


@pytest.mark.parametrize("name", ["examples/python/shop.py", "examples/node/shop.mjs"])
def test_examples_begin_where_the_settings_do(name: str) -> None:
    text = (ROOT / name).read_text()
    found = re.findall(r'RESHELF_KAFKA__(BOOTSTRAP|PREFIX)(?:", | \?\? )"([^"]+)"', text)
    assert dict(found) == {"BOOTSTRAP": USUAL.kafka.bootstrap, "PREFIX": USUAL.kafka.prefix}


PORTS = {"console": USUAL.console.port, "edge": USUAL.edge.port}


def test_documents_name_the_ports_of_the_settings() -> None:
    text = {path.stem: path.read_text() for path in (ROOT / "docs").rglob("*.md")}
    assert f"the console at {PORTS['console']}, the edge at {PORTS['edge']}" in text["operating"]
    assert set(re.findall(r"127\.0\.0\.1:(\d+)/?`", text["console"])) == {str(PORTS["console"])}
    assert set(re.findall(r"127\.0\.0\.1:(\d+)|--port (\d+)", text["edge"])) <= {
        (str(PORTS["edge"]), ""), ("", str(PORTS["edge"])),
    }  # fmt: skip
    (port,) = [one for one in demo.params if one.name == "port"]
    assert f"[default: {PORTS['console']}, or any" in str(getattr(port, "help", ""))


@pytest.mark.parametrize("name", ["console", "edge"])
def test_deployments_take_the_ports_of_the_settings(name: str) -> None:
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]
    assert service["command"] == [name, "--port", str(PORTS[name])]
    prometheus = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    assert f"names: [{name}], type: A, port: {PORTS[name]}" in prometheus
    servers = (ROOT / "deploy/kubernetes/servers.yaml").read_text()
    assert f'args: [{name}, --port, "{PORTS[name]}"]' in servers
