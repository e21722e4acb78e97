"""Containerfile and contrib/compose.yaml: checked without an engine, and run with one."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any, cast

import yaml
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from twisted.web.client import Agent, readBody

from pycawamp.config.options import OPTIONS, Options
from tests.support.timing import allowed
from tests.support.twistd_case import LOOPBACK, TwistdTestCase

reactor = cast(Any, installed_reactor)
ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Containerfile").read_text()
INSTRUCTIONS = {
    *("FROM", "COPY", "RUN", "USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"),
    *("ENTRYPOINT", "CMD"),
}


def instructions() -> list[tuple[str, str]]:
    """The instructions of the last stage, with their arguments."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE))
    found = [line.partition(" ")[::2] for line in joined.splitlines() if line]
    last = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    assert {name for name, _ in found} <= INSTRUCTIONS
    return found[last:]


class ContainerfileTests(SynchronousTestCase):
    """Without an engine."""

    def test_command(self) -> None:
        """The command has options that exist, and does not run as root."""
        parts = dict(instructions())
        self.assertEqual(json.loads(parts["ENTRYPOINT"]), ["pycaserver"])
        options = Options()
        options.parseOptions(json.loads(parts["CMD"]))
        self.assertGreater(options.settings.drain_time, 0)
        self.assertNotIn(parts["USER"], ("root", "0"))
        self.assertEqual(options.settings.ports, (f"tcp:{parts['EXPOSE']}",))

    def test_compose(self) -> None:
        """The variables of the compose file are options, and it waits for longer than a drain."""
        service = yaml.safe_load((ROOT / "contrib" / "compose.yaml").read_text())["services"]
        gateway = service["gateway"]
        folder = ROOT / "contrib" / gateway["build"]["context"]
        self.assertTrue((folder / gateway["build"]["dockerfile"]).exists())
        known = {option.variable for option in OPTIONS}
        ours = {name for name in gateway["environment"] if name.startswith("PYCASERVER_")}
        self.assertLessEqual(ours, known)
        drain = float(gateway["environment"]["PYCASERVER_DRAIN_TIME"])
        self.assertGreater(float(gateway["stop_grace_period"].rstrip("s")), drain + 5)

    def test_mounts(self) -> None:
        """The files that the compose file mounts exist, and are YAML."""
        services = yaml.safe_load((ROOT / "contrib" / "compose.yaml").read_text())["services"]
        mounts = [mount for service in services.values() for mount in service.get("volumes", [])]
        sources = [mount.partition(":")[0] for mount in mounts if mount.startswith(".")]
        self.assertEqual(len(sources), 4)
        for source in sources:
            self.assertTrue((ROOT / "contrib" / source).exists(), source)
        for path in (ROOT / "contrib" / "grafana" / "provisioning").glob("*/*.yaml"):
            self.assertEqual(yaml.safe_load(path.read_text())["apiVersion"], 1)


class ScrapeTests(TwistdTestCase):
    """contrib/prometheus.yml."""

    @inlineCallbacks
    def test_scraped(self) -> Any:
        """At the target of Prometheus, a gateway of the compose file serves its metrics."""
        (job,) = yaml.safe_load((ROOT / "contrib" / "prometheus.yml").read_text())["scrape_configs"]
        self.assertEqual(job["static_configs"], [{"targets": ["127.0.0.1:8888"]}])
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK)
        url = ready[1].rstrip("/") + job["metrics_path"]
        response = yield Agent(reactor).request(b"GET", url.encode())
        text = yield readBody(response)
        self.assertEqual(response.code, 200)
        self.assertIn(b"# TYPE pycaserver_", text)


class HealthTests(TwistdTestCase):
    """HEALTHCHECK."""

    @inlineCallbacks
    def test_health(self) -> Any:
        """Its command succeeds while a gateway is healthy, and fails without one."""
        found = re.search(r"CMD (\[.*)$", dict(instructions())["HEALTHCHECK"])
        assert found is not None
        program, *arguments = json.loads(found[1])
        self.assertEqual(program, "python")
        run = self.twistd()
        ready = yield run.serve("--port", LOOPBACK)
        port = ready[1].rstrip("/").rpartition(":")[2]
        command = [argument.replace(":8888", f":{port}") for argument in arguments]
        self.assertNotEqual(command, arguments)
        _, _, status = yield getProcessOutputAndValue(sys.executable, command)
        self.assertEqual(status, 0)
        yield run.kill()
        _, _, status = yield getProcessOutputAndValue(sys.executable, command)
        self.assertEqual(status, 1)


class EngineTests(TwistdTestCase):
    """With podman or docker."""

    timeout = allowed(900)

    @inlineCallbacks
    def test_run(self) -> Any:
        """The image builds, and its gateway serves the demo's records."""
        engine = yield self.engine()
        tag = "pycaserver-test"
        out, errors, status = yield getProcessOutputAndValue(
            engine,
            ["build", "-q", "-t", tag, "-f", str(ROOT / "Containerfile"), str(ROOT)],
            os.environ,
        )
        self.assertEqual(status, 0, out + errors)
        run = self.twistd()
        run.run([engine, "run", "--rm", "--network=host", tag, "--port", LOOPBACK, "--demo"])
        ready = yield run.until_line(r"ready: open (http\S+)")
        client = yield self.connect(ready[1].replace("http", "ws") + "monitor")
        client.send({"action": "connect", "pv": "demo:counter"})
        yield client.until(msg_type="monitor")
        run.signal("TERM")
        yield run.when_ended()

    @inlineCallbacks
    def engine(self) -> Any:
        """Fires with an engine that answers."""
        for name in ("podman", "docker"):
            program = shutil.which(name)
            if program is not None:
                _, _, status = yield getProcessOutputAndValue(program, ["info"], os.environ)
                if status == 0:
                    return program
        raise SkipTest("no podman or docker that works: the Containerfile was only read")
