"""Displays for other gateways, in a real browser: with the scripts that they load from it."""

from __future__ import annotations

from typing import Any, ClassVar

from pycawamp.web import jquery
from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)level") {
    field(VAL, "1.25") field(EGU, "mm") field(HIGH, "8") field(HSV, "MAJOR") field(PINI, "YES")
}
record(mbbo, "$(P)mode") { field(ZRST, "Idle") field(ONST, "Running") field(PINI, "YES") }
record(waveform, "$(P)wave") {
    field(FTVL, "DOUBLE") field(NELM, "3") field(INP, {const:[1, 5, 2.5]}) field(PINI, "YES")
}
"""
PVWS_PAGE = """
const received = (window.received = { connected: [], values: {}, others: [] });
function take(message) {
  if (message.type === "update") received.values[message.pv] = message;
  else received.others.push(message);
}
const connection = (connected) => received.connected.push(connected);
const client = (window.client = new PVWS(arguments[0], connection, take));
client.reconnect_ms = 200;
client.open();
"""
JQUERY = ("/pvws/js/jquery.js", "/epics2web/resources/js/jquery-1.10.2.min.js")
DECODED = """
const image = new Image();
image.src = arguments[0];
return image.decode().then(() => [image.naturalWidth, image.naturalHeight]);
"""
EPICS2WEB_PAGE = """
const received = (window.received = { events: [], info: {}, values: {} });
const client = (window.client = new jlab.epics2web.ClientConnection(
  { pingIntervalMillis: 100, reconnectWaitMillis: 200, chunkedRequestMaxBytes: 80 }));
for (const kind of ["open", "close", "connecting", "pong"]) {
  client.addEventListener(kind, () => received.events.push(kind));
}
client.oninfo = (event) => (received.info[event.detail.pv] = event.detail);
client.onupdate = (event) => (received.values[event.detail.pv] = event.detail);
"""

CLOSING = """
window.shown = {};
for (const state of ["connected", "disconnected"]) {
  shown[state] = document.body.appendChild(document.createElement("p"));
  shown[state].className = `ws-${state}`;
}
received.messages = [];
client.onmessage = (event) => received.messages.push(event.detail.type);
client.onclosing = () => received.events.push("closing");
client.autoReconnect = false;
client.close();
"""


class DisplayTestCase(WebTestCase):
    """Tests of scripts on a page of the gateway's origin."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"level": 1.25, "mode": 0}

    def load(self, name: str, *paths: str) -> None:
        """Load scripts, the last of which defines a global name."""
        self.serve("--allow-put=anyone", "--pvws-throttle=0", "--pvws-array-throttle=0")
        self.browser.open(f"{self.origin}/")
        for path in paths:
            self.browser.run(
                """const script = document.createElement("script");
                script.async = false; script.src = arguments[0]; document.head.append(script);""",
                path,
            )
        found = f"return typeof {name} !== 'undefined'"
        self.browser.until(lambda: self.browser.run(found), f"the script with {name}")

    def until(self, expression: str, *arguments: Any) -> Any:
        """Wait until an expression of the page is true; return its value."""
        return self.browser.until(
            lambda: self.browser.run(f"return {expression}", *arguments), expression
        )


class PVWSTests(DisplayTestCase):
    """/pvws/js, as DBWR loads it."""

    expected_errors = "WebSocket connection to"

    @in_thread
    def test_client(self) -> None:
        """It shows, merges, writes, lists, and reconnects."""
        self.load("PVWS", "/pvws/js/base64.js", "/pvws/js/pvws.js")
        socket = f"{self.origin.replace('http', 'ws')}/pvws/pv"
        self.browser.run(PVWS_PAGE, socket)
        self.until("received.connected.at(-1)")
        names = [self.pv(name) for name in ("level", "mode", "wave")]
        self.browser.run("client.subscribe(arguments[0])", names)
        self.until("Object.keys(received.values).length === 3")
        level, mode, wave = (
            self.browser.run("return received.values[arguments[0]]", n) for n in names
        )
        self.assertEqual((level["value"], level["units"], level["readonly"]), (1.25, "mm", False))
        self.assertEqual((mode["text"], mode["labels"]), ("Idle", ["Idle", "Running"]))
        self.assertEqual(wave["value"], [1, 5, 2.5])
        self.browser.run("client.write(arguments[0], '9.5')", names[0])
        self.until("received.values[arguments[0]].value === 9.5", names[0])
        level = self.browser.run("return client.values[arguments[0]]", names[0])
        self.assertEqual((level["severity"], level["units"]), ("MAJOR", "mm"))
        self.browser.run("client.write('nowhere', 1); client.list(); client.ping()")
        self.until("received.others.length === 2")
        error, messages = self.browser.run("return received.others")
        self.assertEqual(error["type"], "error")
        self.assertEqual(messages, {"type": "list", "pvs": names})
        self.browser.run("client.clear(arguments[0])", names[1])
        self.assertNotIn(names[1], self.browser.run("return Object.keys(client.values)"))
        # What is closed opens again: the icon of DBWR is clicked for that.
        self.browser.run("received.connected.length = 0; client.close()")
        self.until("received.connected.includes(false) && received.connected.at(-1)")
        self.stop_gateway()
        self.until("received.connected.at(-1) === false")
        self.serve()
        self.until("received.connected.at(-1) === true")

    @in_thread
    def test_base64(self) -> None:
        """Bytes are returned unchanged."""
        self.load("fromByteArray", "/pvws/js/base64.js")
        for numbers in ([], [0], [255, 0, 128], list(range(256))):
            text = self.browser.run("return fromByteArray(Uint8Array.from(arguments[0]))", numbers)
            back = self.browser.run("return Array.from(toByteArray(arguments[0]))", text)
            self.assertEqual(back, numbers)


