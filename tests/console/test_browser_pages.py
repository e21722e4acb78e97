"""Pages on other servers, in a real browser: old ones, and those with data-pv."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data, File

from harness.browser import Browser
from pycawamp.web.site import STATIC
from tests.support.console_case import WebTestCase, in_thread, ioc_of
from tests.support.timing import allowed

PAGES = Path(__file__).parent.with_name("pages")
TYPES = {".html": "text/html", ".js": "text/javascript"}
RECORDS = """
record(ao, "$(P)level") {
  field(VAL, "1.25") field(PINI, "YES") field(EGU, "mm") field(PREC, "2")
  field(HOPR, "10") field(LOPR, "0") field(DRVH, "10") field(DRVL, "0")
  field(HIGH, "8") field(HSV, "MAJOR")
}
record(stringout, "$(P)text") { field(VAL, "Text") field(PINI, "YES") }
record(stringout, "$(P)markup") { field(VAL, "<b>bold</b>") field(PINI, "YES") }
record(waveform, "$(P)empty") { field(FTVL, "DOUBLE") field(NELM, "1") }
record(waveform, "$(P)wave") { field(FTVL, "DOUBLE") field(NELM, "3") field(INP, [1, 5, 2.5]) }
record(bo, "$(P)switch") { field(PINI, "YES") field(ZNAM, "Off") field(ONAM, "On") }
record(mbbo, "$(P)mode") { field(PINI, "YES") field(ZRST, "Idle") field(ONST, "Running") }
record(mbbo, "$(P)gain") { field(PINI, "YES") field(ZRST, "2") field(ONST, "1") field(THST, "0") }
record(waveform, "$(P)strings") { field(FTVL, "STRING") field(NELM, "4") }
"""
WIKI = (
    'var ws = new WebSocket("ws://localhost:8888/monitor");',
    'var msg = JSON.stringify({ "action":"connect", "pv":"myPVName" });\nws.send(msg);',
    """ws.onmessage = function(event) {
  var msg = JSON.parse(event.data);
  //Do something with the message you received
  console.log(msg["msg_type"]);
}""",
)


class PageTestCase(WebTestCase):
    """Tests of pages on a web server that is not the gateway.

    `localhost:8888` in the browser is the gateway.
    """

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"level": 1.25, "switch": 0, "mode": 0}

    def open_page(
        self, name: str, *options: str, record: str = "", library: str = "http://localhost:8888"
    ) -> Browser:
        """Start a server with the pages and the gateway, and open a page.

        In `options`, `PAGES` is the origin of the pages.
        """
        own = self.wait(self._publish, record, library)
        options = tuple(option.replace("PAGES", f"http://{own}") for option in options)
        # Long enough for a PV that exists to be found first: the pages count messages.
        self.serve(f"--connect-timeout={allowed(1):g}", *options)
        self.allowed_hosts = {"localhost:8888", own}
        self.browser.open(f"http://{own}/{name}")
        return self.browser

    @inlineCallbacks
    def _publish(self, record: str, library: str) -> Generator[Deferred[Any], Any, str]:
        root = Resource()
        root.putChild(b"favicon.ico", Data(b"", "image/x-icon"))
        root.putChild(b"static", File(str(STATIC)))
        for path in PAGES.iterdir():
            text = path.read_text().replace("PREFIX:", self.prefix).replace("LIBRARY", library)
            data = text.replace("myPVName", record or "myPVName").encode()
            root.putChild(path.name.encode(), Data(data, TYPES[path.suffix]))
        site = Site(root)
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        port: IListeningPort = yield endpoint.listen(site)
        self.addCleanup(port.stopListening)
        address: Any = port.getHost()
        return f"127.0.0.1:{address.port}"


class OldPageTests(PageTestCase):
    """Pages that know Version 1 only."""

    @in_thread
    def test_first(self) -> None:
        """A page with a socket per bare name shows values and lost connections."""
        browser = self.open_page("first.html")
        names = ("level", "text", "wave", "nobody")
        shown = {name: f'[data-pv="{self.pv(name)}"]' for name in names}
        browser.until(lambda: browser.text(shown["level"]) == "1.25", "the level")
        browser.until(lambda: browser.text(shown["text"]) == "Text", "the text")
        browser.until(lambda: browser.text(shown["wave"]) == "1,5,2.5", "the array")
        colour = f"return document.querySelector('{shown['nobody']}').style.color"
        browser.until(lambda: browser.run(colour) == "red", "the red of what is not found")
        self.set_record("level", 4.5)
        browser.until(lambda: browser.text(shown["level"]) == "4.5", "the change")
        colour = f"return document.querySelector('{shown['level']}').style.color"
        self.assertEqual(browser.run(colour), "black")
        ioc_of(type(self)).kill()
        browser.until(lambda: browser.run(colour) == "red", "the red of what is lost")

    @in_thread
    def test_wiki(self) -> None:
        """The wiki's snippets, unchanged, get what the wiki describes, and nothing else."""
        script = (PAGES / "wiki.js").read_text()
        for snippet in WIKI:
            self.assertIn(snippet, script)
        name = self.pv("level")
        browser = self.open_page("wiki.html", record=name)
        browser.until(lambda: browser.run("return logged.length") == 2, "two messages")
        self.assertEqual(browser.run("return logged"), ["connection", "monitor"])
        connection, monitor = map(json.loads, browser.run("return messages"))
        self.assertEqual(connection, {"msg_type": "connection", "pvname": name, "conn": True})
        self.assertEqual(
            list(monitor), ["msg_type", "pvname", "value", "count", "timestamp", "units"]
        )
        self.assertEqual((monitor["value"], monitor["count"], monitor["units"]), (1.25, 1, "mm"))
        disconnect = json.dumps({"action": "disconnect", "pv": name})
        again = json.dumps({"action": "connect", "pv": name})
        self.set_record("level", 2)
        browser.until(lambda: browser.run("return logged.length") == 3, "the change")
        browser.run("ws.send(arguments[0])", disconnect)
        browser.run("ws.send(arguments[0])", again)
        browser.until(lambda: browser.run("return logged.length") == 5, "it again")

    @in_thread
    def test_puts(self) -> None:
        """With puts, a page of another origin may not connect, unless it is allowed."""
        self.expected_errors = "403"
        browser = self.open_page("wiki.html", "--allow-put=anyone")
        browser.until(lambda: browser.run("return ws.readyState") == 3, "its end")
        self.assertEqual(browser.run("return logged"), [])


