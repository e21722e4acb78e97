"""PV names and values that are markup, in a real browser: they are only data."""

from __future__ import annotations

import json
from typing import ClassVar
from urllib.parse import quote
from urllib.request import urlopen

from tests.support.console_case import WebTestCase, in_thread

MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"
SHORT = "<i onclick=alert(1)>&amp;</i>"
RECORDS = f"""
record(stringout, "$(P)text") {{ field(VAL, "{SHORT}") field(PINI, "YES") field(DESC, "<u>") }}
record(ao, "$(P)units") {{ field(VAL, "1") field(PINI, "YES") field(EGU, "<b>mm</b>") }}
record(mbbo, "$(P)mode") {{
  field(PINI, "YES") field(ZRST, "<s>Idle</s>") field(ONST, "</option>")
}}
record(waveform, "$(P)long") {{
  field(FTVL, "CHAR") field(NELM, "100") field(INP, {{const:"{MARKUP}"}})
}}
"""
NAMES = (
    "<img/src=x/onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "javascript:alert(1)",
    "{{constructor.constructor('alert(1)')()}}",
    "__proto__",
    "constructor",
)


class SafetyTests(WebTestCase):
    """Markup from outside."""

    RECORDS: ClassVar[str] = RECORDS

    def assert_no_markup(self) -> None:
        """Check that no element was created from data, and no script of it was run."""
        made = "#rows :is(img, script, b, i, s, u), title *"
        self.assertEqual(self.browser.run(f"return document.querySelectorAll('{made}').length"), 0)

    @in_thread
    def test_names(self) -> None:
        """Names that are markup, or have a meaning in JavaScript, are shown as text."""
        browser = self.open(options=("--connect-timeout=0.3",))
        field = browser.find("#add textarea")
        field.send_keys("\\n".join(NAMES).replace("\\n", " ") + "\n")
        self.assertEqual(browser.rows(), list(NAMES))
        for name in NAMES:
            browser.until_row(name, lambda row: row.state not in {"SEARCHING", ""})
        browser.click("#rows .name")
        self.assert_no_markup()
        self.assertIn(NAMES[0], browser.driver.title)
        browser.open(f"{self.origin}/?pv={quote(','.join(NAMES))}")
        self.assertEqual(browser.rows(), list(NAMES))
        self.assert_no_markup()

    @in_thread
    def test_values(self) -> None:
        """Strings, char arrays, units and enum labels that are markup are shown as text."""
        browser = self.open("text", "long", "units", "mode", options=("--allow-put=anyone",))
        self.assertEqual(browser.until_row(self.pv("text"), lambda row: row.value).value, SHORT)
        self.assertEqual(browser.until_row(self.pv("long"), lambda row: row.value).value, MARKUP)
        units = browser.until_row(self.pv("units"), lambda row: row.units)
        self.assertEqual(units.units, "<b>mm</b>"[:7])
        mode = browser.until_row(self.pv("mode"), lambda row: row.value)
        self.assertEqual(mode.value, "<s>Idle</s>")
        for name in ("text", "long", "units", "mode"):
            browser.unfold(self.pv(name))
        browser.until_row(self.pv("mode"), lambda row: row.form)
        labels = browser.run(
            "return Array.from(document.querySelectorAll('.choices button'), e => e.textContent)"
        )
        self.assertIn("</option>", labels)
        self.assert_no_markup()

    @in_thread
    def test_policy(self) -> None:
        """A script that was inserted into the page is not run, nor may it connect elsewhere."""
        browser = self.open()
        script = """
        const done = arguments[0];
        document.addEventListener("securitypolicyviolation", (event) => {
          seen.push(event.effectiveDirective);
          if (seen.length === 3) done(seen);
        });
        const seen = [];
        document.body.insertAdjacentHTML("beforeend", "<img src=x: onerror='document.title=1'>");
        fetch("https://example.com/").catch(() => {});
        document.body.append(Object.assign(document.createElement("script"), {textContent: "1"}));
        """
        broken = set(browser.driver.execute_async_script(script))
        self.assertIn("connect-src", broken)
        self.assertTrue({"script-src-elem", "script-src-attr"} & broken, broken)
        browser.take_log()

    @in_thread
    def test_configuration(self) -> None:
        """The console's page sends requests to its gateway only."""
        browser = self.open("text")
        browser.until_row(self.pv("text"), lambda row: row.value)
        requests = browser.take_log().requests
        self.assertIn(f"{self.origin}/config.json", requests)
        self.assertIn(f"{self.origin.replace('http', 'ws')}/monitor", requests)
        self.assertEqual([url for url in requests if self.origin[5:] not in url], [])
        with urlopen(f"{self.origin}/config.json") as answer:
            self.assertFalse(json.load(answer)["demo"])
