"""Many PVs in a real browser."""

from __future__ import annotations

from typing import ClassVar

from tests.support.console_case import WebTestCase, in_thread

PVS = 500
SECONDS = 2.0


class LoadTests(WebTestCase):
    """500 PVs at 10 Hz."""

    RECORDS: ClassVar[str] = "".join(
        f'record(calc, "$(P){number}") {{ field(SCAN, ".1 second") field(CALC, "VAL+1") }}\n'
        for number in range(PVS)
    )

    @in_thread
    def test_many(self) -> None:
        """The page handles all updates and keeps drawing; invisible rows are not painted."""
        browser = self.open(*(str(number) for number in range(PVS)))
        # DevTools copies each frame of a WebSocket while its network part is on.
        browser.command("Network.disable")
        self.addCleanup(self.look_again)
        first = browser.until_row(self.pv("0"), lambda row: row.value != "")
        browser.until(lambda: updates_per_second(browser.text("#traffic")) > PVS, "the traffic")
        frames = browser.driver.execute_async_script(
            """
            const [seconds, done] = arguments;
            const start = performance.now();
            let frames = 0;
            requestAnimationFrame(function next(now) {
              frames += 1;
              if (now - start < 1000 * seconds) requestAnimationFrame(next);
              else done((1000 * frames) / (now - start));
            });
            """,
            SECONDS,
        )
        traffic = browser.text("#traffic")
        print(f"{PVS} PVs at 10 Hz: {frames:.0f} frames/s, {traffic}")
        # A machine that does other things too draws less; one that is stuck draws nothing.
        self.assertGreater(frames, 2)
        browser.until_row(self.pv("0"), lambda row: row.value != first.value)
        blank = browser.run(
            "return [...document.querySelectorAll('.value')].filter((e) => !e.textContent).length"
        )
        self.assertGreater(blank, PVS / 2)
        browser.run("window.scrollTo(0, document.body.scrollHeight)")
        browser.until_row(self.pv(str(PVS - 1)), lambda row: row.value != "")

    def look_again(self) -> None:
        """Record requests again."""
        self.browser.command("Network.enable")


def updates_per_second(text: str) -> float:
    """Return the line at the bottom."""
    return float(text.removesuffix(" updates/s").replace(",", "") or 0)
