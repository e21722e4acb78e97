"""permessage-deflate without sockets: negotiation, and what clients get."""

from __future__ import annotations

import json
from typing import Any

from autobahn.websocket.protocol import WebSocketProtocol
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.sessions.peer import Peer
from pycawamp.sessions.session import Session
from pycawamp.web import deflate
from pycawamp.web.deflate import Deflate, agree, compress
from pycawamp.web.frames import binary_frame, text_frame
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.v2.dialect import VERSION_2
from tests.support.examples import examples
from tests.support.inflating_page import COMPRESSED, InflatingPage
from tests.support.memory_gateway import MemoryGateway, Page
from tests.support.websocket_frames import BINARY, TEXT, whole_frames

HEADER = "permessage-deflate; client_no_context_takeover"
NO_CONTEXT = "permessage-deflate; server_no_context_takeover"


def parsed(offers: str) -> Any:
    """Return Autobahn's result for the header."""
    return WebSocketProtocol._parseExtensionsHeader(None, offers)  # noqa: SLF001 (Autobahn's)


def answer(offers: str) -> str | None:
    """Return the response to a client with this offer."""
    agreed = agree(parsed(offers))
    return None if agreed is None else agreed.answer


class OfferTests(SynchronousTestCase):
    """The value of Sec-WebSocket-Extensions, and the response (RFC 7692, section 7.1)."""

    def test_accepted(self) -> None:
        """Each parameter that the client requests is respected."""
        for offer, expected in {
            "": "",
            "; client_max_window_bits": "",
            "; client_max_window_bits=8": "",
            '; client_max_window_bits="15"': "",
            "; client_no_context_takeover": "",
            "; server_no_context_takeover": "; server_no_context_takeover",
            "; server_max_window_bits=15": "; server_max_window_bits=12",
            "; server_max_window_bits=12; client_max_window_bits=12": "; server_max_window_bits=12",
            "; server_max_window_bits=9": "; server_max_window_bits=9",
            "; server_no_context_takeover; server_max_window_bits=10": (
                "; server_no_context_takeover; server_max_window_bits=10"
            ),
        }.items():
            self.assertEqual(answer(f"permessage-deflate{offer}"), HEADER + expected, offer)

    def test_declined(self) -> None:
        """Invalid offers are declined, and so is a window that zlib does not support."""
        for offer in (
            "; server_max_window_bits=8",
            "; server_max_window_bits=7",
            "; server_max_window_bits=16",
            "; server_max_window_bits=09",
            "; server_max_window_bits=+9",
            "; server_max_window_bits",
            "; server_max_window_bits=",
            "; server_max_window_bits=9; server_max_window_bits=9",
            "; client_max_window_bits=7",
            "; client_max_window_bits=0x9",
            "; client_max_window_bits=\u0669",
            "; server_no_context_takeover=1",
            "; server_no_context_takeover; server_no_context_takeover",
            "; client_no_context_takeover=true",
            "; window=9",
        ):
            self.assertIsNone(answer(f"permessage-deflate{offer}"), offer)
        for other in ("", "x-webkit-deflate-frame", "permessage-bzip2; client_max_window_bits"):
            self.assertIsNone(answer(other), other)

    def test_first_that_fits(self) -> None:
        """Of several offers, the first acceptable one is used."""
        self.assertEqual(
            answer(
                "other, permessage-deflate; server_max_window_bits=8, "
                "permessage-deflate; server_max_window_bits=11, permessage-deflate"
            ),
            f"{HEADER}; server_max_window_bits=11",
        )

    def test_shared(self) -> None:
        """Clients with the same parameters have the same framing, whatever else they offered."""
        same = [
            agree(parsed("permessage-deflate" + offer))
            for offer in ("", "; client_max_window_bits", "; server_max_window_bits=13")
        ]
        framings = {agreed.framing for agreed in same if agreed is not None}
        self.assertEqual(len(framings), 1)
        self.assertNotIn(Deflate(keeps_context=False).framing, framings)
        self.assertNotIn(Deflate(window_bits=9).framing, framings)


