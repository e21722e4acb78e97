"""Pictures of the console for the README: `python -m bench.screenshots` writes docs/img/*.png.

They show the demo's records after they have run for a while, so that the charts have a shape.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import processes
from bench.processes import ROOT
from harness.browser import missing
from harness.console import ConsoleBrowser

FOLDER = ROOT / "docs" / "img"
NAMES = (
    "demo:sine",
    "pva://demo:image",
    "demo:alarm",
    "demo:ramp",
    "demo:setpoint",
    "demo:mode",
    "demo:switch",
    "demo:waveform",
    "demo:counter",
    "demo:text",
    "demo:message",
    "demo:nan",
    "demo:unitless",
)
PUT_NAMES = ("demo:sine", "demo:alarm", "demo:ramp", "demo:setpoint")
LEAST_SECONDS = 5.0


def main() -> int:
    """Run; return 1 if there is no browser."""
    parser = argparse.ArgumentParser("python -m bench.screenshots", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="to watch before, each")
    parser.add_argument("--only", metavar="A,B", help=f"of {', '.join(PICTURES)}")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    if problem := missing():
        print(problem, file=sys.stderr)
        return 1
    chosen = arguments.only.split(",") if arguments.only else list(PICTURES)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, processes.demo(Path(folder)) as port:
        browser = ConsoleBrowser(1280, 800)
        try:
            for name in chosen:
                PICTURES[name](browser, f"http://127.0.0.1:{port}/", arguments.seconds)
                path = arguments.folder / f"{name}.png"
                browser.driver.save_screenshot(str(path))
                print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
                browser.leave()
        finally:
            browser.quit()
    return 0


def _light(browser: ConsoleBrowser, url: str, seconds: float) -> None:
    browser.size(1280, 960)
    browser.prefer("light")
    _watch(browser, url, seconds, "pva://demo:image")


def _dark(browser: ConsoleBrowser, url: str, seconds: float) -> None:
    browser.size(1280, 960)
    browser.prefer("dark")
    _watch(browser, url, seconds, "demo:waveform")


def _put(browser: ConsoleBrowser, url: str, seconds: float) -> None:
    browser.size(1280, 700)
    browser.prefer("light")
    _watch(browser, url, min(seconds, 20), "demo:setpoint", PUT_NAMES)
    for value in ("42", "85", "30", "64.5"):
        time.sleep(min(seconds, 5))
        field = browser.find(".put input")
        field.send_keys(f"{value}\n")
    browser.until(lambda: browser.text(".put .outcome").startswith("✓"), "the put")
    time.sleep(LEAST_SECONDS)


def _phone(browser: ConsoleBrowser, url: str, seconds: float) -> None:
    browser.prefer("light")
    browser.phone()
    _watch(browser, url, seconds, None)


def _alarms(browser: ConsoleBrowser, url: str, seconds: float) -> None:
    browser.size(1280, 860)
    browser.prefer("dark")
    browser.open(f"{url}?pv={','.join(NAMES[:8])},demo:nan,demo:spare&show=alarms&worst=1")
    browser.until_row("demo:spare", lambda row: row.state == "NOT FOUND")
    browser.press("a")
    browser.click('[aria-label="Acknowledge demo:nan"]')
    browser.click("#alarms summary")
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    time.sleep(max(min(seconds, 20), LEAST_SECONDS))


def _wall(browser: ConsoleBrowser, url: str, seconds: float) -> None:
    browser.size(1280, 800)
    browser.prefer("light")
    groups = (
        f"pv={','.join(NAMES[:4])}&heading=Sequence&pv={','.join(NAMES[4:6])}"
        f"&heading=Diagnostics&pv={','.join(NAMES[6:8])},demo:unitless,demo:nan"
    )
    browser.open(f"{url}?{groups}&name=Test stand&wall=1")
    browser.until_row(NAMES[0], lambda row: row.value != "")
    time.sleep(max(seconds, LEAST_SECONDS))


def _welcome(browser: ConsoleBrowser, url: str, _seconds: float) -> None:
    browser.size(1280, 760)
    browser.prefer("light")
    browser.open(url)
    browser.find(".offers")


def _watch(
    browser: ConsoleBrowser,
    url: str,
    seconds: float,
    unfold: str | None,
    names: tuple[str, ...] = NAMES,
) -> None:
    browser.open(f"{url}?pv={','.join(names)}")
    browser.until_row(names[0], lambda row: row.value != "")
    if unfold:
        browser.unfold(unfold)
        browser.over(browser.find("h1"))
        browser.run("window.scrollTo(0, 0)")
    time.sleep(max(seconds, LEAST_SECONDS))


PICTURES: dict[str, Callable[[ConsoleBrowser, str, float], None]] = {
    "console-light": _light,
    "console-dark": _dark,
    "console-put": _put,
    "console-phone": _phone,
    "console-alarms": _alarms,
    "console-wall": _wall,
    "console-welcome": _welcome,
}

if __name__ == "__main__":
    sys.exit(main())
