"""The console in a real browser: what it shows of a real IOC."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar
from urllib.parse import unquote

from harness.console import Row
from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)level") {
  field(VAL, "1.25") field(PINI, "YES") field(EGU, "mm") field(PREC, "2")
  field(HIGH, "5") field(HSV, "MINOR") field(HIHI, "8") field(HHSV, "MAJOR")
  field(HOPR, "10") field(LOPR, "0")
}
record(mbbo, "$(P)mode") {
  field(VAL, "1") field(PINI, "YES")
  field(ZRST, "Idle") field(ONST, "Running") field(TWST, "Fault") field(TWSV, "INVALID")
}
record(stringout, "$(P)text") { field(VAL, "Grüezi") field(PINI, "YES") }
record(waveform, "$(P)wave") { field(FTVL, "DOUBLE") field(NELM, "4") field(INP, [1, 5, 2.5]) }
record(waveform, "$(P)message") {
  field(FTVL, "CHAR") field(NELM, "100") field(INP, {const:"A text of many characters"})
}
"""


class ConsoleTests(WebTestCase):
    """The table of the console."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"level": 1.25, "mode": 1}

    @in_thread
    def test_add(self) -> None:
        """Names separated by spaces, commas and new lines become rows with values."""
        browser = self.open()
        self.assertEqual(browser.rows(), [])
        names = [self.pv(name) for name in ("level", "mode", "text", "wave")]
        field = browser.find("#add textarea")
        field.send_keys("{} {},{}\n".format(*names))
        field.send_keys(names[3])
        browser.click("#add button")
        self.assertEqual(browser.rows(), names)
        level, mode, text, wave = (browser.until_row(name, has_value) for name in names)
        self.assertEqual((level.value, level.units, level.state), ("1.25", "mm", "OK"))
        self.assertEqual((mode.value, text.value), ("Running", "Grüezi"))
        self.assertEqual(wave.value, "[3]  1 … 5")

    @in_thread
    def test_link(self) -> None:
        """A link with names opens them in order, and the address is updated with the list."""
        browser = self.open("text", "level")
        self.assertEqual(browser.rows(), [self.pv("text"), self.pv("level")])
        browser.find("#add textarea").send_keys(self.pv("mode") + "\n")
        browser.click(f'[aria-label="Remove {self.pv("text")}"]')
        kept = [self.pv("level"), self.pv("mode")]
        self.assertEqual(browser.rows(), kept)
        address = browser.driver.current_url
        self.assertEqual(unquote(address), f"{self.origin}/?pv={','.join(kept)}")
        browser.open("about:blank")
        browser.open(address)
        self.assertEqual(browser.rows(), kept)
        browser.until_row(kept[1], has_value)

    @in_thread
    def test_own_pvs(self) -> None:
        """Formulas and PVs of the gateway itself are typed unchanged, and stay in the address."""
        browser = self.open()
        formula = f"=max(`{self.pv('level')}`, 1) * 2"
        table = f'loc://{self.pv("t")}<VTable>("x", "y")'
        for name in (formula, table):
            browser.find("#add textarea").send_keys(f"{name}\n")
        self.assertEqual(browser.rows(), [formula, table])
        for _ in range(2):
            self.assertEqual(browser.until_row(formula, has_value).value, "2.5")
            self.assertEqual(
                browser.until_row(table, has_value).value,
                "0 rows \N{MULTIPLICATION SIGN} 2 columns",
            )
            address = browser.driver.current_url
            browser.open("about:blank")
            browser.open(address)
        self.assertEqual(browser.rows(), [formula, table])

    @in_thread
    def test_value_changes(self) -> None:
        """A change of a value by the IOC is shown, with its time."""
        browser = self.open("level")
        before = browser.until_row(self.pv("level"), has_value)
        self.set_record("level", 3.5)
        after = browser.until_row(self.pv("level"), lambda row: row.value == "3.50")
        self.assertNotEqual(after.time, before.time)
        self.set_record("level", -0.125)
        browser.until_row(self.pv("level"), lambda row: row.value in {"-0.13", "-0.12"})

    @in_thread
    def test_alarms(self) -> None:
        """Each severity has its own colour, shape and text, and the status."""
        browser = self.open("level", "mode")
        seen = [browser.until_row(self.pv("level"), has_value)]
        for value, state in ((6, "MINOR HIGH"), (9, "MAJOR HIHI")):
            self.set_record("level", value)
            seen.append(browser.until_row(self.pv("level"), in_state(state)))
        self.set_record("mode", 2)
        seen.append(browser.until_row(self.pv("mode"), in_state("INVALID STATE")))
        self.assertEqual(
            [row.severity for row in seen], ["is-ok", "is-minor", "is-major", "is-invalid"]
        )
        self.assertEqual(len({row.colour for row in seen}), 4)
        self.assertEqual(len({row.shape for row in seen}), 4)
        browser.until(lambda: "1 major" in browser.text("#counts"), "the count of alarms")

    @in_thread
    def test_details(self) -> None:
        """A click unfolds limits, access, host and a plot; another one folds them."""
        browser = self.open("level")
        name = self.pv("level")
        browser.until_row(name, has_value)
        toggle = browser.find("#rows .name")
        browser.click(toggle)
        row = browser.until_row(name, lambda row: "Host" in row.facts)
        self.assertEqual(row.facts["Display limits"], "0 … 10")
        self.assertEqual(row.facts["Access"], "read, no write")
        self.assertTrue(row.facts["Host"].endswith(f":{self.ports.server}"), row.facts)
        self.assertTrue(browser.drawn(".details canvas"))
        browser.click(toggle)
        self.assertFalse(browser.until_row(name, lambda row: not row.open).facts)

    @in_thread
    def test_strip_chart(self) -> None:
        """The strip chart shows the updates, the wheel zooms it, and hovering shows a value."""
        browser = self.open("level")
        browser.until_row(self.pv("level"), has_value)
        browser.click("#rows .name")
        canvas = browser.find(".details canvas")
        for value in (2, 4, 3):
            self.set_record("level", value)
        browser.until_row(self.pv("level"), lambda row: row.value == "3.00")
        live = browser.find("figcaption button:last-child")
        self.assertFalse(live.is_enabled())
        browser.over(canvas)
        browser.until(lambda: browser.drawn(".details canvas"), "the trace")
        browser.wheel(canvas, -600)
        browser.until(live.is_enabled, "the zoom")
        browser.click(live)
        browser.until(lambda: not live.is_enabled(), "the whole strip")

    @in_thread
    def test_long_text(self) -> None:
        """A char array is shown as text, also when unfolded."""
        browser = self.open("message")
        text = "A text of many characters"
        browser.until_row(self.pv("message"), lambda row: row.value == text)
        browser.click("#rows .name")
        self.assertEqual(browser.text(".details pre"), text)

    @in_thread
    def test_not_found(self) -> None:
        """An unknown name is shown as searching, then as not found, with a shape."""
        browser = self.open("nobody", options=("--connect-timeout=0.5",))
        searching = browser.until_row(self.pv("nobody"), bool)
        self.assertIn(searching.state, {"SEARCHING", "NOT FOUND"})
        row = browser.until_row(self.pv("nobody"), in_state("NOT FOUND"))
        self.assertEqual((row.value, row.severity), ("", "is-disconnected"))

    @in_thread
    def test_pause(self) -> None:
        """A paused page does not change and says so; when resumed, it shows current values."""
        browser = self.open("level")
        name = self.pv("level")
        browser.until_row(name, has_value)
        pause = browser.find("#pause")
        browser.click(pause)
        self.assertIn("Paused", browser.text("#banner"))

        def arrived() -> bool:
            self.set_record("level", 4)
            self.set_record("level", 4.5)
            return not browser.text("#traffic").startswith("0.0")

        browser.until(lambda: browser.text("#traffic").startswith("0.0"), "no traffic")
        browser.until(arrived, "an update")
        self.assertEqual(browser.until_row(name, bool).value, "1.25")
        browser.click(pause)
        browser.until_row(name, lambda row: row.value == "4.50")
        self.assertFalse(browser.find("#banner").is_displayed())

    @in_thread
    def test_rate(self) -> None:
        """The rate is in the address; with a low one, the newest value is still shown."""
        browser = self.open("level")
        name = self.pv("level")
        browser.until_row(name, has_value)
        browser.choose("#rate", "1/s")
        self.assertIn("rate=1", browser.driver.current_url)
        for value in range(20):
            self.set_record("level", value / 10)
        browser.until_row(name, lambda row: row.value == "1.90")

    @in_thread
    def test_move_by_drag(self) -> None:
        """A row can be dragged by its handle to another place, and the address is updated."""
        browser = self.open("level", "mode", "text")
        browser.until_row(self.pv("text"), has_value)
        browser.drag(f'[aria-label="Move {self.pv("text")}"]', 0, -90)
        moved = [self.pv(name) for name in ("text", "level", "mode")]
        self.assertEqual(browser.rows(), moved)
        self.assertIn(f"pv={','.join(moved)}", browser.driver.current_url)

    @in_thread
    def test_theme(self) -> None:
        """The theme follows the system unless one was selected, which the browser stores."""
        browser = self.open()
        background = "return getComputedStyle(document.body).backgroundColor"
        browser.prefer("light")
        light = browser.run(background)
        browser.prefer("dark")
        dark = browser.run(background)
        self.assertNotEqual(light, dark)
        browser.click("#theme")
        self.assertEqual(browser.run(background), light)
        browser.open(self.origin)
        self.assertEqual(browser.run(background), light)


class DemoConsoleTests(WebTestCase):
    """The console of a gateway with --demo."""

    @in_thread
    def test_offer(self) -> None:
        """The empty page lists the demo's records, and shows those that are selected."""
        browser = self.open(options=("--demo",))
        browser.click(".offers button")
        row = browser.until_row("demo:sine", has_value)
        self.assertTrue(row.severity.startswith("is-"))
        browser.click("#clear")
        self.assertEqual(browser.rows(), [])
        browser.click(".offer button")
        self.assertGreater(len(browser.rows()), 10)
        browser.until_row("demo:mode", has_value)


def has_value(row: Row) -> bool:
    """Return whether a row has its first value."""
    return row.value != ""


def in_state(state: str) -> Callable[[Row], bool]:
    """Return whether a row shows a state."""
    return lambda row: row.state == state
