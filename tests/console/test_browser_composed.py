"""Images, tables and structures in a real browser, of real pvAccess servers and an IOC."""

from __future__ import annotations

import io
from typing import ClassVar
from urllib.parse import unquote

from PIL import Image

from tests.support.console_case import in_thread
from tests.support.pva_web_case import PVAWebTestCase

TIMES = "\N{MULTIPLICATION SIGN}"
RECORDS = """
record(waveform, "$(P)data") { field(FTVL, "UCHAR") field(NELM, "12") field(INP, {const:[
    0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 255]}) field(PINI, "YES") }
"""
GREY = "add('grey', nt.NTNDArray(), np.arange(20000, dtype='u2').reshape(100, 200))"
ODD = (
    "add('colour', nt.NTNDArray(), np.full((10, 20, 3), [250, 128, 3], 'u1'))",
    "add('long', nt.NTNDArray(), np.arange(-100, 100).reshape(10, 20))",
    "add('longs', nt.NTScalar('aL'), np.array([1, 2**64 - 1], 'u8'))",
    "add('whole', nt.NTScalar('l'), 1)",
    "add('locked', nt.NTScalar('d'), 1.5, takes=False)",
    "add('table', nt.NTTable([('name', 's'), ('x', 'd')]),"
    " [{'name': '<b>one</b>', 'x': 1.5}, {'name': 'two', 'x': float('nan')}])",
    "add('tree', None, Value(Type([('place', ('S', None, [('x', 'd'), ('name', 's')])),"
    " ('list', ('aS', None, [('a', 'i')])), ('alarm', ('S', None, [('severity', 'i')]))]),"
    " {'place': {'x': 2.5, 'name': 'here'}, 'list': [{'a': 7}, {'a': 8}]}))",
)
IMAGE = """
Value(nt.NTNDArray.buildType(), {{'value': ('ubyteValue', np.frombuffer(
bytes.fromhex('{hex}'), 'u1')), 'codec': {{'name': '{codec}'}},
'dimension': [{{'size': 16}}, {{'size': 8}}]}})
""".replace("\n", "")
COMPRESSED = f"add('{{name}}', None, {IMAGE})"
PIXEL = """
const canvas = document.querySelector("canvas.pixels");
const [x, y] = [arguments[0] * canvas.width, arguments[1] * canvas.height].map(Math.floor);
return Array.from(canvas.getContext("2d").getImageData(x, y, 1, 1).data);
"""
CELLS = """
const text = (selector) => Array.from(document.querySelectorAll(selector), (e) => e.textContent);
return [text(".composed th"), text(".composed td")];
"""
FIELDS = "return document.querySelector('.tree').innerText.split('\\n').filter(Boolean)"


