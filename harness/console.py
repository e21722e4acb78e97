"""A browser that shows the console: its table, row by row."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from harness.browser import Browser

_ROW = """
const toggle = [...document.querySelectorAll("#rows .name")].find((e) => e.textContent === arguments[0]);
const entry = toggle?.closest(".entry");
if (!entry) return null;
const text = (selector) => entry.querySelector(selector)?.textContent ?? "";
return {
  value: text(".value"), units: text(".units"), time: text(".c-time"),
  state: text(".c-state .badge span:last-child"), shape: text(".c-state .shape"),
  severity: [...entry.querySelector(".row").classList].find((c) => c.startsWith("is-")) ?? "",
  colour: getComputedStyle(entry.querySelector(".badge")).backgroundColor,
  open: toggle.getAttribute("aria-expanded") === "true",
  form: Boolean(entry.querySelector("form.put:not([hidden])")),
  outcome: text(".outcome"),
  facts: Object.fromEntries(Array.from(entry.querySelectorAll(".facts > div"),
    (e) => [e.firstChild.textContent, e.lastChild.textContent])),
};
"""  # noqa: E501


@frozen
class Row:
    """A row of the console's table, as shown."""

    value: str
    units: str
    time: str
    state: str
    shape: str
    severity: str
    """The class that colours it, such as `is-major`."""
    colour: str
    """Of its badge."""
    open: bool
    form: bool
    """Whether there is a field to write."""
    outcome: str
    """Of the last put."""
    facts: dict[str, str]


class ConsoleBrowser(Browser):
    """A browser with methods for the console's page."""

    def unfold(self, name: str) -> None:
        """Click a PV's name in the console, which opens its details."""
        self.click(f'#rows .name[title="{name}"]')
        self.until_row(name, lambda row: row.open)

    def row(self, name: str) -> Row | None:
        """Return a row of the console; None if there is none of that name."""
        found = self.run(_ROW, name)
        return Row(**found) if found else None

    def rows(self) -> list[str]:
        """Return the names in the console's table, from top to bottom."""
        names: list[str] = self.run(
            "return Array.from(document.querySelectorAll('#rows .name'), (e) => e.textContent)"
        )
        return names

    def until_row(
        self, name: str, fits: Callable[[Row], object], seconds: float | None = None
    ) -> Row:
        """Wait until a row exists, and has the facts that `fits` reads, and matches; return it."""
        seen: list[Row | None] = []

        def look() -> Row | None:
            seen[:] = [self.row(name)]
            try:
                return seen[0] if seen[0] is not None and fits(seen[0]) else None
            except KeyError:
                # Details that have just been opened have no facts yet.
                return None

        try:
            row: Row = self.until(look, f"the row {name}", seconds)
        except Exception as error:
            raise AssertionError(f"row {name} is not as awaited: {seen}") from error
        return row
