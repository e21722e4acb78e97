"""Pictures of the console for the README: `python -m bench.screenshots` writes docs/img/*.png.

The gateway keeps a history of the demo's records, so that the charts are not empty.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image

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
CHARTED = ("demo:sine", "demo:ramp", "demo:alarm", "demo:setpoint", "demo:unitless")
HISTORY_S = 600
SETTLE_S = 4.0


def main() -> int:
    """Run; return 1 if there is no browser."""
    parser = argparse.ArgumentParser("python -m bench.screenshots", description=__doc__)
    parser.add_argument("--seconds", type=float, default=150, help="to wait before, once")
    parser.add_argument("--only", metavar="A,B", help=f"of {', '.join(PICTURES)}")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    if problem := missing():
        print(problem, file=sys.stderr)
        return 1
    chosen = arguments.only.split(",") if arguments.only else list(PICTURES)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as name,
        processes.demo(Path(name), "--history", str(HISTORY_S)) as port,
        _watching(port, Path(name)),
    ):
        time.sleep(arguments.seconds)
        browser = ConsoleBrowser(1280, 800)
        try:
            for picture in chosen:
                PICTURES[picture](browser, f"http://127.0.0.1:{port}/")
                path = arguments.folder / f"{picture}.png"
                _save(browser, path)
                print(f"{path}: {path.stat().st_size / 1000:.0f} kB", flush=True)
                browser.leave()
        finally:
            browser.quit()
    return 0


def _save(browser: ConsoleBrowser, path: Path) -> None:
    """Save a screenshot with 256 colours, which takes a third of the bytes."""
    shown = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert("RGB")
    shown.quantize(256, Image.Quantize.MEDIANCUT).save(path, optimize=True)


@contextlib.contextmanager
def _watching(port: int, folder: Path) -> Iterator[None]:
    """Subscribe to the PVs, so that the gateway keeps their history."""
    client = [sys.executable, "-m", "pycawamp.client", f"127.0.0.1:{port}"]
    # Not the images, which have no history.
    numbers = [name for name in NAMES if not name.startswith("pva://")]
    with processes.child([*client, "monitor", *numbers], log=folder / "client.log", talks=False):
        yield


def _light(browser: ConsoleBrowser, url: str) -> None:
    browser.size(1280, 960)
    browser.prefer("light")
    _watch(browser, url, "demo:sine")


def _dark(browser: ConsoleBrowser, url: str) -> None:
    browser.size(1280, 960)
    browser.prefer("dark")
    _watch(browser, url, "demo:waveform")


def _image(browser: ConsoleBrowser, url: str) -> None:
    browser.size(1280, 620)
    browser.prefer("light")
    _watch(browser, url, "pva://demo:image", NAMES[:4])
    browser.choose("figcaption select", "Viridis")
    browser.drag("canvas.pixels", 120, 80)
    browser.until(lambda: "region" in browser.text(".figure .note"), "the region")
    time.sleep(SETTLE_S)


def _charts(browser: ConsoleBrowser, url: str) -> None:
    browser.size(1280, 900)
    browser.prefer("light")
    shown = ",".join(CHARTED)
    browser.open(f"{url}?pv={shown}&chart={shown}")
    browser.until_row(NAMES[0], lambda row: row.value != "")
    browser.click('.multi [data-seconds="60"]')
    browser.click('[title^="Emphasize demo:sine"]')
    browser.over(browser.find("h1"))
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    time.sleep(SETTLE_S)


def _put(browser: ConsoleBrowser, url: str) -> None:
    browser.size(1280, 780)
    browser.prefer("light")
    _watch(browser, url, "demo:setpoint", PUT_NAMES)
    browser.click('.details [data-seconds="60"]')
    for value in ("42", "85", "30", "64.5"):
        time.sleep(SETTLE_S)
        field = browser.find(".put input")
        field.send_keys(f"{value}\n")
    browser.until(lambda: browser.text(".put .outcome").startswith("✓"), "the put")
    browser.run("window.scrollTo(0, 0)")
    time.sleep(SETTLE_S)


def _phone(browser: ConsoleBrowser, url: str) -> None:
    browser.prefer("light")
    browser.phone()
    _watch(browser, url, None)


def _alarms(browser: ConsoleBrowser, url: str) -> None:
    browser.size(1280, 860)
    browser.prefer("dark")
    browser.open(f"{url}?pv={','.join(NAMES[:8])},demo:nan,demo:spare&show=alarms&worst=1")
    browser.until_row("demo:spare", lambda row: row.state == "NOT FOUND")
    browser.press("a")
    browser.click('[aria-label="Acknowledge demo:nan"]')
    browser.click("#alarms summary")
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    # For a log of changes.
    time.sleep(5 * SETTLE_S)


def _wall(browser: ConsoleBrowser, url: str) -> None:
    browser.size(1280, 800)
    browser.prefer("light")
    groups = (
        f"pv={','.join(NAMES[:4])}&heading=Sequence&pv={','.join(NAMES[4:6])}"
        f"&heading=Diagnostics&pv={','.join(NAMES[6:8])},demo:unitless,demo:nan"
    )
    browser.open(f"{url}?{groups}&name=Test stand&wall=1")
    browser.until_row(NAMES[0], lambda row: row.value != "")
    time.sleep(SETTLE_S)


def _welcome(browser: ConsoleBrowser, url: str) -> None:
    browser.size(1280, 760)
    browser.prefer("light")
    browser.open(url)
    browser.find(".offers")


def _watch(
    browser: ConsoleBrowser,
    url: str,
    unfold: str | None,
    names: tuple[str, ...] = NAMES,
) -> None:
    browser.open(f"{url}?pv={','.join(names)}")
    browser.until_row(names[0], lambda row: row.value != "")
    if unfold:
        browser.unfold(unfold)
        browser.over(browser.find("h1"))
        browser.run("window.scrollTo(0, 0)")
    time.sleep(SETTLE_S)


PICTURES: dict[str, Callable[[ConsoleBrowser, str], None]] = {
    "console-light": _light,
    "console-dark": _dark,
    "console-image": _image,
    "console-charts": _charts,
    "console-put": _put,
    "console-phone": _phone,
    "console-alarms": _alarms,
    "console-wall": _wall,
    "console-welcome": _welcome,
}

if __name__ == "__main__":
    sys.exit(main())
