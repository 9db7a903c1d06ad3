"""What ships beside the program fits it: manifests, containers, the dashboard."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from anpr_stream.config.load import parse_settings
from anpr_stream.config.packaged import packaged
from anpr_stream.metrics import REGISTRY

ROOT = Path(__file__).parents[1]
SECRETS = {"ANPR_TOKEN": "0123456789abcdef", "GATE_PASSWORD": "x", "ANPR_DB_PASSWORD": "x"}


def manifests() -> dict[str, dict[str, Any]]:
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


@pytest.mark.parametrize("version", ["1.27", "1.33"])
@pytest.mark.parametrize("kind", ["ConfigMap", "Service", "StatefulSet"])
def test_kubernetes_knows_every_key_of_the_manifests(version: str, kind: str) -> None:
    kubernetes_validate.validate(manifests()[kind], version, strict=True)


def test_each_worker_of_the_stateful_set_has_right_settings() -> None:
    found = manifests()
    workers = found["StatefulSet"]["spec"]["replicas"]
    settings = found["ConfigMap"]["data"]
    assert list(settings) == [f"anpr-stream-{number}.yaml" for number in range(workers)]
    cameras = [list(parse_settings(text, name, SECRETS).cameras) for name, text in settings.items()]
    assert sorted(name for names in cameras for name in names) == ["gate", "yard"]


def test_the_pods_probes_ask_what_needs_no_token() -> None:
    (container,) = manifests()["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    document = json.loads((packaged("configs") / "openapi.json").read_text())
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert document["paths"][container[probe]["httpGet"]["path"]]["get"]["security"] == []


@pytest.mark.parametrize("path", ["compose.yaml", "deploy/workers.yaml"])
def test_containers_get_as_long_to_end_as_the_daemon_needs(path: str) -> None:
    services = yaml.safe_load((ROOT / path).read_text())["services"]
    (ours,) = [service for service in services.values() if service["image"] == "anpr-stream"]
    assert ours["stop_grace_period"] == "10s"
    assert ours["cap_drop"] == ["ALL"]


def test_the_settings_that_several_workers_need_are_right() -> None:
    text = (ROOT / "deploy" / "workers.yaml").read_text()
    lines = re.findall(r"^#   (\S.*)$", text, re.MULTILINE)
    settings = parse_settings("\n".join(lines), "workers", SECRETS)
    assert settings.service.lease is not None
    assert [output.type for output in settings.outputs] == ["postgres"]
    worker = yaml.safe_load(text)["services"]["worker"]
    assert worker["deploy"] == {"mode": "replicated", "replicas": 2}  # podman-compose wants the mode, too


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    document = json.loads((packaged("configs") / "grafana.json").read_text())
    queries = [target["expr"] for panel in document["panels"] for target in panel["targets"]]
    wanted = set(re.findall(r"anpr_\w+", " ".join(queries)))
    known = {
        f"{metric.name}{ending}" for metric in REGISTRY.collect() for ending in ("", "_total", "_bucket")
    }
    assert len(wanted) > 12
    assert wanted <= known


def test_the_dashboard_tells_apart_what_waits_and_what_was_put_aside_and_counts_each_visit_once() -> None:
    document = json.loads((packaged("configs") / "grafana.json").read_text())
    asked = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in document["panels"]}
    assert asked["Waiting for receivers"] == ['sum by (sink) (anpr_outbox_depth{state!="dead"})']
    assert 'kind="final"' in asked["Visits in the last hour"][0]  # a visit without a text has no `new`
