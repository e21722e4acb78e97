"""permessage-deflate over real TCP: messages to clients like browsers, and from them."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from typing import Any, cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as open_websocket

from pycawamp.client import GatewayClient
from pycawamp.web.inflate import MAX_STREAMS, CorruptError, Inflater, TooLargeError
from tests.support.client_case import Recorder
from tests.support.examples import examples
from tests.support.http_reader import END, UPGRADE, request
from tests.support.ioc_case import until_true
from tests.support.service_case import MemoryServiceTestCase, reactor
from tests.support.timing import TIMEOUT
from tests.support.websocket_frames import CLOSE, PING, TEXT, FrameReader, client_frame

COMPRESSED = 0xC1
NAMES = [f"BL01:MOTOR{number:02d}" for number in range(40)]
PAGE: dict[str, Any] = {"action": "connect", "pvs": NAMES}
ROUNDS = 5
FIRST = "value 0 of a motor"
LAST = f"value {ROUNDS} of a motor"
END_FRAME = client_frame(b"\x03\xe8", CLOSE)


def deflated(text: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
    """Return a message as in RFC 7692, section 7.2.1."""
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(text) + compressor.flush(flush)
    return data[:-4] if flush == zlib.Z_SYNC_FLUSH else data + b"\0"


class InflaterTests(SynchronousTestCase):
    """Messages of clients."""

    def inflate(self, data: bytes, limit: int = 2**20, parts: int = 1) -> bytes:
        """Return a whole message, in parts."""
        inflater = Inflater(limit)
        inflater.start_decompress_message()
        size = len(data) // parts + 1
        inflated = b"".join(
            inflater.decompress_message_data(data[start : start + size])
            for start in range(0, len(data), size)
        )
        inflater.end_decompress_message()
        return inflated

    def test_any(self) -> None:
        """Messages compressed by zlib are inflated, with any parts and kinds of blocks."""

        @settings(max_examples=examples(200))
        @given(st.binary(max_size=2000), st.integers(1, 9), st.booleans())
        def run(text: bytes, parts: int, is_final: bool) -> None:
            flush = zlib.Z_FINISH if is_final else zlib.Z_SYNC_FLUSH
            self.assertEqual(self.inflate(deflated(text, flush), 2000, parts), text)

        run()

    def test_examples(self) -> None:
        """The examples of RFC 7692, section 7.2.3."""
        for message in (
            "f248cdc9c90700",
            "000500faff48656c6c6f00",
            "f348cdc9c9070000",
            "f24805000000ffffcac9c90700",
        ):
            self.assertEqual(self.inflate(bytes.fromhex(message)), b"Hello", message)

    def test_bomb(self) -> None:
        """No more is inflated than the maximum of a message."""
        bomb = deflated(bytes(2**27))
        inflater = Inflater(2**20)
        inflater.start_decompress_message()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        with self.assertRaises(TooLargeError):
            inflater.decompress_message_data(bomb)
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 2**22)
        # What else comes until the connection is closed is inflated no more.
        self.assertEqual(inflater.decompress_message_data(bomb), b"")

    def test_limit(self) -> None:
        """A message at the limit is accepted; one byte more is not, in one part or several."""
        for parts in (1, 5):
            self.assertEqual(self.inflate(deflated(bytes(1000)), 1000, parts), bytes(1000))
            with self.assertRaises(TooLargeError):
                self.inflate(deflated(bytes(1001)), 1000, parts)

    def test_final_blocks(self) -> None:
        """A message of many final blocks, two bytes each, is refused at the first too many."""
        inflater = Inflater(2**20)
        inflater.start_decompress_message()
        final = b"\x03\x00"
        inflater.decompress_message_data(final * (MAX_STREAMS - 1) + b"\x00")
        inflater.start_decompress_message()
        error = self.assertRaises(
            CorruptError, inflater.decompress_message_data, final * (MAX_STREAMS + 1)
        )
        self.assertIn("final blocks", str(error))
        self.assertEqual(inflater.decompress_message_data(final * 2**19), b"")

    def test_corrupt(self) -> None:
        """Invalid data is reported, and so is incomplete data."""
        for data in (b"\x07" * 20, deflated(b"x" * 50)[:-3]):
            with self.assertRaises(CorruptError):
                self.inflate(data)


class Peer:
    """A client of the library `websockets`, in its own thread, with one page of PVs."""

    def __init__(
        self, url: str, last: dict[str, Any], *requests: dict[str, Any], **options: Any
    ) -> None:
        self.joined: Deferred[None] = Deferred()
        """Fires when it has a first value of each PV."""
        self.extension = ""
        """The negotiated parameters."""
        self._url = url
        self._last = last
        # The PVWS name of the text of a value.
        self._key = "text" if "pvws" in url else "value"
        self._requests = requests
        self._options = options
        self.messages: Deferred[list[Any]] = deferToThread(self._run)
        """Fires with the messages after those, up to the last one."""

    def _run(self) -> list[Any]:
        with open_websocket(self._url, max_size=None, **self._options) as socket:
            assert socket.response is not None
            self.extension = socket.response.headers.get("Sec-WebSocket-Extensions", "")
            for request_text in self._requests:
                socket.send(json.dumps(request_text))
            self._read(socket, FIRST)
            reactor.callFromThread(self.joined.callback, None)
            return self._read(socket, LAST)

    def _read(self, socket: ClientConnection, value: str) -> list[Any]:
        messages: list[Any] = []
        while not any(
            (self._last | {self._key: value}).items() <= each.items() for each in messages
        ):
            parsed = json.loads(socket.recv(TIMEOUT))
            messages += parsed if isinstance(parsed, list) else [parsed]
        return messages


class RawClient(Protocol):
    """Sends any bytes, and stores received frames."""

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.frames: list[tuple[int, bytes]] = []
        self.head = b""
        self.opened: Deferred[None] = Deferred()
        """Fires when the handshake is over."""
        self._closed: Deferred[int] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """Overrides Protocol: take frames after the answer to the handshake."""
        if END not in self.head:
            self.head += data
            _, end, data = self.head.partition(END)
            if not end:
                return
            self.opened.callback(None)
        self.frames += self.reader.feed(data)
        if self.frames and self.frames[-1][0] == CLOSE:
            cast(Any, self.transport).loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        """Overrides Protocol: tell with what code the connection was closed."""
        codes = [payload[:2] for first, payload in self.frames if first == CLOSE]
        self._closed.callback(int.from_bytes(codes[0], "big") if codes else 1006)

    @property
    def texts(self) -> list[bytes]:
        """The texts of all messages so far."""
        inflater = zlib.decompressobj(-15)
        return [
            inflater.decompress(payload + b"\0\0\xff\xff") if first == COMPRESSED else payload
            for first, payload in self.frames
            if first in (TEXT, COMPRESSED)
        ]

    def has(self, *parts: str) -> bool:
        """Return whether a message has all these parts."""
        return any(all(part.encode() in text for part in parts) for text in self.texts)

    def has_text(self, part: str) -> list[bool]:
        """Return whether each message has a part."""
        return [part.encode() in text for text in self.texts]

    def send_frames(self, *frames: bytes) -> Deferred[int]:
        """Send frames; fires with the code of the received close frame."""
        cast(Any, self.transport).write(b"".join(frames))
        return self._closed.addTimeout(TIMEOUT, reactor)


class CompressionTests(MemoryServiceTestCase):
    """A gateway that compresses."""

    def setUp(self) -> None:
        """Run the gateway, and make a page of PVs."""
        super().setUp()
        self.service = self.serve("--compression", "--pvws-throttle=0")
        for name in NAMES:
            self.backend.add(name, "value 0 of a motor")

    def update(self, rounds: int = ROUNDS, names: list[str] = NAMES) -> Deferred[None]:
        """Change all PVs a few times, in each reactor iteration."""
        done: Deferred[None] = Deferred()

        def change(round_: int) -> None:
            for name in names:
                self.backend.set(name, f"value {round_} of a motor")
            if round_ < rounds:
                reactor.callLater(0, change, round_ + 1)
            else:
                done.callback(None)

        change(1)
        return done

    @inlineCallbacks
    def raw(self, offer: str = "permessage-deflate") -> Any:
        """Fires with a client that uses compression."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        client: RawClient = yield endpoint.connect(Factory.forProtocol(RawClient))
        headers = {**UPGRADE, "Sec-WebSocket-Extensions": offer, "Connection": "Upgrade"}
        transport: Any = client.transport
        transport.write(request("/monitor", headers))
        self.addCleanup(transport.abortConnection)
        yield client.opened
        return client

    @inlineCallbacks
    def test_handshake(self) -> Any:
        """The response has the negotiated parameters; invalid offers are declined."""
        for offer, received in {
            "permessage-deflate; client_max_window_bits": "",
            "permessage-deflate; server_max_window_bits=10": "; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=99": None,
            "permessage-deflate; nonsense, x": None,
        }.items():
            answer = yield self.knock(Sec_WebSocket_Extensions=offer)
            self.assertEqual(answer.status, 101)
            expected = (
                None
                if received is None
                else f"permessage-deflate; client_no_context_takeover{received}"
            )
            self.assertEqual(answer.headers.get("sec-websocket-extensions"), expected, offer)

    @inlineCallbacks
    def test_peers(self) -> Any:
        """All clients get the same, with any parameters, in arrays or not, or uncompressed."""
        plain = yield self.connect()
        plain.send(PAGE)
        yield plain.until(pvname=NAMES[-1], msg_type="monitor")
        number = len(plain.messages)
        last = {"pvname": NAMES[-1]}
        batch = {"action": "configure", "batch": True}
        peers = [
            Peer(self.url, last, PAGE),
            Peer(self.url, last, PAGE, extensions=[Offer(server_no_context_takeover=True)]),
            Peer(self.url, last, PAGE, extensions=[Offer(server_max_window_bits=9)]),
            Peer(self.url, last, batch, PAGE),
        ]
        recorder = Recorder()
        client = GatewayClient(reactor, self.url)
        self.addCleanup(client.close)
        for name in NAMES:
            client.subscribe(name, recorder)
        yield recorder.until("update", lambda update: update.value == FIRST)
        yield gatherResults([peer.joined for peer in peers])
        yield self.update()
        yield plain.until(**last, value=LAST)
        for peer in peers:
            self.assertIn("permessage-deflate", peer.extension)
            messages = yield peer.messages
            self.assertEqual(messages, plain.messages[number:])
        yield recorder.until("update", lambda update: update.value == plain.messages[-1]["value"])

    @inlineCallbacks
    def check_bytes(self, messages: int, part: float, **options: Any) -> Any:
        """Updates are compressed, in a number of messages; what is for one client is not."""
        client: RawClient = yield self.raw()
        transport: Any = client.transport
        transport.write(client_frame(json.dumps({**PAGE, **options}).encode()))
        yield until_true(lambda: client.has(FIRST, NAMES[-1]))
        self.assertEqual({first for first, _ in client.frames}, {TEXT})
        joined = len(client.frames)
        yield self.update()
        yield until_true(lambda: client.has(LAST, NAMES[-1]))
        kinds, payloads = zip(*client.frames[joined:], strict=True)
        self.assertEqual(kinds, (COMPRESSED,) * messages)
        sent, shown = sum(map(len, payloads)), sum(map(len, client.texts[joined:]))
        self.assertLess(sent, part * shown)

    @inlineCallbacks
    def test_answers(self) -> Any:
        """Messages for one client are not compressed, nor among compressed ones."""
        secret = "x" * 200
        client: RawClient = yield self.raw()
        transport: Any = client.transport
        sent = [PAGE, {"action": "list", "id": secret}, {"action": "nonsense", "id": secret}]
        sent += [{"action": "get", "pv": name, "id": secret} for name in NAMES]
        for request_ in [*sent, {"action": "ping"}]:
            transport.write(client_frame(json.dumps(request_).encode()))
        yield until_true(lambda: client.has("pong") and client.has(NAMES[-1], secret))
        yield self.update()
        transport.write(client_frame(json.dumps(sent[1]).encode()))
        yield until_true(lambda: client.has(LAST, NAMES[-1]))
        yield until_true(lambda: sum(client.has_text(secret)) == len(sent))
        kinds = {first for first, _ in client.frames}
        self.assertEqual(kinds, {TEXT, COMPRESSED})
        for (first, _), has_secret in zip(client.frames, client.has_text(secret), strict=True):
            self.assertFalse(has_secret and first == COMPRESSED)

    def test_frames(self) -> Any:
        """Messages of a flush cycle are compressed together, each in a frame."""
        return self.check_bytes(ROUNDS * len(NAMES), 0.2)

    def test_batches(self) -> Any:
        """An array of messages is compressed as a whole."""
        return self.check_bytes(ROUNDS, 0.12, batch=True)

    @inlineCallbacks
    def test_dialects(self) -> Any:
        """Clients of other gateways' protocols can read it too, and get whole arrays."""
        array = np.arange(500.0)
        self.backend.add("array", array)
        pvws = Peer(
            self.url.replace("monitor", "pvws/pv"),
            {"pv": NAMES[-1]},
            {"type": "subscribe", "pvs": [*NAMES, "array"]},
        )
        epics2web = Peer(
            self.url.replace("monitor", "epics2web/monitor"),
            {"pv": NAMES[-1]},
            {"type": "monitor", "pvs": NAMES},
        )
        yield gatherResults([pvws.joined, epics2web.joined])
        self.backend.set("array", array + 1)
        yield self.update()
        for peer in (pvws, epics2web):
            self.assertIn("permessage-deflate", peer.extension)
            messages = yield peer.messages
            values = [each for each in messages if each.get("pv") == NAMES[0]]
            self.assertEqual(len(values), ROUNDS)

    @inlineCallbacks
    def test_requests(self) -> Any:
        """Requests may be compressed, in parts, and with blocks of all kinds."""
        request_text = json.dumps({"action": "get", "pv": "X", "id": 5}).encode()
        whole, final = deflated(request_text), deflated(request_text, zlib.Z_FINISH)
        client: RawClient = yield self.raw()
        code = yield client.send_frames(
            client_frame(whole, COMPRESSED),
            client_frame(final, COMPRESSED),
            client_frame(request_text),
            client_frame(whole[:9], COMPRESSED & 0x7F),
            client_frame(b"", PING),
            client_frame(whole[9:], 0x80),
            END_FRAME,
        )
        self.assertEqual(code, 1000)
        values = [text for text in client.texts if b'"value":1.5' in text and b'"id":5' in text]
        self.assertEqual(len(values), 4)

    @inlineCallbacks
    def test_bad_requests(self) -> Any:
        """A message that is too large when inflated, or invalid, closes its connection only."""
        neighbour = yield self.connect()
        for code, error, *frames in (
            (1009, b"too_large", client_frame(deflated(bytes(2**26)), COMPRESSED)),
            (1007, b"bad_json", client_frame(b"\x07" * 20, COMPRESSED)),
            (1007, b"bad_json", client_frame(deflated(b"x" * 50)[:-3], COMPRESSED)),
            (1007, b"bad_json", client_frame(deflated(b"\xff"), COMPRESSED)),
            (1002, b"", client_frame(b"", PING | 0x40)),
            (1002, b"", client_frame(b"", 0x01), client_frame(deflated(b"x"), 0xC0)),
        ):
            client: RawClient = yield self.raw()
            closed = yield client.send_frames(*frames)
            self.assertEqual(closed, code, error)
            self.assertIn(error, b"".join(client.texts))
        client = yield self.raw("other")
        closed = yield client.send_frames(client_frame(deflated(b"1"), COMPRESSED))
        self.assertEqual(closed, 1002)
        neighbour.send({"action": "ping"})
        yield neighbour.until(msg_type="pong")


class NoCompressionTests(MemoryServiceTestCase):
    """A gateway with default options."""

    @inlineCallbacks
    def test_off(self) -> Any:
        """Any offer is declined, and all clients can connect."""
        self.serve()
        for offer in ("permessage-deflate; client_max_window_bits", "permessage-deflate; nonsense"):
            answer = yield self.knock(Sec_WebSocket_Extensions=offer)
            self.assertEqual(answer.status, 101)
            self.assertNotIn("sec-websocket-extensions", answer.headers)
