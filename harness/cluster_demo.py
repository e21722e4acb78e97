"""A whole cluster on this machine, to look at and to test failures: `make cluster-demo`."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from harness.cluster import Cluster, ClusterError, Member, listens
from harness.ioc import IOCProcess
from pycawamp.demo.ports import free_ports as free_ca_ports
from pycawamp.demo.records import DATABASE

ROOT = Path(__file__).parents[1]
CHECK_S, AWAY_S = 0.5, 10
HAPROXY = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


def main() -> int:
    """Run it until Ctrl-C."""
    parser = argparse.ArgumentParser("python -m harness.cluster_demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8888, help="where browsers connect")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cluster-demo-") as name:
        folder = Path(name)
        ports = free_ca_ports()
        ioc = IOCProcess([DATABASE], ports, folder / "ioc.log")
        cluster = Cluster(folder, ports.client_environment())
        try:
            _start(cluster, port)
            _print_commands(cluster, port)
            _restart_killed(cluster)
        except ClusterError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            cluster.stop()
            ioc.kill()
    return 0


def _start(cluster: Cluster, port: int) -> None:
    print("Starting, which takes some seconds ...", flush=True)
    cluster.add_nodes(3)
    cluster.add_ingests("A", "B", options=["--allow-put=anyone"])
    trust = ["--trust-proxy=127.0.0.1", "--drain-time=2"]
    cluster.add_edges("e1", "e2", options=["--allow-put=anyone", *(trust if HAPROXY else [])])
    if HAPROXY is not None:
        front = Member(
            "haproxy", _balancer(HAPROXY, cluster, port), cluster.folder / "haproxy.log", listens
        )
        front.port = port
        cluster.fronts.append(front)
        front.start()


def _balancer(program: str, cluster: Cluster, port: int) -> list[str]:
    """Return the command for contrib/haproxy.cfg, with the ports of this cluster."""
    text = (ROOT / "contrib" / "haproxy.cfg").read_text()
    text = text.replace(" :8080", f" 127.0.0.1:{port}")
    for documented, edge in zip(("8001", "8002"), cluster.edges, strict=True):
        text = text.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{edge.port}")
    path = cluster.folder / "haproxy.cfg"
    path.write_text(text)
    return [program, "-db", "-f", str(path)]


def _print_commands(cluster: Cluster, port: int) -> None:
    where = port if cluster.fronts else cluster.edges[0].port
    print(f"Open http://localhost:{where}/?pv=demo:sine,demo:counter,demo:mode,demo:alarm")
    if not cluster.fronts:
        print("(one edge only: there is no HAProxy; apt-get install haproxy)")
    for member in cluster.members:
        print(f"  kill -9 {member.pid:<8} # {member.name}")
    print("kill -STOP and kill -CONT make one hang for a while.")
    print(f"What they say is in {cluster.folder}. Ctrl-C ends all of it.", flush=True)


def _restart_killed(cluster: Cluster) -> None:
    """Restart processes that were killed, after a while, forever."""
    ended: dict[str, float] = {}
    while True:
        time.sleep(CHECK_S)
        for member in cluster.members:
            if member.runs:
                continue
            if member.name not in ended:
                ended[member.name] = time.monotonic()
                print(f"{member.name} has ended; it is started again in {AWAY_S} s", flush=True)
            elif time.monotonic() - ended[member.name] >= AWAY_S:
                del ended[member.name]
                member.launch()
                print(f"  kill -9 {member.pid:<8} # {member.name}, again", flush=True)


if __name__ == "__main__":
    sys.exit(main())