class PieceTests(SynchronousTestCase):
    """Frames that are compressed together."""

    def test_small(self) -> None:
        """Data that fits into a packet is not compressed."""
        self.assertIsNone(compress(text_frame(b"x" * 1000), 12, True))
        self.assertIsNotNone(compress(text_frame(b"x" * 1022), 12, True))

    def test_no_context(self) -> None:
        """Without context takeover, only messages are compressed that are long themselves."""
        frames = text_frame(b"a" * 600) * 3
        self.assertIsNone(compress(frames, 12, False))
        compressed = compress(text_frame(b"a" * 600) + text_frame(b"b" * 2000), 12, False)
        assert compressed is not None
        self.assertEqual([first for first, _ in whole_frames(compressed)], [TEXT, COMPRESSED])

    def test_binary(self) -> None:
        """Binary arrays are not compressed, and stay in order."""
        array = bytes(range(256)) * 300
        frames = text_frame(b"t" * 70_000) + binary_frame(array) + text_frame(b"t" * 10)
        compressed = compress(frames, 12, True)
        assert compressed is not None
        (first, _), binary, (last, _) = whole_frames(compressed)
        self.assertEqual((first, binary, last), (COMPRESSED, (BINARY, array), COMPRESSED))
        self.assertIsNone(compress(binary_frame(array), 12, True))

    def test_large(self) -> None:
        """Data that would take too long to compress is not compressed, nor what follows it."""
        half = text_frame(b"x" * (deflate.MAX_PIECE // 2))
        compressed = compress(half * 3 + text_frame(b"y"), 12, True)
        assert compressed is not None
        kinds = [first for first, _ in whole_frames(compressed)]
        self.assertEqual(kinds, [COMPRESSED, COMPRESSED, TEXT, TEXT])
        self.assertIsNone(compress(text_frame(b"x" * (deflate.MAX_PIECE + 1)), 12, True))


NAMES = [f"pv{number}" for number in range(12)]
AGREED = [Deflate(bits, keeps) for bits in (9, 10, 12) for keeps in (True, False)]


class Twins:
    """Two clients with the same requests; one of them uses compression."""

    def __init__(self, gateway: MemoryGateway, agreed: Deflate) -> None:
        self.plain = Page()
        self.inflating = InflatingPage(agreed)
        self.sessions: list[Session] = [
            gateway.sessions.open(page, Peer("test"), Encoding(VERSION_2))
            for page in (self.plain, self.inflating)
        ]

    def send_request(self, action: str, **keys: Any) -> None:
        """Send a request of both."""
        for session in self.sessions:
            session.receive(json.dumps({"action": action, **keys}).encode())

    def pause(self, paused: bool) -> None:
        """Fill the sockets of both, or empty them."""
        for session in self.sessions:
            if paused:
                session.outbox.pause()
            elif session.outbox.paused:
                session.outbox.resume()

    def close(self) -> None:
        """Disconnect both."""
        for session in self.sessions:
            session.close()

    def compare(self) -> None:
        """Both got the same messages, those of each PV in the same order."""
        assert by_pv(self.inflating) == by_pv(self.plain)


def by_pv(page: Page) -> dict[tuple[str, bool], list[Any]]:
    """Return the messages of a page, without arrays of them; replies separate from others."""
    messages: dict[tuple[str, bool], list[Any]] = {}
    for sent in page.messages:
        for message in sent if isinstance(sent, list) else [sent]:
            key = message.get("pvname", ""), "id" in message
            messages.setdefault(key, []).append(message)
    return messages


class TwinsMachine(RuleBasedStateMachine):
    """Pairs of clients with random events."""

    pairs = st.integers(0, 3)
    numbers = st.lists(st.sampled_from(NAMES), unique=True)
    options = st.sampled_from([{}, {}, {"batch": True}, {"metadata": True, "text": True}])

    def __init__(self) -> None:
        super().__init__()
        self.gateway = MemoryGateway()
        for name in NAMES:
            self.gateway.backend.add(name, name * 5)
        self.up = set(NAMES)
        self.twins: list[Twins] = []
        self.gone: list[Twins] = []
        self.come(AGREED[-1], NAMES, {})

    @rule(agreed=st.sampled_from(AGREED), names=numbers, options=options)
    @precondition(lambda self: len(self.twins) < 4)
    def come(self, agreed: Deflate, names: list[str], options: dict[str, Any]) -> None:
        """Add two clients, with a page."""
        self.twins.append(Twins(self.gateway, agreed))
        if names:
            self.twins[-1].send_request("connect", pvs=names, **options)

    @rule(pair=pairs)
    @precondition(lambda self: len(self.twins) > 1)
    def go(self, pair: int) -> None:
        """Remove two clients."""
        self.iterate()
        twins = self.twins.pop(pair % len(self.twins))
        twins.close()
        self.gone.append(twins)

    @rule(pair=pairs, names=numbers.filter(bool), options=options)
    def join(self, pair: int, names: list[str], options: dict[str, Any]) -> None:
        """Clients connect to PVs, possibly again."""
        self.twins[pair % len(self.twins)].send_request("connect", pvs=names, **options)

    @rule(pair=pairs, names=numbers.filter(bool))
    def leave(self, pair: int, names: list[str]) -> None:
        """Clients disconnect from PVs."""
        self.twins[pair % len(self.twins)].send_request("disconnect", pvs=names)

    @rule(pair=pairs, name=st.sampled_from(NAMES), batch=st.booleans())
    def answer(self, pair: int, name: str, batch: bool) -> None:
        """Clients get replies of their own, between shared messages."""
        self.twins[pair % len(self.twins)].send_request("configure", batch=batch)
        self.twins[pair % len(self.twins)].send_request("get", pv=name, id=1)

    @rule(pair=pairs, paused=st.booleans())
    def pause(self, pair: int, paused: bool) -> None:
        """Clients stop reading, or read again; earlier messages were sent before."""
        self.iterate()
        self.twins[pair % len(self.twins)].pause(paused)

    @rule(names=numbers, text=st.text(st.characters(codec="utf-8"), max_size=60))
    def update(self, names: list[str], text: str) -> None:
        """Change PVs."""
        for name in self.up.intersection(names):
            self.gateway.backend.set(name, f"{name} {text}" * 9)

    @rule(name=st.sampled_from(NAMES), connected=st.booleans())
    def connect(self, name: str, connected: bool) -> None:
        """Disconnect a PV, or reconnect it."""
        if connected:
            self.gateway.backend.add(name, name * 5)
        elif name in self.up:
            self.gateway.backend.remove(name)
        (self.up.add if connected else self.up.discard)(name)

    @rule()
    def iterate(self) -> None:
        """End the reactor iteration."""
        self.gateway.flush_cycle()

    def teardown(self) -> None:
        """All clients catch up."""
        for twins in self.twins:
            twins.pause(paused=False)
        self.gateway.advance(1)
        for twins in (*self.twins, *self.gone):
            twins.compare()
            COMPRESSED_MESSAGES.append(twins.inflating.compressed)


COMPRESSED_MESSAGES: list[int] = []
"""Return how many messages of each client were compressed."""


class TwinsTests(SynchronousTestCase):
    """TwinsMachine."""

    def test_states(self) -> None:
        """A client inflates shared messages, whatever each client has received before."""
        COMPRESSED_MESSAGES.clear()
        # So the pieces of a few PVs are worth it.
        self.patch(deflate, "LEAST", 100)
        # Of fewer, hardly any would compress.
        steps = settings(max_examples=max(examples(40), 40), stateful_step_count=30)
        run_state_machine_as_test(TwinsMachine, settings=steps)
        seen = sum(map(bool, COMPRESSED_MESSAGES))
        self.assertGreater(seen, len(COMPRESSED_MESSAGES) // 20)


class SharingTests(SynchronousTestCase):
    """Clients of the same page."""

    def test_compressed_once(self) -> None:
        """They get the very same bytes, and so does a client that joins their page."""
        gateway = MemoryGateway()
        for name in NAMES:
            gateway.backend.add(name, name * 20)
        pages = [InflatingPage(Deflate()) for _ in range(3)]
        for page in pages:
            session = gateway.sessions.open(page, Peer("test"), Encoding(VERSION_2))
            session.receive(json.dumps({"action": "connect", "pvs": NAMES}).encode())
            gateway.flush_cycle()
            page.take()
        for round_ in range(3):
            for name in NAMES:
                gateway.backend.set(name, f"{name} {round_}" * 20)
            gateway.flush_cycle()
        first, *others = ([*page.writes] for page in pages)
        shown = pages[2].messages
        self.assertEqual(len(first), 3)
        for other in others:
            for mine, theirs in zip(first, other, strict=True):
                self.assertIs(mine, theirs)
        values = [message["value"][:5] for message in shown]
        self.assertEqual(values, [f"{name} {n}"[:5] for n in range(3) for name in NAMES])
        self.assertLess(sum(map(len, first)), len(json.dumps(shown)) / 4)