class ElementTests(PageTestCase):
    """Elements with data-pv, on a page of another server."""

    def open_elements(self, *options: str, library: str = "http://localhost:8888") -> Browser:
        """Open the page; returns when it has values."""
        browser = self.open_page("elements.html", *options, library=library)
        browser.until(lambda: browser.text("#level") == "1.3 mm", "the level")
        return browser

    def value(self, selector: str) -> Any:
        """Return what a control shows."""
        return self.browser.find(selector).get_property("value")

    @in_thread
    def test_shown(self) -> None:
        """Values are formatted, bars have their ranges, and missing ones keep their text."""
        browser = self.open_elements()
        browser.until(lambda: browser.text("#markup") == "<b>bold</b>", "the markup as text")
        self.assertEqual([self.value("#bar"), self.value("#field")], [1.25, "1.25"])
        self.assertEqual(browser.run("return document.querySelector('#bar').max"), 10)
        self.assertEqual(browser.text("#nobody"), "nothing yet")
        classes = "return [...document.querySelector(arguments[0]).classList]"
        browser.until(lambda: "pv-disconnected" in browser.run(classes, "#nobody"), "its class")
        browser.until(lambda: "pv-connected" in browser.run(classes, "#empty"), "its class")
        self.assertEqual(browser.text("#empty"), "no reading")
        self.set_record("empty", 4)
        browser.until(lambda: browser.text("#empty") == "4.0", "its first value")
        self.set_record("level", 9)
        browser.until(lambda: browser.text("#level") == "9.0 mm", "the change")
        self.assertIn("pv-major", browser.run(classes, "#level"))
        # Without puts, nothing can be written here.
        self.assertIn("pv-readonly", browser.run(classes, "#field"))
        self.assertTrue(browser.find("#field").get_property("readOnly"))
        self.assertFalse(browser.find("#choice").is_enabled())

    @in_thread
    def test_lists_and_numbers(self) -> None:
        """Labels that are numbers, and strings with blanks, are written correctly."""
        browser = self.open_elements("--allow-put=anyone", "--allow-origin=PAGES", library="")
        browser.until(lambda: browser.find("#gain").is_enabled(), "leave to write")
        for label, index in [("1", "1"), ("0", "3"), ("2", "0")]:
            browser.choose("#gain", label)
            self.wait_for_gain(label, index)
        field = browser.find("#strings")
        field.send_keys('"a b", c\n')
        browser.until(lambda: self.value("#strings") == '"a b", c', "what was written")
        field.send_keys(", d\n")
        browser.until(lambda: self.value("#strings") == '"a b", c, d', "one more")

    def wait_for_gain(self, label: str, index: str) -> None:
        """Return when the record has this state, and the page shows it."""
        line = f'dbgf("{self.pv("gain")}")'
        self.browser.until(lambda: f'"{label}"' in self.query_ioc(line), f"the state {label}")
        self.browser.until(lambda: self.value("#gain") == index, f"the choice {index}")

    @in_thread
    def test_written(self) -> None:
        """Fields write on Enter, ticks and choices at once; Escape gives up.

        The page is allowed with `--allow-origin`, and has its own copy of the library.
        """
        browser = self.open_elements("--allow-put=anyone", "--allow-origin=PAGES", library="")
        field = browser.find("#field")
        browser.until(lambda: not field.get_property("readOnly"), "leave to write")
        field.clear()
        field.send_keys("7")
        browser.press("ESCAPE")
        browser.until(lambda: self.value("#field") == "1.25", "the value that is")
        field.clear()
        field.send_keys("7.5\n")
        browser.until(lambda: browser.text("#level") == "7.5 mm", "what was written")
        browser.click("#tick")
        browser.choose("#choice", "Running")
        queries = [f'dbgf("{self.pv(name)}")' for name in ("switch", "mode")]

        def written() -> bool:
            answers = [self.query_ioc(line) for line in queries]
            return "On" in answers[0] and "Running" in answers[1]

        browser.until(written, "both at the IOC")

    @in_thread
    def test_changed(self) -> None:
        """Elements that are added later are bound, and those whose PV changes are updated."""
        browser = self.open_elements()
        browser.run(
            """
            const added = document.createElement("b");
            added.id = "added";
            added.dataset.pv = arguments[0];
            document.body.append(added);
            document.querySelector("#level").dataset.pv = arguments[0];
            """,
            self.pv("text"),
        )
        browser.until(lambda: browser.text("#added") == "Text", "the new element")
        browser.until(lambda: browser.text("#level") == "Text", "the other PV")
