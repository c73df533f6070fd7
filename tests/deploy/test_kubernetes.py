"""The manifests for Kubernetes keep to its schemas, to each other, and to our command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from reshelf.processes.roles import ROLES
from streams.access import required_token
from streams.metrics import METRICS
from tests.deploy.manifests import ROOT, TOKEN, Node, documents, settings_of, understood

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: Node = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
FILES = [*KUSTOMIZATION["resources"], "secret.example.yaml"]
OBJECTS = [one for file in FILES for one in documents(FOLDER / file)]
PROMETHEUS: Node = yaml.safe_load((FOLDER / "prometheus.yaml").read_text(encoding="utf-8"))
VERSIONS = ("1.30", "1.34")


def of_kind(*kinds: str) -> dict[str, Node]:
    return {one["metadata"]["name"]: one for one in OBJECTS if one["kind"] in kinds}


PODS = {name: one["spec"]["template"] for name, one in of_kind("Deployment", "StatefulSet").items()}
CHANGEABLE = {"Deployment": {"template"}, "StatefulSet": {"template"}}
"""Fields of a specification that may name an image: those that Kubernetes lets be changed in what is there."""


def all_containers(name: str) -> list[Node]:
    """Those of a pod, and those that run before them."""
    spec = PODS[name]["spec"]
    assert len(spec["containers"]) == 1
    return [*spec.get("initContainers", []), *spec["containers"]]


def containers() -> Iterator[tuple[str, Node]]:
    for name, pod in PODS.items():
        for container in pod["spec"]["containers"]:
            yield name, container


@pytest.mark.parametrize("name", PODS)
def test_command_lines_and_settings_are_understood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for container in all_containers(name):
        understood(container["args"])
    told = {key: value or TOKEN for key, value in (*config()["data"].items(), *secret()["stringData"].items())}
    found = settings_of(told, monkeypatch)
    for group in ("health", "console", "edge"):
        part = getattr(found, group)
        required_token(group, part.host, part.token)


def config() -> Node:
    return of_kind("ConfigMap")["reshelf"]


def secret() -> Node:
    return of_kind("Secret")["reshelf"]


def test_every_worker_runs() -> None:
    args = [container["args"] for _, container in containers()]
    assert {one[1] for one in args if one[0] == "worker"} == set(ROLES)
    assert {one[0] for one in args} >= {"encoder", "console", "edge"}


@pytest.mark.parametrize("name", PODS)
def test_pods_may_do_little_and_have_bounds(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]
    # Variables that name services would read as settings.
    assert spec["enableServiceLinks"] is False
    for container in all_containers(name):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert "memory" in container["resources"]["limits"]


def test_probes_and_services_name_ports_that_are_there() -> None:
    ports = {name: {port["name"]: port["containerPort"] for port in one.get("ports", [])} for name, one in containers()}
    for name, container in containers():
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            if probe in container:
                assert container[probe]["httpGet"]["port"] in ports[name]
        scraped = PODS[name]["metadata"].get("annotations", {}).get("prometheus.io/port")
        assert scraped is None or int(scraped) in ports[name].values()
        own = [int(word) for word in container["args"] if word.isdigit()]
        health = int(config()["data"]["RESHELF_HEALTH__PORT"])
        assert set(ports[name].values()) <= {*(own or [health])}
    for name, service in of_kind("Service").items():
        assert service["spec"]["ports"][0]["targetPort"] in ports[name]


def test_selectors_find_their_pods() -> None:
    for name, one in of_kind("Deployment", "StatefulSet", "Service", "PodDisruptionBudget").items():
        selector: dict[str, Any] = one["spec"]["selector"]
        labels = selector.get("matchLabels", selector)
        assert labels.items() <= PODS[name]["metadata"]["labels"].items()


def test_what_is_scaled_by_lag_exists_and_is_never_more_than_partitions() -> None:
    (scaler,) = of_kind("HorizontalPodAutoscaler").values()
    scaled = of_kind("Deployment")[scaler["spec"]["scaleTargetRef"]["name"]]
    assert "replicas" not in scaled["spec"]
    assert scaler["spec"]["maxReplicas"] <= int(config()["data"]["RESHELF_KAFKA__PARTITIONS"])
    adapter = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text(encoding="utf-8"))
    (rule,) = adapter["rules"]["external"]
    (metric,) = scaler["spec"]["metrics"]
    assert rule["name"]["as"] == metric["external"]["metric"]["name"]
    assert rule["seriesQuery"].partition("{")[0] in METRICS
    assert rule["metricsQuery"] == f"sum({rule['seriesQuery']})"


def scraped(pod: Node) -> dict[str, str] | None:
    """The labels that Prometheus's settings give a pod; None where it is left out."""
    marks = pod["metadata"]
    found = {"__meta_kubernetes_pod_ip": "10.1.2.3"}
    for kind in ("annotation", "label"):
        for name, value in marks.get(f"{kind}s", {}).items():
            found[f"__meta_kubernetes_pod_{kind}_" + re.sub(r"\W", "_", name)] = value
    (job,) = PROMETHEUS["scrape_configs"]
    for rule in job["relabel_configs"]:
        text = ";".join(found.get(name, "") for name in rule["source_labels"])
        match = re.fullmatch(rule.get("regex", "(.*)"), text)
        if rule.get("action") == "keep" and match is None:
            return None
        if "target_label" in rule and match is not None:
            found[rule["target_label"]] = match.expand(rule.get("replacement", "$1").replace("$", "\\"))
    return found


