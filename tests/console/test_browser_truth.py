"""The console's times, states and outcomes in a real browser are correct."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

from harness.console import Row
from pycawamp.demo import softioc
from tests.support import stamping_ioc
from tests.support.console_case import WebTestCase, in_thread

EPICS_EPOCH = 631152000
RECORDS = """
record(ao, "$(P)stamped") { field(TSE, "-2") field(VAL, "1") field(MDEL, "-1") field(EGU, "A") }
record(calc, "$(P)ticks") { field(INPA, "$(P)ticks") field(CALC, "A+1") field(SCAN, ".1 second") }
"""
_SAVE = """
window.saved = [];
const make = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  blob.text().then((text) => saved.push(text));
  return make(blob);
};
"""
_CLOCK = "{ const now = Date.now; Date.now = () => now() - 300000; }"

WHOLE_TIME = """
const { clientWidth, scrollWidth, offsetHeight } = document.querySelector("#rows .c-time");
const page = document.documentElement;
return [scrollWidth <= clientWidth && offsetHeight > 0, page.scrollWidth <= page.clientWidth];
"""
"""Whether the time of the first row is seen as a whole, and the page is not too wide."""


class StampTests(WebTestCase):
    """Charts of late values, from IOCs with other clocks, on computers with other clocks."""

    RECORDS: ClassVar[str] = RECORDS

    def setUp(self) -> object:  # type: ignore[override]
        """Start an IOC that sets time stamps."""
        self.patch(softioc, "__file__", stamping_ioc.__file__)
        return super().setUp()

    def update(self, value: float, stamp: float) -> None:
        """Post a value of the record with a time."""
        self.query_ioc(f"stamp {self.pv('stamped')} {int(stamp) - EPICS_EPOCH} 0")
        self.set_record("stamped", value)

    def samples(self) -> dict[float, float]:
        """Return the values of the chart by times, as it saves them."""
        self.browser.run(_SAVE)
        self.browser.click('figcaption button[title*="CSV"]')
        text = self.browser.until(lambda: self.browser.run("return saved[0]"), "the file")
        rows = [line.split(",") for line in text.split("\r\n")[1:-1]]
        return {
            datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ")
            .replace(tzinfo=timezone.utc)
            .timestamp(): float(value)
            for stamp, value in rows
        }

    @in_thread
    def test_late(self) -> None:
        """Late values are drawn at their time, and the chart says that they are late."""
        now = int(time.time())
        self.update(1, now - 200)
        browser = self.open("stamped")
        name = self.pv("stamped")
        browser.unfold(name)
        browser.until_row(name, lambda row: row.value == "1")
        expected = {now - 200.0: 1.0}
        for value, stamp in [(2, now - 120), (3, now - 100), (4, now - 50)]:
            expected[float(stamp)] = float(value)
            self.update(value, stamp)
            browser.until_row(name, shows(str(value)))
        self.assertEqual(self.samples(), expected)
        browser.until(lambda: "late" in browser.text(".note"), "that it is late")

    @in_thread
    def test_ahead(self) -> None:
        """Values from the future are drawn on arrival, and the chart says why."""
        now = int(time.time())
        self.update(1, now - 10)
        browser = self.open("stamped")
        name = self.pv("stamped")
        browser.unfold(name)
        browser.until_row(name, lambda row: row.value == "1")
        self.update(2, now + 7200)
        browser.until_row(name, lambda row: row.value == "2")
        browser.until(lambda: "ahead: values are drawn when they" in browser.text(".note"), "why")
        self.assertLessEqual(max(self.samples()), time.time() + 2)
        browser.until_row(name, lambda row: "in the future" in row.facts["IOC time"])

    def open_behind(self, *records: str) -> None:
        """Open the console on a computer whose clock is five minutes behind."""
        script = self.browser.command("Page.addScriptToEvaluateOnNewDocument", source=_CLOCK)
        try:
            self.open(*records)
        finally:
            self.browser.command("Page.removeScriptToEvaluateOnNewDocument", **script)

    @in_thread
    def test_wrong_clock(self) -> None:
        """On a computer whose clock is behind, times are those of the gateway, as the page says."""
        now = int(time.time())
        self.update(1, now)
        self.open_behind("stamped")
        browser = self.browser
        name = self.pv("stamped")
        browser.unfold(name)
        browser.until(
            lambda: "clock is 5 min 0 s behind" in browser.text("#clock"), "the clock's note"
        )
        browser.until(lambda: browser.text(".note") == "", "no note")
        self.assertEqual(self.samples(), {float(now): 1.0})

    @in_thread
    def test_wrong_clock_history(self) -> None:
        """What came before the page knew that its clock is behind is drawn when it was, too."""
        name = self.pv("ticks")
        self.serve("--history", "60")
        browser = self.open("ticks")
        first = int(browser.until_row(name, lambda row: row.value).value)
        browser.until_row(name, lambda row: int(row.value or 0) > first + 10)
        self.open_behind("ticks")
        browser.unfold(name)
        browser.until(lambda: "5 min 0 s behind" in browser.text("#clock"), "the clock's note")
        browser.until_row(name, lambda row: int(row.value or 0) > first + 30)
        times = {value: at for at, value in self.samples().items()}
        self.assertLessEqual(min(times), first + 5)
        start = min(times.values())
        for value, at in times.items():
            # The IOC may be late, but not by minutes.
            self.assertLess(abs(at - start - (value - min(times)) / 10), 60, value)


STATES = """
record(ao, "$(P)tiny") { field(VAL, "1.2e-9") field(PINI, "YES") field(PREC, "2") field(EGU, "A") }
record(ao, "$(P)level") { field(VAL, "5") field(PINI, "YES") field(PREC, "1") field(EGU, "mm") }
record(waveform, "$(P)wave") { field(FTVL, "DOUBLE") field(NELM, "4") field(INP, [1, 5, 2.5]) }
"""


class ReadingTests(WebTestCase):
    """Numbers, states and outcomes."""

    RECORDS: ClassVar[str] = STATES
    INITIAL: ClassVar[dict[str, object]] = {"level": 5}

    def unfold(self, *records: str) -> str:
        """Open the console with these PVs, the first one unfolded; return its name."""
        name = self.pv(records[0])
        self.open(*records, options=("--allow-put=anyone", "--connect-timeout=0.5"))
        self.browser.until_row(name, lambda row: row.value != "")
        self.browser.unfold(name)
        self.browser.until_row(name, lambda row: "Access" in row.facts and row.form)
        return name

    @in_thread
    def test_tiny(self) -> None:
        """A number that its precision would hide is shown, and in the selected format."""
        name = self.unfold("tiny")
        self.assertEqual(self.browser.until_row(name, bool).value, "1.2e-9")
        self.browser.choose(".format select", "exponential")
        self.browser.until_row(name, lambda row: row.value == "1.2000e-9")
        # The axis is fixed by two numbers, and a page that waits for the second says so.
        low, high = (f'[aria-label="{which} value shown"]' for which in ("Lowest", "Highest"))
        self.browser.find(low).send_keys("1e-10\n")
        self.browser.until(lambda: "enter two numbers" in self.browser.text(".note"), "what to do")
        self.browser.find(high).send_keys("1e-8\n")
        self.browser.until(lambda: self.browser.text(".note") == "", "no note")

    @in_thread
    def test_one_word(self) -> None:
        """A PV that is not found is shown as such in its row, its details and at the bottom."""
        self.unfold("level", "nobody")
        nobody = self.pv("nobody")
        self.browser.until_row(nobody, lambda row: row.state == "NOT FOUND")
        self.browser.unfold(nobody)
        self.browser.until_row(nobody, lambda row: row.facts["State"].startswith("not found: "))
        self.browser.until(lambda: "1 not found" in self.browser.text("#counts"), "the count")

    @in_thread
    def test_forbidden(self) -> None:
        """A PV that its user may not read is shown as forbidden in all places, with the reason."""
        rules = Path(self.mktemp())
        rules.write_text(".* ALLOW\n.*level DENY\n")
        self.open("level", "wave", options=(f"--pvlist={rules}",))
        level = self.pv("level")
        self.browser.until_row(level, lambda row: row.state == "FORBIDDEN")
        self.browser.unfold(level)
        row = self.browser.until_row(level, lambda row: "State" in row.facts)
        self.assertEqual(row.facts["State"], "forbidden: You may not read this PV.")
        self.assertRegex(row.facts["Reason"], r"access rules do not let you read it .*: DENY")
        self.assertNotIn("Alarm", row.facts)
        self.browser.until(lambda: "1 forbidden" in self.browser.text("#counts"), "the count")

    @in_thread
    def test_steps_and_undo(self) -> None:
        """A step writes the next value, and Undo the previous one; the current value is shown."""
        name = self.unfold("level")
        self.browser.click('.step[aria-label="One step up"]')
        row = self.browser.until_row(name, lambda row: "now has" in row.outcome)
        self.assertRegex(row.outcome, r"^✓ Wrote 5\.1 in .* s; the PV now has 5\.1$")
        self.browser.click(".put .undo")
        row = self.browser.until_row(name, lambda row: "Undone" in row.outcome)
        self.browser.until_row(name, lambda row: row.value == "5.0")
        self.assertFalse(self.browser.find(".put .undo").is_displayed())

    @in_thread
    def test_typing_clears_outcome(self) -> None:
        """A decimal comma is refused with a hint; the error disappears while typing."""
        name = self.unfold("level")
        field = self.browser.find(".put input")
        self.assertEqual(field.get_attribute("placeholder"), "new value")
        field.send_keys("12,5\n")
        self.browser.until_row(name, lambda row: row.outcome.endswith("decimal point: 12.5"))
        field.send_keys("7")
        self.browser.until_row(name, lambda row: row.outcome == "")

    @in_thread
    def test_shorter_array(self) -> None:
        """A write that would change the length of an array has to be confirmed."""
        name = self.unfold("wave")
        self.browser.find(".put input").send_keys("1, 2\n")
        question = self.browser.text("dialog.confirm")
        self.assertIn("has 3 elements now and would have 2", question)
        self.browser.press("ESCAPE")
        self.browser.until_row(name, lambda row: row.outcome == "Not written.")
        self.assertTrue(self.browser.until_row(name, bool).value.startswith("[3]"))

    @in_thread
    def test_removal_undone(self) -> None:
        """A removed row is restored at its place, and so are all cleared rows."""
        browser = self.open("tiny", "level", "wave")
        names = [self.pv(name) for name in ("tiny", "level", "wave")]
        browser.click(f'[aria-label="Remove {names[1]}"]')
        self.assertEqual(browser.rows(), [names[0], names[2]])
        browser.click("#undo button")
        self.assertEqual(browser.rows(), names)
        browser.click("#clear")
        self.assertEqual(browser.rows(), [])
        browser.click("#undo button")
        self.assertEqual(browser.rows(), names)
        browser.until_row(names[1], lambda row: row.value == "5.0")
        self.assertIn(",".join(names), browser.driver.current_url)

    @in_thread
    def test_utc(self) -> None:
        """Times are in UTC or by the local clock, and the page says which; whole, at any width."""
        browser = self.open("level")
        name = self.pv("level")
        browser.command("Emulation.setTimezoneOverride", timezoneId="Asia/Kolkata")
        try:
            browser.open(browser.driver.current_url)
            local = browser.until_row(name, lambda row: row.value != "").time
            self.assertEqual(browser.text("#time-heading"), "IOC time (UTC+5:30)")
            browser.click("#zone")
            self.assertEqual(browser.text("#time-heading"), "IOC time (UTC)")
            browser.until_row(name, lambda row: row.time != local)
            browser.unfold(name)
            browser.until_row(name, lambda row: " UTC (" in row.facts["IOC time"])
            browser.click("#zone")
            for width in (1001, 1000, 781, 780, 641, 640):
                browser.size(width, 900)
                self.assertEqual(browser.run(WHOLE_TIME), [True, True], width)
        finally:
            browser.command("Emulation.setTimezoneOverride", timezoneId="")


def shows(value: str) -> Callable[[Row], bool]:
    """Return whether a row shows a value."""
    return lambda row: row.value == value
