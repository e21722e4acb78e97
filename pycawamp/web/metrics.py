"""`/metrics`: the gateway's statistics for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import accumulate

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from pycawamp.fanout.delays import BOUNDS, DelayStatistics
from pycawamp.sessions.statistics import Statistics

LAG_INTERVAL = 1.0
"""Seconds between two measurements of the event loop's lag."""
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class GatewayCollector(Collector):
    """Converts a snapshot to metrics. Clients cannot choose the values of labels."""

    def __init__(self, statistics: Callable[[], Statistics]) -> None:
        self._statistics = statistics

    def describe(self) -> Iterable[Metric]:
        """Return no metrics: there are no values before the gateway runs."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics of a snapshot."""
        found = self._statistics()
        yield InfoMetricFamily(
            "pycaserver", "The gateway.", value={"version": version("pycaserver")}
        )
        yield from _clients(found)
        yield from _channels(found)
        yield from _memory(found)
        yield from _totals(found)
        yield _delays(found.delays)


class LoopLag(Service):
    """Measures the delay of the event loop every second."""

    def __init__(self, clock: IReactorTime, registry: CollectorRegistry) -> None:
        self._clock = clock
        self._histogram = Histogram(
            "pycaserver_event_loop_lag_seconds",
            "Delay of the event loop, measured every second.",
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self._due = 0.0
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock

    def startService(self) -> None:
        """Start measuring."""
        super().startService()  # type: ignore[no-untyped-call]
        self._due = self._clock.seconds() + LAG_INTERVAL
        self._ticking.start(LAG_INTERVAL, now=False)

    def stopService(self) -> None:
        """Stop measuring."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._ticking.running:
            self._ticking.stop()

    def _tick(self) -> None:
        now = self._clock.seconds()
        self._histogram.observe(max(0.0, now - self._due))
        # LoopingCall keeps to its times, and leaves out those that it missed.
        while self._due <= now:
            self._due += LAG_INTERVAL


class Metrics:
    """All metrics, in a separate registry from that of an embedding application."""

    def __init__(self, clock: IReactorTime, statistics: Callable[[], Statistics]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(GatewayCollector(statistics))
        ProcessCollector(registry=self._registry)
        self.lag = LoopLag(clock, self._registry)

    def text(self, accept: str) -> tuple[bytes, str]:
        """Return the text in an accepted format, and its media type."""
        encode, mime_type = choose_encoder(accept)
        return encode(self._registry), mime_type


def _clients(found: Statistics) -> Iterator[Metric]:
    by_transport = Counter(client.transport for client in found.clients)
    counts = {"websocket": 0, "sse": 0, "http": 0} | by_transport
    yield _labelled("clients", "Connected clients.", "transport", counts)
    yield _gauge("subscriptions", "Subscriptions of all clients.", found.subscriptions)
    queued = sum(client.queued for client in found.clients)
    yield _gauge("client_queue_bytes", "Bytes queued for clients in this process.", queued)
    if found.connections is not None:
        text = "TCP connections."
        yield _gauge("connections", text, found.connections)


def _channels(found: Statistics) -> Iterator[Metric]:
    text = "Open channels, including those without a client."
    yield _labelled("channels", text, "state", found.channels_by_state)
    yield _gauge(
        "inbox_updates", "Updates from IOCs that have not been handled yet.", found.inbox_depth
    )


def _memory(found: Statistics) -> Iterator[Metric]:
    memory = found.memory
    names = ("values", "rendered", "history", "requests", "backlog")
    parts = {name: getattr(memory, name) for name in names}
    text = "Memory that counts for --max-memory, in bytes."
    yield _labelled("memory_bytes", text, "part", parts)
    yield _gauge("memory_limit_bytes", "The limit of --max-memory, in bytes.", memory.limit)


def _totals(found: Statistics) -> Iterator[Metric]:
    totals = found.totals
    yield _counter("updates", "Updates received from IOCs.", totals.updates)
    yield _counter("messages", "Messages of subscriptions sent to clients.", totals.messages)
    yield _counter("sent_bytes", "Bytes sent to clients.", totals.bytes)
    yield _counter("received_bytes", "Bytes received from clients.", totals.received)
    yield _counters("logins", "Logins by password or token.", "outcome", totals.logins)
    yield _counter(
        "dropped_clients", "Clients disconnected because they did not read.", totals.dropped
    )
    conflated = {
        "client": found.conflated,
        "inbox": found.inbox_conflated,
        "server": totals.overruns,
    }
    text = "Updates replaced by newer ones, for slow clients or under overload."
    yield _counters("conflated_updates", text, "at", conflated)
    yield _counters("puts", "Puts, by outcome.", "outcome", totals.puts)
    yield _counters("errors", "Errors sent to clients.", "code", totals.errors)
    yield _counters("refusals", "Refused requests.", "kind", found.refusals)


def _delays(found: DelayStatistics) -> Metric:
    text = "Time from the IOC's time stamp to the write to the sockets, for a sample of updates."
    counts = zip((*map(str, BOUNDS), "+Inf"), accumulate(found.counts), strict=True)
    return HistogramMetricFamily(
        "pycaserver_update_delay_seconds", text, buckets=list(counts), sum_value=found.seconds
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pycaserver_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"pycaserver_{name}", text, labels=[label])
    return _filled(family, values)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"pycaserver_{name}", text, value=value)


def _counters(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"pycaserver_{name}", text, labels=[label])
    return _filled(family, values)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, int]) -> Metric:
    for key, value in values.items():
        family.add_metric([key], value)
    return family
