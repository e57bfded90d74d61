"""Prometheus is told where everything is, and the dashboard asks for nothing that is not there."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import backend.metrics  # noqa: F401 - registers what a process counts
from backend.gauges import Gauges
from tests.deployment import compose
from tests.deployment.compose import REPOSITORY
from tests.deployment.test_compose import FILLED

GRAFANA = REPOSITORY / "deploy" / "grafana"
DASHBOARD = json.loads((GRAFANA / "dashboards" / "akin.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(one["expr"] for one in DASHBOARD["annotations"]["list"]),
]
OF_PROMETHEUS = {"up": {"job", "instance"}}
ADDED = {"job", "instance", "le"}
"""Labels that Prometheus adds to what it scrapes, and that histograms have."""
_METRIC = re.compile(r"\b(akin_\w+|process_\w+|up)\b(?:\{([^}]*)\})?")
_BY = re.compile(r"\bby \(([^)]*)\)")


@pytest.fixture
def known(runtime) -> dict[str, set[str]]:
    """The labels of every sample that a process can show, by its name."""
    found: dict[str, set[str]] = dict(OF_PROMETHEUS)
    for metric in REGISTRY._names_to_collectors.values():
        labels = set(getattr(metric, "_labelnames", ()))
        for name in REGISTRY._get_names(metric):
            found[name] = labels
    for family in Gauges(runtime).collect():
        found[family.name] = set(family._labelnames)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_expression_asks_for_metrics_and_labels_that_exist(known, expression):
    asked = _METRIC.findall(expression)
    assert asked
    labels: set[str] = set()
    for name, selector in asked:
        assert name in known, name
        labels |= known[name]
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector)) <= known[name] | ADDED
    for group in _BY.findall(expression):
        assert {label.strip() for label in group.split(",")} <= labels | ADDED, expression
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)


def test_a_metric_that_is_not_there_would_be_found(known):
    assert "akin_nothing_total" not in known
    assert known["akin_request_seconds_bucket"] == {"method", "route"}
    assert known["akin_gallery_coverage"] == {"gallery"}


def test_every_metric_of_ours_is_on_the_dashboard(known):
    shown = " ".join(EXPRESSIONS)
    bases = {name for name in known if name.startswith("akin_")}
    families = {re.sub(r"_(bucket|sum|count|created|total)$", "", name) for name in bases}
    assert [family for family in sorted(families) if family not in shown] == []


def test_legends_use_labels_that_are_left():
    for panel in PANELS:
        for target in panel["targets"]:
            grouped = {
                one.strip() for group in _BY.findall(target["expr"]) for one in group.split(",")
            }
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert used <= (grouped or used & {"job", "instance"}), panel["title"]


def test_panels_have_titles_of_their_own_and_do_not_overlap():
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(titles)) == len(titles)
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells


def read(path: str) -> Any:
    return yaml.safe_load((REPOSITORY / "deploy" / path).read_text())


def test_prometheus_scrapes_every_service_that_shows_metrics():
    services = compose.read(FILLED).services
    wanted = {
        (name, int(service.environment["AKIN_METRICS_PORT"]))
        for name, service in services.items()
        if "AKIN_METRICS_PORT" in service.environment
    } | {("api", int(services["api"].environment["AKIN_PORT"]))}
    scraped = {
        (name, found["port"])
        for job in read("prometheus.yml")["scrape_configs"]
        for found in job.get("dns_sd_configs", [])
        for name in found["names"]
    }
    assert scraped == wanted
    assert {name for name, _ in wanted} >= {"worker", "embedder-gpu", "trainer-cpu"}
    for name, _ in wanted:
        assert set(services[name].networks) & set(services["prometheus"].networks)


def test_grafana_finds_prometheus_and_the_dashboard():
    services = compose.read(FILLED).services
    (source,) = read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {target["datasource"]["uid"] for p in PANELS for target in p["targets"]} == {
        source["uid"]
    }
    (provider,) = read("grafana/provisioning/dashboards/akin.yml")["providers"]
    mounted = {v.split(":")[1]: v.split(":")[0] for v in services["grafana"].volumes}
    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert set(services["grafana"].networks) & set(services["prometheus"].networks)
