"""What `docker-compose.yml` asks for exists, and what it starts understands it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from reshelf.processes.roles import ROLES
from streams.access import required_token
from tests.deploy.manifests import ROOT, TOKEN, Node, settings_of, understood

FILE = ROOT / "docker-compose.yml"
COMPOSE: Node = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, Node] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
PROMETHEUS: Node = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", OURS)
def test_command_lines_and_settings_are_understood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    understood(OURS[name]["command"])
    given = {key: re.sub(r"\$\{RESHELF_TOKEN:[?-][^}]*\}", TOKEN, str(at)) for key, at in environment(name).items()}
    found = settings_of(given, monkeypatch)
    for group in ("health", "console", "edge"):
        part = getattr(found, group)
        required_token(group, part.host, part.token)


def environment(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SERVICES[name]["environment"]
    return found


def test_a_wrong_command_line_is_noticed() -> None:
    with pytest.raises(click.UsageError):
        understood(["worker", "sweeper"])


def test_every_worker_runs_and_learners_are_two() -> None:
    assert {service["command"][1] for service in OURS.values() if service["command"][0] == "worker"} == set(ROLES)
    assert OURS["learner"]["scale"] == 2


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_pinned_closed_and_whole(name: str) -> None:
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+\.\d+", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    for other, wait in service.get("depends_on", {}).items():
        assert wait["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).is_dir() if source.startswith("./") else source in COMPOSE["volumes"]
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    if service.get("healthcheck", {}).get("test", [""])[1:2] == ["python"]:
        compile(service["healthcheck"]["test"][3], name, "exec")


@pytest.mark.parametrize("name", OURS)
def test_ours_may_do_little(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert ("restart" in service) == (name != "topics")


def test_prometheus_asks_the_services_at_their_ports() -> None:
    for job in PROMETHEUS["scrape_configs"]:
        (looked_up,) = job["dns_sd_configs"]
        for name in looked_up["names"]:
            own = [int(word) for word in OURS[name]["command"] if word.isdigit()]
            assert looked_up["port"] == (own or [int(environment(name)["RESHELF_HEALTH__PORT"])])[0]
        assert job["authorization"]["credentials_file"] == "/run/secrets/token"
    asked = {name for job in PROMETHEUS["scrape_configs"] for name in job["dns_sd_configs"][0]["names"]}
    assert asked == set(OURS) - {"topics", "traffic"}


def test_kafka_is_the_version_that_is_tested(kafka_home: Path) -> None:
    (tested,) = (jar.stem.removeprefix("kafka-clients-") for jar in (kafka_home / "libs").glob("kafka-clients-*.jar"))
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{tested}"


def test_it_keeps_to_the_schema_of_compose_files() -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="compose-spec is not installed (extra `test`)")
    merged = yaml.safe_dump(COMPOSE)
    assert set(compose_spec.PyCompose.from_yaml(merged).service_names()) == set(SERVICES)
    with pytest.raises(Exception, match="imagine"):
        compose_spec.PyCompose.from_yaml(merged.replace("image: prom", "imagine: prom"))


def test_docker_takes_it() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed: its own check of docker-compose.yml is left out")
    command = [docker, "compose", "--file", str(FILE), "--profile", "*", "config", "--quiet"]
    own = os.environ | {"RESHELF_TOKEN": TOKEN}
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
