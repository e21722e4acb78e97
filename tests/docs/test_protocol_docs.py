"""docs/protocol.md: every example in it is played against a live gateway."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from pycawamp.access import Policy
from pycawamp.config.settings import GatewaySettings
from pycawamp.demo.process import DemoIOC, SoftIOC
from pycawamp.pv import errors
from pycawamp.testing import GatewayFixture, WebSocketTestClient
from pycawamp.wire.v2.options import OPTIONS
from tests.support.fixed_text import fixed
from tests.support.process_state import set_environment
from tests.support.version2_case import ANYONE, V2TestCase, like

PAGE = Path(__file__).absolute().parents[2] / "docs" / "protocol.md"
BLOCK = re.compile(r"^```(\w+)(?: ([\w-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STARTS = ("→ ", "← ", "⇐ ")

BEFORE_EACH = {"demo:setpoint": "21.5", "demo:text": "Grüezi from EPICS"}


@attrs.frozen
class Example:
    """One fenced block: a connection of its own."""

    line: int
    kind: str
    lines: tuple[str, ...]
    """Each begins with an arrow."""

    @property
    def names(self) -> set[str]:
        """The PVs that it requests, except for those that do not exist."""
        requests = [_loads(line[2:]) for line in self.lines if line.startswith("→")]
        objects = [request for request in requests if isinstance(request, dict)]
        names = {name for each in objects for name in [each.get("pv"), *each.get("pvs", [])]}
        absent = {"demo:nowhere", "=`demo:setpoint` * "}
        return {name for name in names if isinstance(name, str) and name} - absent


def examples() -> list[Example]:
    """Return the conversations of the page."""
    text = PAGE.read_text()
    return [
        Example(text[: block.start()].count("\n") + 1, block[2] or "", tuple(_lines(block[3])))
        for block in BLOCK.finditer(text)
        if block[1] == "protocol"
    ]


def _lines(block: str) -> list[str]:
    lines: list[str] = []
    for line in block.splitlines():
        if line.startswith(STARTS):
            lines.append(line)
        else:
            lines[-1] += line.strip()
    return lines


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


class Player:
    """Plays one example with one client."""

    def __init__(self, example: Example, client: WebSocketTestClient) -> None:
        self._example = example
        self._client = client
        self._updated: set[str] = set()

    @inlineCallbacks
    def play(self) -> Generator[Deferred[Any], Any, list[tuple[str, str]]]:
        """Play the example; fires with pairs of expected and received messages."""
        pairs = []
        for line in self._example.lines:
            if line.startswith("→"):
                self._client.send(line[2:])
                continue
            expected = _head(line)
            message = yield self._client.until(partial(self._fits, expected))
            self._note(message)
            came = _binary_text(message) if line.startswith("⇐") else self._text_of(message)
            pairs.append((fixed(line[2:]), fixed(came)))
        return pairs

    def _fits(self, expected: Any, message: Any) -> bool:
        """Return whether to compare it: not if it is another update of a changing record."""
        head = _message_head(message)
        is_more = head[0] == "monitor" and head[1] in self._updated
        return not is_more or head == expected

    def _note(self, message: Any) -> None:
        kind, name = _message_head(message)
        if kind == "monitor":
            self._updated.add(name)

    def _text_of(self, message: Any) -> str:
        (index,) = [i for i, each in enumerate(self._client.messages) if each is message]
        return self._client.payloads[index].decode()


def _head(line: str) -> tuple[Any, Any]:
    return _message_head(_loads(line[2:].partition("+ [")[0] if line[0] == "⇐" else line[2:]))


def _message_head(message: Any) -> tuple[Any, Any]:
    return (message["msg_type"], message.get("pvname")) if isinstance(message, dict) else ("", "")


def _binary_text(frame: bytes) -> str:
    """Return a binary message as the page shows it."""
    size = int.from_bytes(frame[:4], "little")
    header = frame[4 : 4 + size].decode()
    start = 4 + size + -(4 + size) % 8
    elements = np.frombuffer(frame[start:], json.loads(header)["dtype"]).tolist()
    return f"{header}+ {json.dumps(elements, separators=(',', ':'))}"


class PlayTests(V2TestCase):
    """The page's examples, against the demo's records."""

    @inlineCallbacks
    def start_demo(self) -> Generator[Deferred[Any], Any, SoftIOC]:
        """Run the demo's IOC."""
        demo = DemoIOC(reactor, self.ports)
        set_environment(self, demo.client_environment())
        ready = demo.when_up()
        demo.startService()
        self.addCleanup(demo.stopService)
        ioc: SoftIOC = yield ready
        return ioc

    @inlineCallbacks
    def play(self, ioc: SoftIOC, fixture: GatewayFixture, example: Example) -> Any:
        """Play one example, and compare all messages."""
        for name, value in BEFORE_EACH.items():
            yield ioc.query(f'dbpf("{name}","{value}")')
        client = yield fixture.connect()
        pairs = yield Player(example, client).play()
        for shown, came in pairs:
            self.assertEqual(came, shown, f"docs/protocol.md:{example.line}")
        yield client.close()
        rest = client.messages[len(pairs) :]
        return rest

    @inlineCallbacks
    def hold(self, fixture: GatewayFixture, names: set[str]) -> Any:
        """Have PVs open, so that who connects gets its first messages all at once."""
        client = yield fixture.connect()
        for name in sorted(names):
            client.send({"action": "connect", "pv": name})
            yield client.until(like(msg_type="monitor", pvname=name))

    @inlineCallbacks
    def test_examples(self) -> Any:
        """Each example has the messages of the page: same keys, same order."""
        ioc = yield self.start_demo()
        settings = GatewaySettings(connect_timeout=1)
        self.assertGreater(len(examples()), 15)
        keeping = attrs.evolve(settings, history=60)
        for kind, policy, chosen_settings in (
            ("", ANYONE, settings),
            ("read-only", Policy(), settings),
            ("history", ANYONE, keeping),
        ):
            self.policy = policy
            chosen = [example for example in examples() if example.kind == kind]
            self.assertTrue(chosen)
            fixture = yield self.start_gateway(chosen_settings)
            yield self.hold(fixture, {name for example in chosen for name in example.names})
            for example in chosen:
                yield self.play(ioc, fixture, example)
            yield fixture.stop()

    @inlineCallbacks
    def test_binary_reader(self) -> Any:
        """The page's JavaScript reads binary messages of every type."""
        node = shutil.which("node")
        if node is None:
            raise SkipTest("there is no node to run the page's JavaScript")
        (reader,) = [block[3] for block in BLOCK.finditer(PAGE.read_text()) if block[1] == "js"]
        self.assertLessEqual(len(reader.splitlines()), 15)
        records = "".join(
            f'record(waveform, "$(P){name}") {{ field(FTVL, "{name}") field(NELM, "5") }}\n'
            for name in TYPES
        )
        _, _, client = yield self.start_all(records)
        frames, decoded = [], []
        for name, (array, elements) in TYPES.items():
            for values in ([], elements):
                if values:
                    yield self.put(client, name, values)
                pv = self.prefix + name
                client.send({"action": "get", "pv": pv, "arrays": "binary"})
                frame = yield client.until(lambda message: isinstance(message, bytes))
                frames.append(frame.hex())
                decoded.append([pv, array, values, len(values)])
        script = f"""{reader}
            const answers = {json.dumps(frames)}.map((hex) => {{
              const bytes = Uint8Array.from(hex.match(/../g), (digits) => parseInt(digits, 16));
              const {{ pvname, value, count }} = readBinary(bytes.buffer);
              return [pvname, value.constructor.name, Array.from(value), count];
            }});
            console.log(JSON.stringify(answers));
        """
        out, problem, status = yield getProcessOutputAndValue(node, ["-e", script])
        self.assertEqual((status, problem), (0, b""))
        self.assertEqual(json.loads(out), decoded)


