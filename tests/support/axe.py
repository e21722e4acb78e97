"""axe-core, which finds accessibility problems of a page."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from harness.browser import Browser

# Otherwise it would also describe each element without problems.
RUN = """
axe.run({ resultTypes: ["violations"] }).then((results) => arguments[0](results.violations));
"""


def violations(browser: Browser) -> list[str]:
    """Return the violations of axe-core's rules on the current page."""
    if not browser.run("return Boolean(window.axe)"):
        browser.run((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = browser.driver.execute_async_script(RUN)
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]
