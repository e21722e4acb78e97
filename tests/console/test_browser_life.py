"""Pages in a real browser while IOCs and gateways stop and start."""

from __future__ import annotations

from typing import ClassVar

from tests.support.console_case import WebTestCase, in_thread, ioc_of

RECORDS = """
record(calc, "$(P)count") { field(SCAN, ".1 second") field(CALC, "VAL+1") field(EGU, "n") }
"""


class LifeTests(WebTestCase):
    """Lost IOCs."""

    RECORDS: ClassVar[str] = RECORDS

    @in_thread
    def test_ioc_restarts(self) -> None:
        """A killed IOC's PV is DISCONNECTED and keeps its last value; it reconnects by itself."""
        name = self.pv("count")
        browser = self.open("count")
        browser.until_row(name, lambda row: row.state == "OK" and row.value != "")
        ioc_of(type(self)).kill()
        lost = browser.until_row(name, lambda row: row.state == "DISCONNECTED")
        self.assertEqual((lost.severity, lost.shape), ("is-disconnected", "⊘"))
        self.assertTrue(lost.value)
        browser.until(lambda: "1 disconnected" in browser.text("#counts"), "the count")
        ioc_of(type(self)).start()
        back = browser.until_row(name, lambda row: row.state == "OK", seconds=20)
        browser.until_row(name, lambda row: row.value != back.value)


class GatewayLifeTests(WebTestCase):
    """Lost gateways."""

    RECORDS: ClassVar[str] = RECORDS
    # Chromium writes into the console what it could not load.
    expected_errors = r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket connection to"

    @in_thread
    def test_gateway_restarts(self) -> None:
        """The page shows that the gateway is lost and since when, and continues when it is back."""
        name = self.pv("count")
        browser = self.open("count")
        browser.until_row(name, lambda row: row.state == "OK" and row.value != "")
        self.stop_gateway()
        browser.until(lambda: "Gateway unreachable" in browser.text("#banner"), "the banner")
        self.assertRegex(
            browser.text("#banner"), r"Reconnecting (in \d+ s|now)\. Stale since \d\d:\d\d:\d\d "
        )
        stale = browser.until_row(name, lambda row: row.state == "STALE")
        self.assertTrue(stale.value)
        self.assertRegex(browser.driver.title, "^⊘ STALE · ")
        self.serve()
        # "Try now", where it has not tried meanwhile.
        browser.run("document.querySelector('#banner button').click()")
        fresh = browser.until_row(name, lambda row: row.state == "OK", seconds=35)
        browser.until_row(name, lambda row: row.value not in {stale.value, fresh.value})
        browser.until(lambda: not browser.find("#banner").is_displayed(), "no banner")
        self.assertNotIn("STALE", browser.driver.title)
