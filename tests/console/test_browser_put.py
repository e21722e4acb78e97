"""Writing from the console in a real browser."""

from __future__ import annotations

from typing import ClassVar

from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)setpoint") {
  field(VAL, "5") field(PINI, "YES") field(EGU, "mm") field(PREC, "1")
  field(DRVH, "10") field(DRVL, "0")
}
record(mbbo, "$(P)mode") { field(PINI, "YES") field(ZRST, "Idle") field(ONST, "Running") }
record(ao, "$(P)fixed") { field(VAL, "1") field(PINI, "YES") field(ASG, "FIXED") }
record(stringout, "$(P)text") { field(VAL, "before") field(PINI, "YES") }
"""
PUTS = ("--allow-put=anyone",)


class PutTests(WebTestCase):
    """The field for writing."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {
        "setpoint.DISP": 0,
        "setpoint": 5,
        "mode": 0,
        "text": "before",
    }
    ACCESS: ClassVar[str] = """
    ASG(DEFAULT) { RULE(1, WRITE) }
    ASG(FIXED) { RULE(1, READ) }
    """

    def unfold(self, record: str, *options: str) -> str:
        """Open the console with one record and its details; return the PV's name."""
        name = self.pv(record)
        browser = self.open(record, options=options)
        browser.until_row(name, lambda row: row.value != "")
        browser.click("#rows .name")
        browser.until_row(name, lambda row: "Access" in row.facts)
        return name

    @in_thread
    def test_put(self) -> None:
        """A written number is sent to the IOC and shown, with the outcome."""
        name = self.unfold("setpoint", *PUTS)
        self.browser.find(".put input").send_keys("7.25\n")
        row = self.browser.until_row(name, lambda row: row.outcome.startswith("✓"))
        # PREC rounds what the row shows; the outcome must not look as if the IOC had done so.
        row = self.browser.until_row(name, lambda row: "now has" in row.outcome)
        self.assertRegex(row.outcome, r"Wrote 7\.25 in .* s; the PV now has 7\.25$")
        self.browser.until_row(name, lambda row: row.facts["Raw value"] == "7.25")
        self.assertIn("7.25", self.query_ioc(f'dbgf("{name}")'))

    @in_thread
    def test_choice(self) -> None:
        """An enum is written by selecting its label."""
        name = self.unfold("mode", *PUTS)
        self.browser.click(".put .choices button:nth-child(2)")
        row = self.browser.until_row(name, lambda row: row.value == "Running")
        self.assertTrue(row.form)
        pressed = '.put .choices button[aria-pressed="true"]'
        self.browser.until(lambda: self.browser.text(pressed) == "Running", "its button")

    @in_thread
    def test_text(self) -> None:
        """A text is written unchanged, including spaces and umlauts."""
        name = self.unfold("text", *PUTS)
        self.browser.find(".put input").send_keys("Grüße, Welt\n")
        self.browser.until_row(name, lambda row: row.value == "Grüße, Welt")
        self.browser.until_row(name, lambda row: "now has “Grüße, Welt”" in row.outcome)
        self.browser.find(".put input").send_keys("\n")
        self.browser.until_row(name, lambda row: "now has “”" in row.outcome)

    @in_thread
    def test_no_number(self) -> None:
        """Text for a number is not sent, and the reason is shown."""
        name = self.unfold("setpoint", *PUTS)
        self.browser.find(".put input").send_keys("five\n")
        row = self.browser.until_row(name, lambda row: row.outcome != "")
        self.assertEqual(row.outcome, "“five” is not a number.")

    @in_thread
    def test_outside_limits(self) -> None:
        """A value outside the control limits has to be confirmed; Escape cancels."""
        name = self.unfold("setpoint", *PUTS)
        field = self.browser.find(".put input")
        field.send_keys("11\n")
        question = self.browser.text("dialog.confirm")
        self.assertIn("11 mm is above the control limit of 10 mm.", question)
        self.browser.press("ESCAPE")
        self.browser.until_row(name, lambda row: row.outcome == "Not written.")
        self.assertRegex(self.query_ioc(f'dbgf("{name}")'), r": +5$")
        field.send_keys("\n")
        self.browser.click("dialog.confirm .danger")
        self.browser.until_row(name, lambda row: row.outcome.startswith("✓"))
        # The record limits the value.
        self.browser.until_row(name, lambda row: row.value == "10.0")
        row = self.browser.until_row(name, lambda row: "now has" in row.outcome)
        self.assertRegex(row.outcome, r"Wrote 11 in .* s; the PV now has 10\.0$")

    @in_thread
    def test_refused_by_ioc(self) -> None:
        """There is no field if the IOC forbids writing, even if the gateway allows it."""
        name = self.unfold("fixed", *PUTS)
        row = self.browser.until_row(name, lambda row: bool(row.facts))
        self.assertEqual((row.form, row.facts["Access"]), (False, "read, no write"))

    @in_thread
    def test_refused_meanwhile(self) -> None:
        """A put that is refused although there is a field shows the reason."""
        name = self.unfold("setpoint", *PUTS)
        field = self.browser.find(".put input")
        field.send_keys("6")
        # With DISP, a record refuses all puts from outside, without notifying clients.
        self.set_record("setpoint.DISP", 1)
        field.send_keys("\n")
        row = self.browser.until_row(name, lambda row: row.outcome.startswith("✕"))
        self.assertIn("Not written", row.outcome)
        self.assertEqual(row.value, "5.0")

    @in_thread
    def test_puts_off(self) -> None:
        """With a gateway without puts there is no field."""
        name = self.unfold("setpoint")
        row = self.browser.until_row(name, lambda row: "Host" in row.facts)
        self.assertEqual((row.form, row.facts["Access"]), (False, "read, no write"))