class Epics2WebTests(DisplayTestCase):
    """/epics2web/resources, as WEDM loads it."""

    expected_errors = "WebSocket connection to|jquery"

    @in_thread
    def test_client(self) -> None:
        """It shows values, requests them in parts, keeps the connection open, and reconnects."""
        script = "/epics2web/resources/js/epics2web.min.js?v=1.2"
        self.load("jlab", script)
        self.until("jlab.epics2web.ClientConnection !== undefined")
        self.browser.run(EPICS2WEB_PAGE)
        self.until("received.events.includes('open')")
        names = [self.pv(name) for name in ("level", "level.EGU", "mode", "wave", "nowhere")]
        self.browser.run("client.monitorPvs(arguments[0])", names)
        self.until("Object.keys(received.values).length === 4")
        values = [self.browser.run("return received.values[arguments[0]]?.value", n) for n in names]
        self.assertEqual(values, [1.25, "mm", 0, 1, None])
        mode = self.browser.run("return received.info[arguments[0]]", names[2])
        self.assertEqual((mode["datatype"], mode["enum-labels"]), ("DBR_ENUM", ["Idle", "Running"]))
        self.until("received.values[arguments[0]].date instanceof Date", names[0])
        self.until("received.info[arguments[0]]?.connected === false", names[4])
        self.until("received.events.includes('pong')")
        self.browser.run("client.clearPvs([arguments[0]])", names[0])
        numeric = (
            "return ['DBR_DOUBLE', 'DBR_BYTE', 'DBR_ENUM'].map(jlab.epics2web.isNumericEpicsType)"
        )
        self.assertEqual(self.browser.run(numeric), [True, True, False])
        self.stop_gateway()
        self.until("received.events.includes('close')")
        self.serve()
        self.until("received.events.lastIndexOf('pong') > received.events.lastIndexOf('close')")
        self.browser.run(CLOSING)
        self.until("received.events.at(-1) === 'close'")
        self.assertEqual(self.browser.run("return received.events.slice(-2)"), ["closing", "close"])
        self.until("shown.disconnected.style.display === ''")
        self.assertEqual(self.browser.run("return shown.connected.style.display"), "none")
        self.browser.run("client.open(); client.onopen = () => client.ping();")
        self.until("received.messages.includes('pong')")
        self.assertEqual(self.browser.run("return shown.connected.style.display"), "")

    @in_thread
    def test_files(self) -> None:
        """Further files for WEDM and DBWR exist, jQuery if it is installed."""
        self.serve()
        self.browser.open(f"{self.origin}/")
        fetched = """return fetch(arguments[0]).then(async (answer) =>
            [answer.status, answer.headers.get("content-type"), await answer.text()]);"""
        for path, kind in (
            ("js/epics2web.js", "text/javascript"),
            ("css/epics2web.min.css", "text/css"),
            ("css/site.css", "text/css"),
            ("img/connected.svg", "image/svg+xml"),
            ("img/connecting.svg", "image/svg+xml"),
            ("img/disconnected.svg", "image/svg+xml"),
        ):
            answer = self.browser.run(fetched, f"/epics2web/resources/{path}?v=3")
            self.assertEqual((answer[0], answer[1].split(";")[0]), (200, kind), path)
        for icon in ("connected", "disconnected"):
            size = self.browser.run(DECODED, f"/pvws/img/{icon}.png")
            self.assertEqual(size, [24, 24])
        for path in JQUERY:
            answer = self.browser.run(fetched, path)
            self.assertEqual((answer[0], answer[1].split(";")[0]), (200, "text/javascript"), path)
            self.assertIn("jQuery", answer[2])
        self.patch(jquery, "PACKAGE", "no-such-package")
        self.stop_gateway()
        self.serve()
        for path in JQUERY:
            answer = self.browser.run(fetched, path)
            self.assertEqual(answer[0], 404)
            self.assertIn("pip install", answer[2])
