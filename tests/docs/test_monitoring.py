"""Uses of /metrics: the table in the documentation, alert rules and a dashboard."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest

from tests.support.api_case import ApiTestCase

ROOT = Path(__file__).parents[2]
CONTRIB = ROOT / "contrib"
ALERTS = CONTRIB / "alerts.yml"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_count", "_sum"),
    "info": ("_info",),
}
NAME = re.compile(r"\b(?:pycaserver|process)_[a-z_]+")


def rules() -> dict[str, str]:
    """The expressions of the alert rules, by their names."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def dashboards() -> Iterator[tuple[str, str]]:
    """The expressions of all panels, each with the title of its panel."""
    for path in (CONTRIB / "grafana").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield panel["title"], target["expr"]


class MetricsTests(ApiTestCase):
    """Compared with a scrape of a whole gateway."""

    @inlineCallbacks
    def scrape(self) -> Any:
        """Fires with the text of a scrape; each metric with labels has a sample."""
        self.serve(
            "--allow-put=anyone", "--htpasswd", self.write("users", "mary:$2y$05$" + 53 * "a")
        )
        client = yield self.connect()
        client.send("X")
        yield client.until(msg_type="monitor")
        client.send({"action": "put", "pv": "X", "value": "seven"})
        yield client.until(msg_type="error")
        yield self.get("/status", X_Forwarded_For="192.0.2.7")
        reply = yield self.call("GET", "/metrics")
        return reply.body

    @inlineCallbacks
    def test_table(self) -> Any:
        """The table of the documentation has each metric with its labels, and no other."""
        text = yield self.scrape()
        documented = {
            name: set(filter(None, (labels or "").strip("{}").split(",")))
            for name, labels in re.findall(r"`(pycaserver_[a-z_]+)(\{[a-z,]+\})?`", OPERATIONS)
        }
        found: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(text):
            # The library adds when a histogram was made.
            if family.name.startswith("pycaserver") and not family.name.endswith("_created"):
                suffix = "" if family.type == "histogram" else SUFFIXES[family.type][0]
                labels = {label for sample in family.samples for label in sample.labels}
                found[family.name.removesuffix(suffix) + suffix] = labels - {"le"}
        self.maxDiff = None
        self.assertEqual(documented, found)

    @inlineCallbacks
    def test_used(self) -> Any:
        """Alert rules and panels use existing metrics and labels."""
        text = yield self.scrape()
        names: set[str] = set()
        labels = {"instance", "job"}
        for family in text_string_to_metric_families(text):
            suffixes = SUFFIXES[family.type]
            names |= {family.name.removesuffix(suffixes[0]) + suffix for suffix in suffixes}
            labels |= {label for sample in family.samples for label in sample.labels}
        expressions = [*rules().items(), *dashboards()]
        self.assertGreater(len(expressions), 30)
        for what, expression in expressions:
            used = set(NAME.findall(expression))
            self.assertLessEqual(used, names, what)
            self.assertTrue(used or expression.startswith("up{"), what)
            used_labels = set(re.findall(r"([a-z]+)=", expression))
            used_labels |= {
                label.strip()
                for group in re.findall(r"by \(([^)]*)\)", expression)
                for label in group.split(",")
            }
            self.assertLessEqual(used_labels, labels, what)

    def test_documented(self) -> None:
        """The documentation explains each alert."""
        documented = set(re.findall(r"^\| `(Pycaserver[A-Za-z]+)` \|", OPERATIONS, re.MULTILINE))
        self.assertEqual(documented, set(rules()))

    @inlineCallbacks
    def test_promtool(self) -> Any:
        """The alert rules, the configuration and the names of metrics are valid for promtool."""
        promtool = shutil.which("promtool")
        if promtool is None:
            raise SkipTest("there is no promtool (Debian's package prometheus)")
        text = yield self.scrape()
        scrape = self.write("scrape", text)
        for command in (
            ["check", "rules", str(ALERTS)],
            ["check", "config", str(CONTRIB / "prometheus.yml")],
        ):
            out, errors, status = yield getProcessOutputAndValue(promtool, command)
            self.assertEqual(status, 0, out + errors)
        command = ["-c", f"'{promtool}' check metrics < '{scrape}'"]
        out, errors, status = yield getProcessOutputAndValue("/bin/sh", command)
        self.assertEqual((out, errors, status), (b"", b"", 0))
