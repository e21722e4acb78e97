"""Two gateways behind a real HAProxy, or nginx: pages continue when one stops."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.trial.unittest import SkipTest

from tests.support.ioc_case import until_true
from tests.support.replicas import (
    HAProxyTestCase,
    ReplicaTestCase,
)

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


class HAProxyTests(HAProxyTestCase):
    """contrib/haproxy.cfg."""

    @inlineCallbacks
    def test_killed(self) -> Any:
        """When one gateway is killed, its pages continue at the other one within 2 s."""
        yield self.start()
        yield self.assert_one_is_enough()
        killed = self.replicas[0]
        # It comes back, and takes its share.
        yield self.proxy.until_line("Server gateways/one is DOWN")
        yield killed.start()
        yield self.proxy.until_line("Server gateways/one is UP")
        pages = [self.open_page() for _ in range(10)]
        yield gatherResults([page.until_more(1) for page in pages])
        self.assertGreater(killed.clients, 0)

    @inlineCallbacks
    def test_rolling_restart(self) -> Any:
        """A gateway that is stopped sends its pages away: none is without updates for 0.5 s.

        While all gateways are restarted, one after the other, all pages go on.
        """
        yield self.start()
        first, second = self.replicas
        first.run.signal("TERM")
        yield self.proxy.until_line("Server gateways/one is DOWN")
        yield first.run.when_ended()
        yield until_true(lambda: second.clients == len(self.pages))
        yield self.assert_go_on(0.5)
        self.assertEqual(first.clients, 0)
        yield first.start()
        yield self.proxy.until_line("Server gateways/one is UP")
        second.run.signal("TERM")
        yield self.proxy.until_line("Server gateways/two is DOWN")
        yield second.run.when_ended()
        yield second.start()
        yield self.proxy.until_line("Server gateways/two is UP")
        yield self.assert_go_on(2.0)
        self.assertEqual(sum(replica.clients for replica in self.replicas), len(self.pages))


class NginxTests(ReplicaTestCase):
    """contrib/nginx.conf."""

    def balancer(self, front: int) -> list[str]:
        """Run nginx."""
        if NGINX is None:
            raise SkipTest("no nginx: apt-get install nginx-light")
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        directories = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        text = self.configuration("nginx.conf", "8080", front)
        whole = (
            f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{directories}{text}}}\n"
        )
        return [NGINX, "-e", "stderr", "-c", self.write(whole)]

    @inlineCallbacks
    def test_stopped(self) -> Any:
        """When the gateway of the pages is stopped, they continue at the other one."""
        yield self.start()
        stopped, other = sorted(self.replicas, key=lambda replica: -replica.clients)
        self.assertEqual(stopped.clients, len(self.pages))
        stopped.run.signal("TERM")
        yield stopped.run.when_ended()
        yield until_true(lambda: other.clients == len(self.pages))
        yield self.assert_go_on(2.0)
