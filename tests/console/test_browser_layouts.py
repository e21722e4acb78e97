"""Layouts in a real browser: headings, formats, columns, files, wall display; and saving."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

from selenium.webdriver.common.keys import Keys

from harness.console import ConsoleBrowser
from tests.support.axe import violations
from tests.support.console_case import WebTestCase, in_thread

RECORDS = """
record(ao, "$(P)level") {
  field(VAL, "1.25") field(PINI, "YES") field(PREC, "2") field(DESC, "How high <b>it</b> is")
}
record(longout, "$(P)mask") { field(VAL, "255") field(PINI, "YES") }
record(ao, "$(P)third") { field(VAL, "3") field(PINI, "YES") }
"""
ENTRIES = """
return Array.from(document.querySelectorAll("#rows .entry"),
  (entry) => entry.querySelector("input.heading-text")?.value ?? entry.querySelector(".name").textContent);
"""  # noqa: E501
PLACES = """
return Array.from(document.querySelectorAll("#rows .entry:not(.group)"), (entry) => {
  const { left, top } = entry.getBoundingClientRect();
  return [Math.round(left), Math.round(top)];
});
"""


ADD_ELEMENTS = """
const main = document.querySelector("main");
window.updates = 0;
const script = document.createElement("script");
Object.assign(script, { type: "module", src: "static/pycaserver-elements.js" });
document.head.append(script);
const value = document.createElement("pv-value");
value.setAttribute("format", "%.1f");
value.setAttribute("units", "m");
value.setAttribute("pv", arguments[0]);
value.textContent = "offline";
value.addEventListener("pv-update", () => (window.updates += 1));
const chart = document.createElement("pv-chart");
chart.setAttribute("pv", arguments[1]);
chart.setAttribute("seconds", "10");
main.append(value, chart);
// A framework takes elements out and puts them back.
chart.remove();
main.append(chart);
"""
CHART_DRAWN = """
const canvas = document.querySelector("pv-chart").shadowRoot?.querySelector("canvas");
if (!canvas?.width) return false;
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return data.some((part) => part !== 0);
"""


class LayoutTests(WebTestCase):
    """The console with layouts."""

    RECORDS: ClassVar[str] = RECORDS
    INITIAL: ClassVar[dict[str, object]] = {"level": 1.25}

    def names(self) -> tuple[str, ...]:
        """The three PVs."""
        return self.pv("level"), self.pv("mask"), self.pv("third")

    def until_value(self, record: str, value: str) -> None:
        """Wait until a row shows a value."""
        self.browser.until_row(self.pv(record), lambda row: row.value == value)

    def folder(self) -> Path:
        """A new folder."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        return folder

    def until_saved(self, folder: Path, ending: str) -> bytes:
        """Wait until the browser has saved a file; return its content."""

        def content() -> bytes | None:
            files = list(folder.glob(f"*{ending}"))
            return files[0].read_bytes() if files else None

        saved: bytes = self.browser.until(content, f"a file {ending}")
        return saved

    def downloads(self) -> Path:
        """Set the folder that the browser saves files to."""
        folder = self.folder()
        self.browser.command(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder)
        )
        return folder

    @in_thread
    def test_groups(self) -> None:
        """Headings, formats, columns and descriptions are in the address, and are restored."""
        level, mask, third = self.names()
        browser = self.open("level", "mask", "third")
        self.until_value("mask", "255")
        browser.press("l")
        browser.click("#layouts .line button")
        browser.press(*"Pumps & more", "ENTER")
        for _ in range(2):
            browser.press("ARROW_UP", alt=True)
        self.assertEqual(browser.run(ENTRIES), [level, "Pumps & more", mask, third])
        browser.unfold(mask)
        browser.choose(".format select", "hexadecimal")
        self.until_value("mask", "0xFF")
        browser.choose("#layouts label:nth-of-type(1) select", "2")
        browser.click(".tick:nth-of-type(4) input")
        described = "How high <b>it</b> is"
        browser.until(lambda: browser.text(".description") == described, "the description")
        self.assertEqual(violations(browser), [])
        address = browser.driver.current_url
        self.assertIn(f"pv={level}&heading=Pumps & more&pv={mask},{third}", unquote(address))
        browser.open("about:blank")
        browser.open(address)
        self.until_value("mask", "0xFF")
        self.assertEqual(browser.run(ENTRIES), [level, "Pumps & more", mask, third])
        browser.until(lambda: browser.text(".description") == described, "the description")
        (_, high), (left, low), (right, same) = browser.run(PLACES)
        self.assertTrue(left < right and low == same > high, (left, right, low, same, high))
        browser.click('[aria-label="Remove heading Pumps & more"]')
        self.assertEqual(browser.run(ENTRIES), [level, mask, third])
        browser.click("#undo button")
        self.assertEqual(browser.run(ENTRIES), [level, "Pumps & more", mask, third])
        browser.click("#clear")
        browser.click("#undo button")
        self.assertEqual(browser.run(ENTRIES), [level, "Pumps & more", mask, third])
        self.until_value("mask", "0xFF")

    @in_thread
    def test_saved(self) -> None:
        """A layout is kept in the browser, saved as a file, opened again, and deleted."""
        level, mask, third = self.names()
        browser = self.open("mask", rest=f"&format.binary={mask}")
        self.until_value("mask", "0b11111111")
        browser.press("l")
        self.save(browser, "")
        self.assertIn("Give the layout a name", browser.text("#layouts .outcome"))
        self.save(browser, "Masks")
        self.assertIn("Saved Masks", browser.text("#layouts .outcome"))
        folder = self.downloads()
        browser.click("#layouts form button:nth-of-type(2)")
        saved = json.loads(self.until_saved(folder, ".json"))
        self.assertEqual(saved["groups"], [{"pvs": [{"pv": mask, "format": "binary"}]}])
        self.browser.open(f"{self.origin}/?pv={level}")
        browser.press("l")
        browser.click("#layouts .names li button")
        self.assertEqual(browser.rows(), [mask])
        self.assertEqual(browser.text("#layout-name"), "Masks")
        self.until_value("mask", "0b11111111")
        browser.click('[aria-label="Delete layout Masks"]')
        self.assertEqual(
            browser.run("return localStorage.getItem('pycaserver-layout Masks')"), None
        )
        (folder / "bad.json").write_text('{"groups": [{"pvs": [5]}]}')
        field = browser.find("#layouts input[type=file]")
        field.send_keys(str(folder / "bad.json"))
        outcome = "#layouts .outcome.failed"
        browser.until(lambda: "each PV to be a name" in browser.text(outcome), "the reason")
        self.assertEqual(browser.rows(), [mask])
        (folder / "good.json").write_text(json.dumps({"groups": [{"pvs": [third]}]}))
        field.send_keys(str(folder / "good.json"))
        browser.until(lambda: browser.rows() == [third], "the file's PV")
        self.assertEqual(browser.text("#layout-name"), "good")

    def save(self, browser: ConsoleBrowser, name: str) -> None:
        """Type a name and save the layout in the browser."""
        browser.find("#layouts form input").send_keys(f"{name}\n")

    @in_thread
    def test_folder(self) -> None:
        """The gateway's layouts are on the start page, and linked by name until they change."""
        level, mask, third = self.names()
        folder = self.folder()
        view = {"columns": 3, "worst": True}
        text = json.dumps({"groups": [{"heading": "H", "pvs": [third, level]}], "view": view})
        (folder / "Vacuum 1.json").write_text(text)
        (folder / "Broken.json").write_text("{")
        browser = self.open(options=(f"--layouts={folder}",))
        browser.find(".welcome .names")
        browser.click(".welcome .names li:nth-of-type(1) button")
        browser.until(lambda: "Broken: not JSON" in browser.text("#layouts .outcome"), "the reason")
        browser.take_log()
        browser.click("#layouts .names:last-of-type li:nth-of-type(2) button")
        self.until_value("third", "3")
        self.assertEqual(browser.run(ENTRIES), ["H", third, level])
        self.assertTrue(browser.driver.current_url.endswith("/?layout=Vacuum%201"))
        self.assertIn("Vacuum 1", browser.driver.title)
        browser.driver.refresh()
        self.until_value("third", "3")
        self.assertEqual(browser.run(ENTRIES), ["H", third, level])
        browser.find("#add textarea").send_keys(f"{mask}\n")
        self.assertIn(f"heading=H&pv={third},{level},{mask}", browser.driver.current_url)

    @in_thread
    def test_wall(self) -> None:
        """In the wall display there are no controls; Escape shows them again."""
        browser = self.open("level", rest="&wall=1&name=Hall")
        self.until_value("level", "1.25")
        hidden = ("#add", "#rows .handle", "#rows .remove", "#alarms")
        self.assertFalse(any(browser.find(part).is_displayed() for part in hidden))
        size = browser.run("return getComputedStyle(document.querySelector('.value')).fontSize")
        self.assertGreater(float(size.removesuffix("px")), 30)
        self.assertEqual(violations(browser), [])
        browser.phone()
        self.assertEqual(violations(browser), [])
        browser.press("ESCAPE")
        browser.until(browser.find("#add").is_displayed, "the controls")
        self.assertNotIn("wall", browser.driver.current_url)

    @in_thread
    def test_drag(self) -> None:
        """Rows and headings are dragged across each other, also where there are columns."""
        level, mask, third = self.names()
        browser = self.open("level", "mask", rest=f"&heading=H&pv={third}")
        browser.drag(f'[aria-label="Move {third}"]', 0, -40)
        self.assertEqual(browser.run(ENTRIES), [level, mask, third, "H"])
        browser.drag('[aria-label="Move heading H"]', 0, -140)
        self.assertEqual(browser.run(ENTRIES)[0], "H")
        browser.open(f"{self.origin}/?pv={level},{mask},{third}&columns=3")
        browser.drag(f'[aria-label="Move {third}"]', -500, 0)
        self.assertEqual(browser.run(ENTRIES), [level, third, mask])

    @in_thread
    def test_suggestions(self) -> None:
        """Names are suggested while typing, and selected by keys or by a click."""
        level, mask, third = self.names()
        names = Path(self.mktemp()).absolute()
        names.write_text(f"{level} How <i>high</i>\n{mask}\n{third}\n")
        browser = self.open(options=(f"--pv-names={names}",))
        browser.press("/", *self.prefix[:-1].lower())
        offered = "#suggestions:not([hidden]) li"
        browser.find(offered)
        self.assertIn("How <i>high</i>", browser.text("#suggestions"))
        self.assertEqual(violations(browser), [])
        browser.press("ARROW_DOWN", "ARROW_DOWN", "ENTER")
        self.assertEqual(browser.find("#add textarea").get_property("value"), f"{mask} ")
        browser.press(*"*thi")
        browser.click(offered)
        browser.press("ENTER")
        self.assertEqual(browser.rows(), [mask, third])
        browser.press(*"lev")
        browser.find(offered)
        browser.press("ESCAPE")
        self.assertFalse(browser.find("#suggestions").is_displayed())

    @in_thread
    def test_elements(self) -> None:
        """Custom elements show a value, its alarm and a chart, whenever they are added."""
        browser = self.open()
        self.addCleanup(self.set_record, "level", 1.25)
        browser.run(ADD_ELEMENTS, self.pv("level"), self.pv("mask"))
        text = "return document.querySelector('pv-value').shadowRoot?.textContent ?? ''"
        browser.until(lambda: browser.run(text).endswith("1.3 m"), "the value")
        self.assertEqual(browser.find("pv-value").get_attribute("data-state"), "ok")
        browser.until(lambda: browser.run(CHART_DRAWN), "the chart")
        browser.run("document.querySelector('pv-value').pv = arguments[0]", self.pv("nobody"))
        browser.until(
            lambda: browser.find("pv-value").get_attribute("data-state") == "disconnected",
            "another PV",
        )
        self.assertEqual(browser.find("pv-value").text, "offline")
        self.assertEqual(browser.run("return window.updates > 0"), True)
        self.assertEqual(violations(browser), [])

    @in_thread
    def test_saved_pictures_and_values(self) -> None:
        """A chart is saved as an image and as numbers; a value and a link are copied."""
        browser = self.open("level")
        self.until_value("level", "1.25")
        browser.unfold(self.pv("level"))
        browser.until(lambda: browser.drawn(".details canvas"), "the chart")
        folder = self.downloads()
        browser.click('figcaption [title^="Save the picture"]')
        width, height, rows = picture(self.until_saved(folder, ".png"))
        canvas = browser.find(".details canvas")
        size = [canvas.get_property(side) for side in ("width", "height")]
        self.assertEqual([width, height], size)
        self.assertGreater(len(set(rows)), 10, "a picture that is empty")
        browser.click('figcaption [title^="Save the values"]')
        lines = self.until_saved(folder, ".csv").decode().splitlines()
        self.assertEqual(lines[0], f"time,{self.pv('level')}")
        self.assertRegex(lines[1], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z,1\.25$")
        for number, expected in ((1, "1.25"), (2, f"{self.origin}/?pv={self.pv('level')}")):
            browser.click(f".viewing button:nth-of-type({number})")
            browser.until(lambda: "Copied" in browser.text(".viewing .outcome"), "the copy")
            self.assertEqual(self.pasted(browser), expected)

    def pasted(self, browser: ConsoleBrowser) -> str:
        """Return the content of the clipboard."""
        field = browser.find("#add textarea")
        field.clear()
        field.send_keys(Keys.CONTROL, "v")
        text = str(field.get_property("value"))
        field.clear()
        return text


def picture(data: bytes) -> tuple[int, int, list[bytes]]:
    """Return the width and height of a PNG, and its lines of pixels."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    parts: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        kind = data[at + 4 : at + 8]
        parts[kind] = parts.get(kind, b"") + data[at + 8 : at + 8 + size]
        at += 12 + size
    width, height = struct.unpack_from(">II", parts[b"IHDR"])
    pixels = zlib.decompress(parts[b"IDAT"])
    step = len(pixels) // height
    return width, height, [pixels[i * step : (i + 1) * step] for i in range(height)]