def jpeg() -> bytes:
    """An image of 16 x 8 pixels, all of them the same orange."""
    stream = io.BytesIO()
    Image.new("RGB", (16, 8), (240, 120, 0)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


class ComposedTests(PVAWebTestCase):
    """The console's details of values that are not numbers."""

    RECORDS: ClassVar[str] = RECORDS

    def unfold(self, name: str) -> None:
        """Show only one PV's details."""
        if self.gateway is None:
            self.serve("--allow-put=anyone")
        self.browser.open(f"{self.origin}/?pv={name}")
        self.browser.until_row(name, lambda row: row.state == "OK")
        self.browser.unfold(name)

    def until_pixel(self, expected: tuple[int, int, int], x: float = 0.5, y: float = 0.5) -> None:
        """Wait until the image is drawn, and has approximately this colour there."""

        def is_there() -> bool:
            seen = self.browser.run(PIXEL, x, y)
            return seen[3] == 255 and all(
                abs(a - b) < 8 for a, b in zip(seen, expected, strict=False)
            )

        self.browser.until(is_there, f"{expected} at {x}, {y}")

    def until_output(self, part: str) -> str:
        """Wait until the line below the image contains this; return the line."""
        browser = self.browser
        browser.until(lambda: part in browser.text(".figure .note"), part)
        return browser.text(".figure .note")

    @in_thread
    def test_grey(self) -> None:
        """A gray image is drawn with its own range, and can be read, zoomed and coloured."""
        self.server.run_now(GREY)
        self.unfold("pva://grey")
        browser = self.browser
        browser.until_row("pva://grey", lambda row: row.value == f"200 {TIMES} 100")
        # The picture is as high as the canvas, or as wide: its middle is in the middle.
        self.until_pixel((127, 127, 127))
        browser.until(lambda: browser.drawn("canvas.trend"), "a small picture in the row")
        browser.until(
            lambda: browser.find(".limit").get_attribute("placeholder") == "0", "the lowest"
        )
        self.assertFalse(browser.find("form.put").is_displayed())
        browser.choose("figcaption select", "Viridis")
        self.until_pixel((32, 145, 140))
        browser.choose("figcaption select", "Grey")
        # A fixed range, as wide as a quarter of the numbers.
        for field, number in zip(
            browser.driver.find_elements("css selector", "figcaption .limit"),
            (10_000, 15_000),
            strict=True,
        ):
            field.send_keys(f"{number}\n")
        self.until_pixel((0, 0, 0), y=0.45)
        self.until_pixel((255, 255, 255), y=0.8)
        browser.click("figcaption button")
        self.until_pixel((127, 127, 127))
        self._look_closer()
        self._check_frames()

    def _look_closer(self) -> None:
        browser = self.browser
        browser.over(browser.find("canvas.pixels"))
        self.assertRegex(
            self.until_output(") = "), rf"200 {TIMES} 100 · .* frames/s · \((99|100), \d+\) = "
        )
        browser.drag("canvas.pixels", 40, 20)
        shown_text = self.until_output("region")
        self.assertRegex(
            shown_text, rf"region \d+ {TIMES} \d+ at \((99|100), (49|50)\): mean [\d.]+, "
        )
        self.assertIn("centre", shown_text)
        browser.find("canvas.pixels").send_keys("0")
        browser.until(lambda: "region" not in browser.text(".figure .note"), "no region")
        browser.wheel(browser.find("canvas.pixels"), -2000)
        self.until_pixel((127, 127, 127), x=0.02)

    def _check_frames(self) -> None:
        """Each new image is drawn, also with another size; a fixed range stays."""
        half = "np.where(np.arange(100) < {}, 0, 200).astype('u1') * np.ones((50, 1), 'u1')"
        for column, colour in ((20, 255), (90, 0)):
            self.server.run_now(f"pvs['grey'].post({half.format(column)})")
            self.until_pixel((colour,) * 3)
        self.assertGreater(float(self.until_output("frames/s").split(" · ")[1].split()[0]), 0)
        self.browser.click("figcaption button")
        self.server.run_now("pvs['grey'].post(np.full((50, 100), 100, 'u1'))")
        self.until_pixel((127, 127, 127))

    @in_thread
    def test_odd(self) -> None:
        """Colours, 64-bit integers, tables, structures, and an array with a given width."""
        for line in (*ODD, COMPRESSED.format(name="jpeg", hex=jpeg().hex(), codec="jpeg")):
            self.server.run_now(line)
        self.server.run_now(COMPRESSED.format(name="lz4", hex="00ff", codec="lz4"))
        self.unfold("pva://colour")
        self.until_pixel((255, 129, 0))
        self.unfold("pva://long")
        self.until_pixel((134, 134, 134), x=0.5, y=0.5)
        self.unfold("pva://longs")
        self.browser.until(lambda: self.browser.drawn("canvas.chart"), "a plot")
        self.unfold("pva://jpeg")
        self.until_pixel((240, 120, 0))
        trend = "canvas.trend"
        self.browser.until(lambda: self.browser.drawn(trend), "a small picture in the row")
        self.server.run_now(f"pvs['jpeg'].post({IMAGE.format(hex='00ff', codec='jpeg')})")
        self.until_output("not a valid JPEG")
        self.browser.until(lambda: not self.browser.drawn(trend), "no old picture in the row")
        self.unfold("pva://lz4")
        self.until_output("compressed by lz4")
        self.unfold("pva://table")
        heads, cells = self.browser.run(CELLS)
        self.assertEqual(heads, ["name", "x"])
        self.assertEqual(cells, ["<b>one</b>", "1.5", "two", "NaN"])
        self.unfold("pva://tree")
        self._check_tree()
        self._check_writes()
        self.unfold(self.pv("data"))
        self.browser.find(".side input.limit").send_keys("4\n")
        self.until_output(f"4 {TIMES} 3")
        self.until_pixel((60, 60, 60), x=0.55)
        # The width is part of the layout.
        self.assertIn(f"width.4={self.pv('data')}", unquote(self.browser.driver.current_url))
        self.browser.driver.refresh()
        self.browser.until_row(self.pv("data"), lambda row: row.value == f"4 {TIMES} 3")
        self.browser.unfold(self.pv("data"))
        self.until_pixel((60, 60, 60), x=0.55)
        self.assertEqual(self.browser.find(".side input.limit").get_property("value"), "4")

    def _check_writes(self) -> None:
        browser = self.browser
        self.unfold("pva://whole")
        browser.find(".put input").send_keys("9007199254740993\n")
        browser.until(lambda: "\N{CHECK MARK}" in browser.text(".put output"), "what was written")
        held = self.server.run_now("print(int(pvs['whole'].current()))")
        self.assertEqual(held, str(2**53 + 1))
        shown_text = f"the PV now has {2**53 + 1}"
        browser.until(
            lambda: shown_text in browser.text(".put output"), "all digits of what it has"
        )
        raw = "return document.querySelector('.facts').innerText"
        browser.until(lambda: str(2**53 + 1) in browser.run(raw), "all digits of the raw value")
        # Whether it may be written is not known before it was tried: the field is there.
        self.unfold("pva://locked")
        browser.find(".put input").send_keys("2\n")
        browser.until(lambda: "Put not" in browser.text(".put output"), "the refusal")

    def _check_tree(self) -> None:
        browser = self.browser
        browser.find(".tree li")
        shown = browser.run(FIELDS)
        self.assertEqual(shown[:4], ["place", "x 2.5", 'name "here"', "list [2]"])
        self.assertNotIn("severity 0", shown)
        browser.click(".tree > ul > li:last-child > details > summary")
        browser.until(lambda: "severity 0" in browser.run(FIELDS), "an opened branch")
        # What is open stays open when values change.
        kind = "pvs['tree'].current().type()"
        self.server.run_now(f"pvs['tree'].post(Value({kind}, {{'place': {{'x': 3.5}}}}))")
        browser.until(lambda: "x 3.5" in browser.run(FIELDS), "the next value")
        self.assertIn("severity 0", browser.run(FIELDS))
        browser.find(".put input").send_keys('{"place": {"x": 4.5}}\n')
        browser.until(lambda: "x 4.5" in browser.run(FIELDS), "what was written")
