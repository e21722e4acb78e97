"""permessage-deflate in a real browser."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.support.console_case import WebTestCase, in_thread

PVS = 40
ROUNDS = 5
WATCH = """
    const [names, rounds, batch, done] = arguments;
    const values = Object.fromEntries(names.map((name) => [name, []]));
    const socket = new WebSocket(location.origin.replace("http", "ws") + "/monitor");
    socket.onopen = () => socket.send(JSON.stringify({ action: "connect", pvs: names, batch }));
    socket.onclose = () => done({ values, extensions: socket.extensions });
    socket.onmessage = (event) => {
      for (const message of [JSON.parse(event.data)].flat())
        if (message.msg_type === "monitor") values[message.pvname].push(message.value);
      if (names.every((name) => values[name].length > rounds)) socket.close();
    };
"""


class BrowserCompressionTests(WebTestCase):
    """A page of PVs that all change at once."""

    RECORDS: ClassVar[str] = "".join(
        f'record(calc, "$(P){number}") {{ field(SCAN, ".1 second") field(CALC, "VAL+1") }}\n'
        for number in range(PVS)
    )

    @in_thread
    def test_browser(self) -> None:
        """Chromium reads every update, in arrays or not, and the console shows them."""
        self.serve("--compression")
        browser = self.open(*map(str, range(PVS)))
        first = browser.until_row(self.pv("0"), lambda row: row.value != "")
        names = [self.pv(str(number)) for number in range(PVS)]
        for batch in (False, True):
            got: Any = browser.driver.execute_async_script(WATCH, names, ROUNDS, batch)
            self.assertIn("permessage-deflate", got["extensions"])
            self.assertEqual(set(got["values"]), set(names))
            for values in got["values"].values():
                self.assertEqual(values, [values[0] + step for step in range(len(values))])
        browser.until_row(self.pv("0"), lambda row: row.value != first.value)
