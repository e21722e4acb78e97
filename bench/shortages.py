"""Faults of the machine: overload, a full disk, no descriptors, a clock that is set."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
from twisted.internet.threads import deferToThread

from bench import loader, processes, records
from bench.fault import Case, Outcome, Skipped
from bench.loader import Load
from bench.processes import Gateway, Ioc
from bench.records import Records
from bench.settings import IN_PYTHON
from bench.watching import CONFLATED, Watch, conflated, metrics
from pycawamp.client import GatewayError

CROWD = 1000
CROWD_PVS = 100
CROWD_OPEN_S = 120.0
STEPS = (-3600, 3600, -60, 0)
STEP_S = 5.0
DESCRIPTORS = 200
STRANGERS = 300
DISK_BYTES = 32 * 1024
PUTS = 500
HANDLED = ("pycaserver_updates_total",)
CONFLATED_IN_INBOX = (CONFLATED, "inbox")


async def overloaded(case: Case) -> Outcome:
    """An IOC sends about twice as many updates as the gateway can handle, all in Python."""
    source = records.counters(case.folder, case.size(10_000), 10)
    load = Load(source.page, 1, settle=5, seconds=60 * case.minutes, step=records.STEP)
    with (
        processes.ioc(source.database) as server,
        processes.gateway(IN_PYTHON, server, case.folder) as gateway,
        processes.child([str(case.tools.load), *load.arguments(gateway.port)]) as clients,
    ):
        await deferToThread(loader.read, clients)
        before = await metrics(gateway.port)
        counts = await deferToThread(loader.read, clients)
        after = await metrics(gateway.port)
        counted = await conflated(gateway.port)
    handled = after[HANDLED] - before[HANDLED]
    offered = source.per_second() * counts["seconds"]
    share = handled / offered
    arrived = handled + after[CONFLATED_IN_INBOX] - before[CONFLATED_IN_INBOX]
    latency = counts["latency_ms"]
    return Outcome(
        f"overload for {case.minutes:g} min: {source.per_second():,.0f} updates/s, all in Python",
        counts["gaps"],
        counted,
        f"{share:.0%} of the updates; half of them younger than {latency['p50'] / 1000:.2f} s",
        latency["p50"] / 1000,
        latency["max"] / 1000,
        "age of what came, median and most",
        # While the gateway is too busy to read, the IOC keeps only the newest value of a PV.
        upstream=max(0, min(counts["gaps"], round(offered - arrived))),
    )


async def crowd(case: Case) -> Outcome:
    """Very many clients are disconnected, and all connect again at once."""
    source = records.counters(case.folder, CROWD_PVS, 1)
    clients = case.size(CROWD)
    load = Load(source.page, clients, settle=1, seconds=2, open_s=CROWD_OPEN_S)
    command = [str(case.tools.load)]
    room = f"--max-clients-per-address={2 * CROWD}"
    with (
        processes.ioc(source.database) as server,
        processes.gateway(case.build, server, case.folder, room) as gateway,
    ):
        watch = Watch(case.reactor, gateway.port, source.names)
        await watch.until_all_fresh()
        taken = []
        for _ in range(2):
            with processes.child([*command, *load.arguments(gateway.port)]) as others:
                watch.mark()
                opening = await deferToThread(loader.read, others)
                taken.append(opening)
                await deferToThread(loader.read, others)
        lost, counted = watch.lost, await conflated(gateway.port)
        pause = watch.longest_pause
        await watch.close()
    again = taken[-1]
    return Outcome(
        f"{clients:,} clients of {CROWD_PVS} PVs at 1 Hz connect again at once",
        lost,
        counted,
        f"{again['opened']:,} connected; another client waited {pause:.2f} s at most",
        again["first_values_s"],
        again["first_values_s"],
        "until all have all values",
    )


async def clock_steps(case: Case) -> Outcome:
    """The system's clock is set back and forth under the gateway."""
    library = next(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1"), None)
    if library is None:
        raise Skipped("there is no libfaketime (Debian: faketime)")
    source = records.counters(case.folder, 200, 10)
    offset = case.folder / "offset"
    _set_clock(offset, 0)
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }
    pauses = []
    with processes.ioc(source.database) as server:
        under = attrs.evolve(server, environment={**server.environment, **faked})
        with processes.gateway(case.build, under, case.folder) as gateway:
            watch = Watch(case.reactor, gateway.port, source.names)
            await watch.until_all_fresh()
            ends = watch.disconnections
            for step in STEPS:
                watch.mark()
                _set_clock(offset, step)
                await watch.rest(STEP_S)
                pauses.append(watch.longest_pause)
            lost, counted = watch.lost, await conflated(gateway.port)
            ends = watch.disconnections - ends
            await watch.close()
    return Outcome(
        f"clock set to {', '.join(f'{step:+d}' for step in STEPS)} s",
        lost,
        counted,
        f"{ends} PVs disconnected",
        sorted(pauses)[len(pauses) // 2],
        max(pauses),
        "longest time without an update; the IOC sends ten times a second",
    )


def _set_clock(offset: Path, seconds: int) -> None:
    new = offset.with_suffix(".new")
    new.write_text(f"{seconds:+d}\n")
    new.rename(offset)


async def full_disk(case: Case) -> Outcome:
    """The disk of the put log is full, and then has room again."""
    source = records.counters(case.folder, 10, 1)
    with _small_disk(case.folder / "disk") as disk, processes.ioc(source.database) as server:
        put_log = disk / "puts.log"
        options = ("--allow-put=anyone", f"--put-log={put_log}", "--max-put-rate=1000")
        with processes.gateway(case.build, server, case.folder, *options) as gateway:
            watch = Watch(case.reactor, gateway.port, source.names)
            await watch.until_all_fresh()
            for value in range(PUTS):
                await watch.client.put(source.names[0], value, wait=False)
            _mount("remount,size=4m", disk)
            await watch.client.put(source.names[0], 0.0)
            # A put is logged when its record has the new value.
            await watch.until(lambda: "missing=" in put_log.read_text(), "the lines are counted")
            await watch.close()
        text = put_log.read_text()
    missing = sum(int(word.partition("=")[2]) for word in text.split() if word[:8] == "missing=")
    # A line that was truncated by the full disk has no outcome.
    written = sum("outcome=" in line for line in text.splitlines())
    return Outcome(
        f"disk of the put log full during {PUTS + 1} puts",
        PUTS + 1 - written,
        missing,
        "all puts done",
        0.0,
        0.0,
        "lines of the file; the ordinary log has them",
    )


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    try:
        _mount(f"size={DISK_BYTES}", folder)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Skipped(f"no file system can be mounted: {error}") from None
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(options: str, folder: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, "bench", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


async def descriptors_out(case: Case) -> Outcome:
    """Other clients open more connections than the gateway has file descriptors."""
    source = records.counters(case.folder, 200, 10)
    with processes.ioc(source.database) as server, _poor_gateway(case, server) as gateway:
        watch = Watch(case.reactor, gateway.port, source.names)
        await watch.until_all_fresh()
        watch.mark()
        ends = watch.disconnections
        with contextlib.ExitStack() as stack:
            strangers = [
                stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
                for _ in range(STRANGERS)
            ]
            await watch.rest(3)
            refused = sum(map(_is_closed, strangers))
        pause = watch.longest_pause
        recovery = await _connects(case, gateway, source)
        lost, counted = watch.lost, await conflated(gateway.port)
        ends = watch.disconnections - ends
        await watch.close()
    return Outcome(
        f"{STRANGERS} connections to a gateway with {DESCRIPTORS} file descriptors",
        lost,
        counted,
        f"{refused} connections refused; a client waited {pause:.2f} s at most, {ends} PVs lost",
        recovery,
        recovery,
        "until a new client has all values",
    )


def _poor_gateway(case: Case, server: Ioc) -> contextlib.AbstractContextManager[Gateway]:
    return processes.gateway(case.build, server, case.folder, descriptors=DESCRIPTORS)


async def _connects(case: Case, gateway: Gateway, source: Records) -> float:
    client = Watch(case.reactor, gateway.port, source.names)
    try:
        return await client.until_all_fresh()
    except GatewayError as error:
        raise processes.ChildError(f"no new client comes in: {error}") from None
    finally:
        await client.close()


def _is_closed(stranger: socket.socket) -> bool:
    stranger.setblocking(False)
    try:
        return stranger.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
