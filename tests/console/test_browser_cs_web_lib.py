"""A display of Phoebus in the widgets of cs-web-lib, from the npm registry, in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from twisted.internet.defer import Deferred
from twisted.web.server import Site
from twisted.web.static import File

from tests.support.console_case import WebTestCase, in_thread, reactor
from tests.support.displays import DISPLAYS, need_displays
from tests.support.timing import allowed

RECORDS = """
record(ao, "$(P)level") {
    field(VAL, "1.5") field(EGU, "mm") field(PREC, "2") field(HIGH, "8") field(HSV, "MINOR")
    field(HIHI, "9") field(HHSV, "MAJOR") field(LOPR, "0") field(HOPR, "10") field(PINI, "YES")
}
record(mbbo, "$(P)mode") {
    field(ZRST, "Idle") field(ONST, "Running") field(ONVL, "1") field(PINI, "YES")
}
record(stringout, "$(P)text") { field(VAL, "Grüezi") field(PINI, "YES") }
"""
TEXTS = """
return Array.from(document.querySelectorAll("textarea:not([aria-hidden])"), (shown) => shown.value);
"""
OUTLINE = """
const style = getComputedStyle(document.querySelector("fieldset"));
return [style.outlineWidth, style.outlineStyle, style.outlineColor].join(" ");
"""
NONE = "0px"
ALARM = "2px solid rgb(255, 0, 0)"
DISCONNECTED = "3px dotted"


def bundle(folder: Path) -> None:
    """Make the page, with the needed files of the library, in a folder."""
    output = folder.absolute() / "page.js"
    command = ["npm", "run", "--silent", "bundle", "--", f"--outfile={output}"]
    subprocess.run(command, check=True, cwd=DISPLAYS, timeout=allowed(60))
    for name in ("index.html", "display.bob"):
        shutil.copy(DISPLAYS / name, folder)


class CsWebLibPageTests(WebTestCase):
    """The page comes from another server than the gateway."""

    timeout = allowed(150)
    expected_errors = "WebSocket connection to|Error from ws"

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        """Skip if a program is missing."""
        need_displays()
        return super().setUp()

    def open_page(self) -> None:
        """Serve the page and the gateway, and open the one on the other."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        bundle(folder)
        port = self.wait(self._serve_page, folder)
        page = f"127.0.0.1:{port}"
        gateway = urlsplit(self.origin).netloc
        self.allowed_hosts = {page, gateway}
        self.serve("--allow-put=anyone", f"--allow-origin=http://{page}", "--pvws-throttle=0.1")
        parameters = {
            "file": "/display.bob",
            "socket": gateway,
            "macros": json.dumps({"P": self.prefix}),
        }
        self.browser.open(f"http://{page}/?{urlencode(parameters)}")

    def _serve_page(self, folder: Path) -> int:
        port = reactor.listenTCP(0, Site(File(str(folder))), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def shows(self, level: str, mode: str, text: str) -> None:
        """Wait until the text widgets show these values."""

        def shown() -> bool:
            texts = self.browser.run(TEXTS)
            return bool(texts[:3] == [level, mode, text] and texts[3] in ("false", "true"))

        self.browser.until(shown, f"{level}, {mode}, {text} and the keep-alive")

    def is_outlined(self, outline: str) -> None:
        """Wait until the first widget has this outline."""
        self.browser.until(lambda: self.browser.run(OUTLINE).startswith(outline), outline)

    @in_thread
    def test_display(self) -> None:
        """Values, alarms, writes by a widget, a lost IOC, and a restarted gateway."""
        ioc = self.wait(self.start_ioc, RECORDS)
        self.open_page()
        self.shows("1.50 mm", "Idle", "Grüezi")
        for value, outline in (("9.50", ALARM), ("2.50", NONE)):
            self.wait(ioc.query, f'dbpf("{self.prefix}level","{value}")')
            self.shows(f"{value} mm", "Idle", "Grüezi")
            self.is_outlined(outline)
        # A text entry writes what one types, a choice button the index of its choice.
        self.browser.run("document.querySelector('input[type=text]').select()")
        self.browser.press(*"3.25", "ENTER")
        self.browser.click("button[value='1']")
        self.shows("3.25 mm", "Running", "Grüezi")
        held = [
            self.wait(ioc.query, f'dbgf("{self.prefix}{record}")') for record in ("level", "mode")
        ]
        self.assertIn("3.25", held[0])
        self.assertIn("Running", held[1])
        self.wait(self.kill_ioc, ioc)
        self.shows("NaN mm", "NaN", "NaN")
        # The library connects again by itself, after five seconds, to everything.
        self.stop_gateway()
        self.is_outlined(DISCONNECTED)
        self.wait(self.start_ioc, RECORDS)
        self.serve(*self.gateway_options)
        self.shows("1.50 mm", "Idle", "Grüezi")
        self.is_outlined(NONE)
