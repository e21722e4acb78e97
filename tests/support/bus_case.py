"""NATS servers, ingests and edges for tests: real processes, and edges in the test's process."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, cast

import attrs
from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest

from harness.cluster import NATS, Cluster, Member, Process, Spawn, spawn
from pycawamp.access import Policy
from pycawamp.bus.client import ClientSettings, servers
from pycawamp.bus.edge import Edge
from pycawamp.bus.slots import ShardKey
from pycawamp.pv.ca.repeater import Repeater, ensure_repeater
from pycawamp.service.bus import edge_backends
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from tests.support.fork_server import REQUIRED, fork_server
from tests.support.ioc_case import IOCTestCase
from tests.support.timing import TIMEOUT, allowed

reactor = cast(Any, installed_reactor)


@attrs.frozen
class SharedCluster:
    """A cluster that several tests use, and the resources that end with it."""

    cluster: Cluster
    folder: TemporaryDirectory[str]
    repeater: Repeater


class BusTestCase(IOCTestCase):
    """Tests that need nats-server."""

    timeout = allowed(120)
    may_fork = True
    """Whether ingests and edges are forks, where that makes no difference."""

    def setUp(self) -> None:
        """Skip where there is no nats-server."""
        super().setUp()
        if NATS is None:
            raise SkipTest("no nats-server: apt-get install nats-server")

    @property
    def _spawn(self) -> Spawn:
        return spawn_fork if self.may_fork else spawn

    def cluster(self, environment: Mapping[str, str] | None = None) -> Cluster:
        """A cluster for this test only; ingests find pvAccess servers with `environment`."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        # Otherwise an ingest starts a repeater that outlives the test.
        self.see_own_ioc()
        self.addCleanup(ensure_repeater(owned=True).close)
        surroundings = {**self.ports.client_environment(), **(environment or {})}
        cluster = Cluster(folder, surroundings, self._spawn)
        self.addCleanup(cluster.stop)
        return cluster

    def shared_cluster(self) -> Cluster:
        """The cluster that the tests of a class share; that of the previous class is stopped."""
        for case in list(_clusters):
            if case is not type(self):
                _stop(case)
        if type(self) not in _clusters:
            folder = TemporaryDirectory(prefix="cluster-")
            self.see_own_ioc()
            repeater = ensure_repeater(owned=True)
            surroundings = self.ports.client_environment()
            cluster = Cluster(Path(folder.name), surroundings, self._spawn)
            _clusters[type(self)] = SharedCluster(cluster, folder, repeater)
        return _clusters[type(self)].cluster

    @inlineCallbacks
    def up(self, *members: Member) -> Any:
        """Fires when processes are ready; those that do not run are started."""
        for member in members:
            if not member.runs:
                member.launch()
        for member in members:
            yield until_it(partial(_is_settled, member))
            self.assertTrue(member.runs, member.output[-2000:])

    @inlineCallbacks
    def page(self, cluster: Cluster, policy: Policy | None = None) -> Any:
        """Return a client of an edge in this process, which is named `here`."""
        client = yield self.page_of(ClientSettings(servers(cluster.bus), "here"), policy)
        return client

    @inlineCallbacks
    def page_of(self, settings: ClientSettings, policy: Policy | None = None) -> Any:
        """Return a client of an edge in this process, with a way to connect to the bus."""
        edge = self.edge = Edge(reactor, settings, ShardKey())
        fixture = self.fixture = GatewayFixture(
            reactor, policy=policy, backends=edge_backends(edge)
        )
        self.addCleanup(fixture.stop)
        yield fixture.start()
        client: WebSocketTestClient = yield fixture.connect()
        return client


def spawn_fork(command: Sequence[str], environment: Mapping[str, str], log: IO[str]) -> Process:
    """Start an ingest or an edge, as a fork if that makes no difference."""
    surroundings = {**environment, **REQUIRED}
    server = fork_server()
    if not server.can_run(command, surroundings):
        return spawn(command, environment, log)
    with Path(os.devnull).open() as null:
        return server.start(command, surroundings, null.fileno(), log.fileno(), log.fileno())


@inlineCallbacks
def until_it(holds: Callable[[], object], seconds: float = 2 * TIMEOUT) -> Any:
    """Fires when a condition is true that has to be polled."""
    given_up = reactor.seconds() + seconds
    while not holds():
        if reactor.seconds() > given_up:
            raise AssertionError(f"it did not hold in {seconds} s")
        yield deferLater(reactor, 0.02)


def _is_settled(member: Member) -> bool:
    return member.is_up(member) or not member.runs


def _stop(case: type) -> None:
    shared = _clusters.pop(case)
    shared.cluster.stop()
    shared.repeater.close()
    shared.folder.cleanup()


def _stop_all() -> None:
    for case in list(_clusters):
        _stop(case)


atexit.register(_stop_all)
_clusters: dict[type, SharedCluster] = {}
