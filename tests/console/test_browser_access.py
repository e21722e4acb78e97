"""Accessibility of the console in a real browser: keys, a phone's width, axe's rules."""

from __future__ import annotations

from typing import ClassVar

from tests.support.axe import violations
from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)level") {
  field(VAL, "1.25") field(PINI, "YES") field(EGU, "mm") field(PREC, "2")
  field(HOPR, "10") field(LOPR, "0") field(DRVH, "10") field(DRVL, "0")
}
record(ao, "$(P)hot") {
  field(VAL, "99") field(PINI, "YES") field(EGU, "°C") field(HIGH, "5") field(HSV, "MINOR")
}
record(ao, "$(P)hotter") { field(VAL, "99") field(PINI, "YES") field(HIHI, "5") field(HHSV, "MAJOR") }
record(ao, "$(P)large") { field(VAL, "1.25e14") field(PINI, "YES") field(PREC, "3") field(EGU, "Hz") }
record(ao, "$(P)broken") { field(VAL, "1") field(PINI, "YES") field(HIGH, "0") field(HSV, "INVALID") }
record(waveform, "$(P)wave") { field(FTVL, "DOUBLE") field(NELM, "3") field(INP, [1, 5, 2.5]) }
record(stringout, "$(P)name-so-long-that-with-its-prefix-it-is-the-limit0") {
  field(VAL, "a text of nearly forty characters 4567") field(PINI, "YES")
}
"""  # noqa: E501
LONG = "name-so-long-that-with-its-prefix-it-is-the-limit0"
EVERY_STATE = ("level", "large", "hot", "hotter", "broken", "wave", LONG, "nobody")
PUTS = ("--allow-put=anyone", "--connect-timeout=0.3")


class AccessibleTestCase(WebTestCase):
    """Tests with a table that shows every state."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"level": 1.25}

    def open_everything(self) -> None:
        """Show rows in every state, three of them unfolded."""
        browser = self.open(*EVERY_STATE, options=PUTS)
        browser.until_row(self.pv("nobody"), lambda row: row.state == "NOT FOUND")
        browser.until_row(self.pv(LONG), lambda row: row.value != "")
        for record in ("level", "wave", LONG):
            browser.unfold(self.pv(record))
        browser.until_row(self.pv("level"), lambda row: row.form)


class AxeTests(AccessibleTestCase):
    """The rules of axe-core."""

    def check(self) -> None:
        """Fail with the violations that axe finds on the page."""
        self.assertEqual(violations(self.browser), [])

    @in_thread
    def test_light(self) -> None:
        """A table with every state violates no rule in light colours."""
        self.browser.prefer("light")
        self.open_everything()
        self.check()

    @in_thread
    def test_dark(self) -> None:
        """It violates no rule in dark colours."""
        self.browser.prefer("dark")
        self.open_everything()
        self.check()

    @in_thread
    def test_phone(self) -> None:
        """It violates no rule at a phone's width."""
        self.browser.phone()
        self.open_everything()
        self.check()

    @in_thread
    def test_empty_and_help(self) -> None:
        """The empty page with the demo's records, and the help, violate no rule."""
        browser = self.open(options=("--demo",))
        browser.find(".offers")
        self.check()
        browser.click("#help-button")
        self.check()


class PhoneTests(AccessibleTestCase):
    """A small window."""

    def assert_fits(self) -> None:
        """No content is wider than the window."""
        width, window = self.browser.run(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        self.assertLessEqual(width, window)

    @in_thread
    def test_width(self) -> None:
        """At a phone's width nothing scrolls sideways: the table, its details and the help."""
        self.browser.phone()
        self.open_everything()
        self.assertEqual(self.browser.run("return window.innerWidth"), 390)
        self.assert_fits()
        # A number is shown with all its digits.
        large = "[title='125000000000000.000']"
        sizes = (
            f"const e = document.querySelector(`{large}`); return [e.scrollWidth, e.clientWidth]"
        )
        self.browser.until(
            lambda: self.browser.run(f"return document.querySelector(`{large}`)"), large
        )
        width, space = self.browser.run(sizes)
        self.assertLessEqual(width, space)
        self.browser.press("?")
        self.assert_fits()
        # It begins at its top, with the button that closes it in sight.
        self.assertEqual(self.browser.run("return document.querySelector('#help').scrollTop"), 0)
        bottom = "return document.activeElement.getBoundingClientRect().bottom - innerHeight"
        self.assertLess(self.browser.run(bottom), 0)

    @in_thread
    def test_empty(self) -> None:
        """At a phone's width, the empty page does not scroll sideways."""
        self.browser.phone()
        browser = self.open(options=("--demo",))
        browser.find(".offers")
        self.assert_fits()


class KeyboardTests(AccessibleTestCase):
    """Keys only."""

    @in_thread
    def test_table(self) -> None:
        """Keys add, walk, unfold, write, move and remove."""
        browser = self.open(options=PUTS)
        level, hot = self.pv("level"), self.pv("hot")
        browser.press("/")
        browser.press(*f"{level} {hot}", "ENTER")
        self.assertEqual(browser.rows(), [level, hot])
        browser.until_row(level, lambda row: row.value != "")
        browser.run("document.querySelector('#rows .name').focus()")
        browser.press("ENTER")
        browser.until_row(level, lambda row: row.form)
        browser.press("w")
        self.assertEqual(browser.focused(), f"New value of {level}")
        browser.press(*"2.5", "ENTER")
        browser.until_row(level, lambda row: row.value == "2.50")
        browser.press("ESCAPE")
        browser.run("document.querySelector('#rows .name').focus()")
        browser.press("ESCAPE")
        browser.until_row(level, lambda row: not row.open)
        browser.press("ARROW_DOWN")
        self.assertEqual(browser.focused(), hot)
        browser.press("ARROW_UP", alt=True)
        self.assertEqual(browser.rows(), [hot, level])
        self.assertEqual(browser.focused(), hot)
        browser.press("DELETE")
        self.assertEqual(browser.rows(), [level])
        self.assertEqual(browser.focused(), level)

    @in_thread
    def test_pause_and_help(self) -> None:
        """Keys pause the page and show the help, but not while typing."""
        browser = self.open()
        browser.press("/", "p")
        self.assertFalse(browser.find("#banner").is_displayed())
        browser.run("document.activeElement.blur()")
        browser.press("p")
        self.assertIn("Paused", browser.text("#banner"))
        browser.press("p", "?")
        self.assertTrue(browser.find("#help").is_displayed())
        browser.press("ESCAPE")
        self.assertFalse(browser.find("#help").is_displayed())

    @in_thread
    def test_focus_is_in_sight(self) -> None:
        """The selected row is not hidden behind the bars at the top and the bottom."""
        browser = self.open(*(f"absent{number}" for number in range(35)))
        browser.run("document.querySelector('#rows .name').focus()")
        covered = """
        const box = document.activeElement.getBoundingClientRect();
        const at = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
        const row = document.activeElement.closest(".row");
        return row.contains(at) ? "" : row.textContent;
        """
        for key in ("ARROW_DOWN", "ARROW_UP"):
            for _ in range(30):
                browser.press(key)
                self.assertEqual(browser.run(covered), "")
