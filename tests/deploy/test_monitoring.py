"""Board and alert rules ask for what there is, and each alert is explained."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.metrics import METRICS
from streams.metrics.metric import Metric
from tests.deploy.manifests import documents

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "boards" / "reshelf.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [one["expr"] for panel in PANELS for one in panel["targets"]]
ADDED = {"job", "instance", "role", "le"}
"""Labels that Prometheus or its settings add."""
PARTS = ("_bucket", "_sum", "_count")
PROMTOOL = shutil.which("promtool")
NO_PROMTOOL = "promtool is not installed: Prometheus's own check of the rules is left out"
COMMANDS = [
    ["check", "rules", "rules.yml"],
    ["test", "rules", "rules_test.yml"],
    ["test", "rules", "segments_rules_test.yml"],
    ["check", "config", "--syntax-only", "prometheus.yml"],
]
PROBE = {"job_name": "any", "kubernetes_sd_configs": [{"role": "pod"}]}
EXPECTATIONS: list[dict[str, Any]] = [
    expectation
    for file in sorted((DEPLOY / "prometheus").glob("*rules_test.yml"))
    for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
    for expectation in test["alert_rule_test"]
]


def family(name: str) -> Metric:
    """The metric of a series; raises KeyError where the table has none of the name."""
    base = next((name.removesuffix(part) for part in PARTS if name.endswith(part)), name)
    return METRICS[base] if base in METRICS and METRICS[base].kind == "histogram" else METRICS[name]


def selected(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The series that an expression asks for, and the labels that it asks them by."""
    for name, labels in re.findall(r"\b((?:reshelf|process)_[a-z_]+)(\{[^}]*\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*[=!]", labels))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_in_the_table(expression: str) -> None:
    found = list(selected(expression))
    assert found or expression.startswith(("up{", "absent(up{"))
    known = {label for name, _ in found for label in family(name).labels} | ADDED
    for name, labels in found:
        assert labels <= {*family(name).labels, *ADDED}
        assert (family(name).kind == "histogram") == name.endswith(PARTS)
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert {label.strip() for label in grouped.split(",")} <= known


def test_a_name_that_is_in_no_table_is_noticed() -> None:
    for wrong in ("reshelf_surprises_total", "reshelf_fold_seconds_median", "reshelf_live_bucket"):
        with pytest.raises(KeyError):
            family(wrong)


def test_legends_name_labels_that_are_there() -> None:
    for panel in PANELS:
        for one in panel["targets"]:
            known = {label for name, _ in selected(one["expr"]) for label in family(name).labels} | ADDED
            assert set(re.findall(r"{{(\w+)}}", one["legendFormat"])) <= known, panel["title"]


def test_panels_do_not_lie_upon_each_other() -> None:
    places = [panel["gridPos"] for panel in BOARD["panels"]]
    cells = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(places)


def test_every_alert_is_explained_and_every_explanation_is_of_an_alert() -> None:
    page = (DEPLOY.parent / "docs" / "operating" / "operating.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(Reshelf\w+)` \| (\w+) \| .+\. \| .+\. \|$", page, re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]


def test_grafana_finds_the_board_and_prometheus() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "reshelf.yml").read_text())["providers"]
    assert provider["options"]["path"].endswith("/boards")


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_every_alert_has_a_test_of_when_it_fires_and_of_when_it_is_silent(alert: str) -> None:
    fires = {bool(expectation["exp_alerts"]) for expectation in EXPECTATIONS if expectation["alertname"] == alert}
    assert fires == {True, False}


def test_each_kind_of_process_that_must_run_is_missed_where_it_is_gone() -> None:
    (rule,) = (rule for rule in RULES if rule["alert"] == "ReshelfAbsent")
    workloads = [
        one
        for file in ("workers.yaml", "servers.yaml")
        for one in documents(DEPLOY / "kubernetes" / file)
        if one["kind"] in ("Deployment", "StatefulSet")
    ]
    missed = re.findall(r'absent\(up{role="(\w+)"}\)', rule["expr"])
    assert sorted(missed) == sorted(one["metadata"]["name"] for one in workloads)
    (fired,) = (one["exp_alerts"] for one in EXPECTATIONS if one["alertname"] == rule["alert"] and one["exp_alerts"])
    assert sorted(alert["exp_labels"]["role"] for alert in fired) == sorted(missed)


def promtool(*arguments: str) -> tuple[bool, str]:
    """Whether it is content, and its words."""
    assert PROMTOOL is not None
    command = [PROMTOOL, *arguments]
    done = subprocess.run(command, cwd=DEPLOY / "prometheus", capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_prometheus_takes_them(arguments: list[str]) -> None:
    if PROMTOOL is None:
        pytest.skip(NO_PROMTOOL)
    content, words = promtool(*arguments)
    assert content, words


def test_prometheus_takes_what_kubernetes_gives_it(tmp_path: Path) -> None:
    if PROMTOOL is None:
        pytest.skip(NO_PROMTOOL)
    config: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes" / "prometheus.yaml").read_text(encoding="utf-8"))
    discovery = [job.pop("kubernetes_sd_configs") for job in config["scrape_configs"]]
    assert all(discovery)
    for name, jobs in (("rest", config["scrape_configs"]), ("probe", [PROBE])):
        (tmp_path / name).write_text(yaml.safe_dump({"scrape_configs": jobs}))
    content, words = promtool("check", "config", "--syntax-only", str(tmp_path / "rest"))
    assert content, words
    content, words = promtool("check", "config", "--syntax-only", str(tmp_path / "probe"))
    if not content and "kubernetes_sd_configs not found" in words:
        pytest.skip("promtool is built without kubernetes_sd: how Prometheus finds our pods is not checked by it")
    content, words = promtool("check", "config", "--syntax-only", "../kubernetes/prometheus.yaml")
    assert content, words
