"""An IOC that stops reading, beside one that continues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks

from pycawamp.demo.process import SoftIOC, free_ports
from tests.support.timing import allowed
from tests.support.twistd_case import LOOPBACK, TwistdTestCase
from tests.support.version2_case import like, send_request

ELEMENTS = 50_000
PUTS = 30
"""More bytes than fit into the buffers of the sockets and libca."""
FROZEN = f"""
record(waveform, "frozen:array") {{ field(FTVL, "DOUBLE") field(NELM, "{ELEMENTS}") }}
record(ao, "frozen:a") {{ field(VAL, "1") field(PINI, "YES") }}
record(ao, "frozen:b") {{ field(VAL, "2") field(PINI, "YES") }}
"""
OTHER = 'record(ao, "other:a") { field(VAL, "3") field(PINI, "YES") }'


class FrozenIOCTests(TwistdTestCase):
    """Writes to an IOC that does not read them."""

    @inlineCallbacks
    def start_other(self, records: str) -> Any:
        """Run an IOC on its own ports."""
        database = Path(self.mktemp())
        database.parent.mkdir(parents=True, exist_ok=True)
        database.write_text(records)
        ioc = SoftIOC(reactor, [str(database)], ports=free_ports())
        self.addCleanup(ioc.stop)
        yield ioc.start()
        return ioc

    @inlineCallbacks
    def test_writes(self) -> Any:
        """Puts to an IOC that does not read do not delay clients of another IOC."""
        frozen = yield self.start_other(FROZEN)
        other = yield self.start_other(OTHER)
        addresses = " ".join(f"127.0.0.1:{ioc.ports.server}" for ioc in (frozen, other))
        run = self.twistd({"EPICS_CA_ADDR_LIST": addresses})
        ready = yield run.serve("--port", LOOPBACK, "--allow-put=anyone", "--linger=0.1")
        url = ready[1].replace("http", "ws") + "monitor"
        writer = yield self.connect(url)
        client = yield self.connect(url)
        for name in ("frozen:array", "frozen:a"):
            writer.send({"action": "connect", "pv": name, "arrays": "base64"})
        yield writer.until(like(msg_type="monitor", pvname="frozen:a"))
        client.send({"action": "connect", "pv": "frozen:b"})
        yield client.until(like(msg_type="monitor", value=2))
        frozen.signal("STOP")
        self.addCleanup(frozen.signal, "CONT")
        array = np.arange(ELEMENTS, dtype=float).tolist()
        for number in range(PUTS):
            array[0] = number
            keys = {"pv": "frozen:array", "value": array, "wait": False, "timeout": 60}
            writer.send({"action": "put", "id": f"put {number}", **keys})
        late = yield send_request(writer, "put", pv="frozen:a", value=9, wait=False, timeout=0.1)
        self.assertEqual(late["code"], "timeout", late)
        client.send({"action": "disconnect", "pv": "frozen:b"})
        began = reactor.seconds()
        reply = yield send_request(client, "put", pv="other:a", value=4)
        self.assertEqual(reply.get("ok"), True, reply)
        reply = yield send_request(client, "get", pv="other:a")
        self.assertEqual(reply["value"], 4)
        self.assertLess(reactor.seconds() - began, allowed(5))
        frozen.signal("CONT")
        last = f"put {PUTS - 1}"
        if not any(message.get("id") == last for message in writer.messages):
            yield writer.until(like(id=last))
        done = [message for message in writer.messages if message["msg_type"] == "put"]
        self.assertEqual([(each["id"], each["ok"]) for each in done], self.puts())
        reply = yield send_request(writer, "get", pv="frozen:array")
        self.assertEqual((reply["value"][0], reply["count"]), (PUTS - 1, ELEMENTS))
        reply = yield send_request(writer, "get", pv="frozen:a")
        self.assertEqual(reply["value"], 1)

    @staticmethod
    def puts() -> list[tuple[str, bool]]:
        """Return the puts that should succeed, in order."""
        return [(f"put {number}", True) for number in range(PUTS)]
