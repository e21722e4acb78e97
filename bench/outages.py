"""Faults of the IOC, and of the network between it and the gateway."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import attrs

from bench import processes, records
from bench.fault import Case, Outcome, Skipped
from bench.processes import Ioc
from bench.watching import Watch, conflated
from harness.ioc import IOCProcess
from pycawamp.demo import softioc
from pycawamp.demo.process import free_ports, ioc_command

IMPATIENT = {"EPICS_CA_CONN_TMO": "5"}
"""After so many seconds of silence a client of Channel Access takes an IOC for dead."""
NAMESPACE, OUTER, INNER = "pycaserver-bench", "pycas-bench0", "pycas-bench1"
OUTER_ADDRESS, INNER_ADDRESS = (
    "198.18.53.1",
    "198.18.53.2",
)  # the network of RFC 2544, for benchmarks
CUT_S = 20.0


async def ioc_killed(case: Case) -> Outcome:
    """The IOC is killed (`kill -9`) under load, and restarted."""
    source = records.counters(case.folder, 200, 10)
    ports = free_ports()
    recoveries = []

    def start() -> IOCProcess:
        return IOCProcess([str(source.database)], ports, source.database.with_suffix(".log"))

    server = start()
    try:
        environment = ports.client_environment()
        with (
            processes.repeater(ports),
            processes.gateway(case.build, Ioc(server.pid, environment), case.folder) as gateway,
        ):
            watch = Watch(case.reactor, gateway.port, source.names)
            await watch.until_all_fresh()
            for _ in range(case.kills):
                server.kill()
                await watch.until(lambda: not watch.connected, "all PVs are disconnected")
                server = start()
                watch.mark()
                recoveries.append(await watch.until_all_fresh())
            lost, counted = watch.lost, await conflated(gateway.port)
            reported = watch.disconnections
            await watch.close()
    finally:
        server.kill()
    expected = case.kills * len(source.names)
    return Outcome(
        f"IOC of {len(source.names)} PVs at 10 Hz killed {case.kills} times",
        lost,
        counted,
        f"{reported} of {expected} ends told",
        median(recoveries),
        max(recoveries),
        "from the start of the IOC until all PVs are updated",
    )


async def ioc_frozen(case: Case) -> Outcome:
    """The IOC is stopped (SIGSTOP) for longer than clients wait, and continued (SIGCONT)."""
    source = records.counters(case.folder, case.size(10_000), 0.5)
    with processes.ioc(source.database) as server:
        environment = {**server.environment, **IMPATIENT}
        patient = attrs.evolve(server, environment=environment)
        with processes.gateway(case.build, patient, case.folder) as gateway:
            watch = Watch(case.reactor, gateway.port, source.names)
            await watch.until_all_fresh()
            os.kill(server.pid, signal.SIGSTOP)
            try:
                noticed = await watch.until(lambda: not watch.connected, "all PVs are disconnected")
            finally:
                os.kill(server.pid, signal.SIGCONT)
            watch.mark()
            recovery = await watch.until_all_fresh()
            lost, counted = watch.lost, await conflated(gateway.port)
            reported = watch.disconnections
            await watch.close()
    return Outcome(
        f"IOC of {len(source.names):,} PVs freezes and thaws",
        lost,
        counted,
        f"{reported:,} of {len(source.names):,} ends told, {noticed:.1f} s after it froze",
        recovery,
        recovery,
        "from its thawing until all PVs are updated; each is every 2 s. EPICS_CA_CONN_TMO is 5 s",
    )


async def network_cut(case: Case) -> Outcome:
    """The network between gateway and IOC is cut, and restored."""
    source = records.counters(case.folder, 200, 10)
    with (
        _namespace(),
        _remote_ioc(source.database) as server,
        processes.gateway(case.build, server, case.folder) as gateway,
    ):
        watch = Watch(case.reactor, gateway.port, source.names)
        await watch.until_all_fresh()
        _ip("link", "set", OUTER, "down")
        noticed = await watch.until(lambda: not watch.connected, "all PVs are disconnected")
        await watch.rest(max(0.0, CUT_S - noticed))
        _ip("link", "set", OUTER, "up")
        watch.mark()
        recovery = await watch.until_all_fresh()
        lost, counted = watch.lost, await conflated(gateway.port)
        reported = watch.disconnections
        await watch.close()
    return Outcome(
        f"network between gateway and IOC cut for {CUT_S:g} s",
        lost,
        counted,
        f"{reported} of {len(source.names)} ends told, {noticed:.1f} s after the cut",
        recovery,
        recovery,
        "from its end until all PVs are updated. EPICS_CA_CONN_TMO is 5 s",
    )


@contextlib.contextmanager
def _namespace() -> Iterator[None]:
    """A network namespace at the end of a virtual cable."""
    try:
        _ip("netns", "add", NAMESPACE)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Skipped(f"no network namespace can be made: {error}") from None
    try:
        _ip("link", "add", OUTER, "type", "veth", "peer", "name", INNER, "netns", NAMESPACE)
        _ip("address", "add", f"{OUTER_ADDRESS}/30", "dev", OUTER)
        _ip("link", "set", OUTER, "up")
        inside = ("-n", NAMESPACE)
        _ip(*inside, "address", "add", f"{INNER_ADDRESS}/30", "dev", INNER)
        for device in ("lo", INNER):
            _ip(*inside, "link", "set", device, "up")
        yield
    finally:
        _ip("netns", "del", NAMESPACE)


@contextlib.contextmanager
def _remote_ioc(database: os.PathLike[str]) -> Iterator[Ioc]:
    """An IOC at the other end of the cable."""
    ports = free_ports()
    environment = {
        **ports.server_environment(),
        "EPICS_CAS_INTF_ADDR_LIST": INNER_ADDRESS,
        "EPICS_CAS_BEACON_ADDR_LIST": OUTER_ADDRESS,
    }
    command = ["ip", "netns", "exec", NAMESPACE, *ioc_command([str(database)])]
    log = Path(database).with_suffix(".log")
    with processes.repeater(ports), processes.child(command, environment, log) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.rstrip() == softioc.READY:
                break
        found = {**ports.client_environment(), **IMPATIENT}
        found["EPICS_CA_ADDR_LIST"] = f"{INNER_ADDRESS}:{ports.server}"
        yield Ioc(process.pid, found)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