def test_prometheus_finds_every_part_and_names_it_as_the_autoscaler_asks() -> None:
    asked = PROMETHEUS["scrape_configs"][0]["kubernetes_sd_configs"][0]["namespaces"]["names"]
    assert asked == [KUSTOMIZATION["namespace"]]
    found = {name: scraped(pod) for name, pod in PODS.items()}
    for name, container in containers():
        if labels := found.get(name):
            assert labels["role"] == name
            assert labels["__address__"] == f"10.1.2.3:{container['ports'][0]['containerPort']}"
    assert None not in found.values()


def test_budgets_are_for_what_runs_more_than_once() -> None:
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind("HorizontalPodAutoscaler").values()}
    several = {name for name, one in of_kind("Deployment", "StatefulSet").items() if one["spec"].get("replicas", 1) > 1}
    assert set(of_kind("PodDisruptionBudget")) == several | scaled


def test_images_are_those_that_are_named_for_the_registry() -> None:
    named = {one["name"] for one in KUSTOMIZATION["images"]}
    assert {container["image"] for name in PODS for container in all_containers(name)} == named


def test_another_image_changes_nothing_that_kubernetes_refuses_to_change() -> None:
    for one in OBJECTS:
        spec = {name: part for name, part in one.get("spec", {}).items() if name not in CHANGEABLE.get(one["kind"], ())}
        assert '"image"' not in json.dumps(spec), (one["kind"], one["metadata"]["name"])


def test_topics_are_created_before_the_fitter_begins() -> None:
    (topics,) = PODS["fitter"]["spec"]["initContainers"]
    assert topics["args"] == ["topics", "apply"]
    assert not {"ports", "livenessProbe", "readinessProbe"} & topics.keys()


@pytest.mark.parametrize("version", VERSIONS)
def test_they_keep_to_the_schemas_of_kubernetes(version: str) -> None:
    reason = "kubernetes-validate is not installed (extra `test`)"
    kubernetes_validate = pytest.importorskip("kubernetes_validate", reason=reason)
    for one in OBJECTS:
        kubernetes_validate.validate(one, version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(OBJECTS[-1] | {"data": 3}, version, strict=True)


def test_attribution_keeps_its_clicks_on_a_volume_that_outlives_the_pod() -> None:
    attribution = of_kind("StatefulSet")["attribution"]["spec"]
    (claim,) = attribution["volumeClaimTemplates"]
    (container,) = attribution["template"]["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert config()["data"]["RESHELF_ATTRIBUTION__FOLDER"].startswith(mounts[claim["metadata"]["name"]] + "/")
