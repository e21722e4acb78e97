"""How the gateway identifies itself to servers."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from pycawamp.demo.ports import PVAPorts
from pycawamp.pv.pva.types import describe
from pycawamp.pv.pva.wire import ORDERS
from tests.support.lying_pva_server import TYPE, LyingPVAServer
from tests.support.pva_case import PVATestCase, RecordingSink

ANONYMOUS = ("anonymous", None)
ACCOUNT_PV = """
class Teller:
    def put(self, pv, operation):
        pv.post(operation.account())
        operation.done()

provider.add("who", SharedPV(nt=nt.NTScalar("s"), initial="nobody", handler=Teller()))
"""


class AuthenticationTests(PVATestCase):
    """Servers that request the user, do not request it, or refuse it."""

    @inlineCallbacks
    def connect(
        self, methods: list[str], refused: list[str], **answers: Any
    ) -> Generator[Deferred[Any], Any, list[tuple[str, dict[str, str] | None]]]:
        """Connect to a server with these methods; fires with the clients' identities."""
        self.ports = PVAPorts.free()
        server = LyingPVAServer(self.ports)
        server.authentications, server.refused = methods, refused
        for name, answer in answers.items():
            setattr(server, name, answer)
        server.start()
        self.addCleanup(server.stop)
        sink = RecordingSink()
        backend = self.start_backend()
        backend.open("x", sink)
        yield sink.until("reading")
        yield backend.stop()
        return server.clients

    @inlineCallbacks
    def test_methods(self) -> Generator[Deferred[Any], Any, None]:
        """`ca` with user and host if it is offered; anonymous otherwise, or if it is refused."""
        account = {"user": getpass.getuser(), "host": socket.gethostname()}
        for order in ORDERS:
            for methods, refused, clients in (
                (["anonymous", "ca"], [], [("ca", account)]),
                (["ca"], [], [("ca", account)]),
                (["anonymous"], [], [ANONYMOUS]),
                (["x509", "anonymous"], [], [ANONYMOUS]),
                ([], [], [ANONYMOUS]),
                (["ca", "anonymous"], ["ca"], [("ca", account), ANONYMOUS]),
            ):
                described = describe(TYPE, order)
                found = yield self.connect(methods, refused, order=order, type=described)
                self.assertEqual(found, clients)

    @inlineCallbacks
    def test_real_server(self) -> Generator[Deferred[Any], Any, None]:
        """A p4p server gets the user who writes."""
        lines = ACCOUNT_PV.replace("SharedPV", "type(pvs['x'])")
        yield self.serve("add('x', nt.NTScalar('d'), 0.0)", f"exec({lines!r}, globals())")
        sink = RecordingSink()
        handle = self.start_backend().open("who", sink)
        yield sink.until("reading")
        yield handle.put("me", True)
        received = yield sink.until("reading")
        self.assertEqual(received.value, getpass.getuser())
