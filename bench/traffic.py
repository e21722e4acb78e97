"""Traffic: savings and costs of compression, arrays of messages and TLS."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from bench import loader, processes, records
from bench.loader import Load, Result
from bench.records import Records
from bench.report import Table, exact, number, pair
from bench.settings import OURS, Settings

COLUMNS = (
    "clients", "transport", "batch", "compressed", "messages/s", "MB/s", "bytes per message",
    "cores", "p50 / p99 ms", "load cores",
)  # fmt: skip

AT_ONCE = 200


@attrs.frozen
class Way:
    """How messages are sent to clients."""

    clients: int
    tls: bool = False
    batch: bool = False
    deflate: bool = False


def traffic(settings: Settings) -> list[Table]:
    """One page of 1,000 PVs at 10 Hz, to 100 clients in four ways, to 300 with TLS and without."""
    source = records.counters(settings.folder, settings.size(1000, 100), 10)
    hundred, many = settings.size(100, 10), settings.size(300, 20)
    ways = [
        *(Way(hundred, batch=b, deflate=d) for d in (False, True) for b in (False, True)),
        *(Way(many, tls, batch=d, deflate=d) for d in (False, True) for tls in (False, True)),
    ]
    with self_signed() as certificate, processes.ioc(source.database) as server:
        rows = [_row(way, _measure(settings, server, source, certificate, way)) for way in ways]
    note = "Messages are those that one client found in its frames, times the number of clients."
    title = f"Traffic: {len(source.names):,} PVs x {source.hertz:g} Hz"
    return [Table(title, COLUMNS, rows, [note])]


def _measure(
    settings: Settings, server: processes.Ioc, source: Records, certificate: Path, way: Way
) -> Result:
    page = settings.folder / "traffic.page"
    parts = range(0, len(source.names), AT_ONCE)
    page.write_text("".join(_line(way, source.names[start : start + AT_ONCE]) for start in parts))
    load = Load(page, way.clients, seconds=settings.seconds, deflate=way.deflate, tls=way.tls)
    options = ["--compression"] if way.deflate else []
    tls = certificate if way.tls else None
    with processes.gateway(OURS, server, settings.folder, *options, certificate=tls) as gateway:
        return loader.run(settings, gateway, server, load)


def _line(way: Way, names: Sequence[str]) -> str:
    """A request, with a list of names."""
    request = {"action": "connect", "pvs": names, "batch": way.batch}
    return json.dumps(request, separators=(",", ":")) + "\n"


@contextlib.contextmanager
def self_signed() -> Iterator[Path]:
    """A self-signed certificate, with its key in the same file."""
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.pem"
        command = ["openssl", "req", "-x509", "-subj", "/CN=localhost", *kind, "-keyout", str(path)]
        made = subprocess.run(command, check=True, capture_output=True)
        path.write_bytes(path.read_bytes() + made.stdout)
        yield path


def _row(way: Way, result: Result) -> list[str]:
    counts = result.counts
    messages, sent = counts["messages_per_s"], counts["bytes_per_s"]
    return [
        f"{way.clients}",
        "wss" if way.tls else "ws",
        "yes" if way.batch else "no",
        "yes" if way.deflate else "no",
        number(messages),
        exact(sent / 1e6, 1),
        exact(sent / max(1.0, messages), 1),
        exact(result.gateway_cores, 3),
        pair(result.latency("p50"), result.latency("p99")),
        exact(result.load_cores, 2),
    ]