ACTIONS = ("connect", "disconnect", "configure", "get", "put", "info", "history", "list", "ping")
TYPES: dict[str, tuple[str, list[Any]]] = {
    "CHAR": ("Uint8Array", [0, 255]),
    "SHORT": ("Int16Array", [-32768, 5, 7]),
    "ENUM": ("Uint16Array", [15]),
    "LONG": ("Int32Array", [-(2**31), 2**31 - 1]),
    "FLOAT": ("Float32Array", [0.5, -1]),
    "DOUBLE": ("Float64Array", [0.1, 1e300, 3]),
}


class PageTests(SynchronousTestCase):
    """Statements of the page that can be looked up."""

    def test_codes(self) -> None:
        """Every error code of the package is explained."""
        table = PAGE.read_text().partition("## Errors")[2].partition("\n## ")[0]
        explained = set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE))
        sources = (PAGE.parents[2] / "pycawamp").rglob("*.py")
        made = {
            code
            for source in sources
            for code in re.findall(r'BadMessageError\(\s*"(\w+)"', source.read_text())
        }
        kinds = [each for each in vars(errors).values() if isinstance(each, type)]
        made |= {each.code for each in kinds if issubclass(each, errors.PVError)}
        self.assertEqual(made - explained, set())

    def test_complete(self) -> None:
        """Each action and each type of message has an example."""
        lines = [line for example in examples() for line in example.lines]
        text = "\n".join(lines)
        actions = set(
            re.findall(r'"action":"(\w+)"', "\n".join(each for each in lines if "→" in each))
        )
        self.assertEqual(actions - {"fly"}, set(ACTIONS))
        answers = re.findall(r'"msg_type":"(\w+)"', text)
        types = {"connection", "monitor", "metadata", "configured", "history", "value"}
        types |= {"put", "list", "pong"}
        self.assertEqual(set(answers), types | {"error"})
        self.assertLessEqual(set(OPTIONS), set(re.findall(r'[{,]"(\w+)":', text)))
