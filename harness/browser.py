"""Headless Chromium with its log, for tests, screenshots and measurements of pages.

Every call blocks. `missing` reports missing programs; there are no errors for them.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from attrs import field, mutable

# Without selenium, `missing` says what to install.
with contextlib.suppress(ImportError):
    from selenium.common.exceptions import (
        ElementClickInterceptedException,
        ElementNotInteractableException,
    )
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.remote.webelement import WebElement
    from selenium.webdriver.support.select import Select
    from selenium.webdriver.support.wait import WebDriverWait

    _NOT_CLICKED = (ElementClickInterceptedException, ElementNotInteractableException)

TIMEOUT = 15.0
"""Default timeout in seconds."""

MOVE_MS = 10
"""Duration of a movement of the pointer."""

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_DRAWN = """
const canvas = document.querySelector(arguments[0]);
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return data.some((part) => part !== 0);
"""
_STILL = """
const [element, done] = arguments;
element.scrollIntoView({ block: "center" });
let last = "";
const look = () => {
  const { x, y, width, height } = element.getBoundingClientRect();
  const place = [x, y, width, height].join();
  if (place === last) return done();
  last = place;
  requestAnimationFrame(look);
};
look();
"""
_STEPS = 5


def missing() -> str | None:
    """Return what to install, as a sentence; None if everything is there."""
    if find_spec("selenium") is None:
        return "no selenium: pip install selenium"
    absent = [name for name, path in _programs().items() if path is None]
    if absent:
        return f"no {' and no '.join(absent)}: apt-get install chromium chromium-driver"
    return None


def _programs() -> dict[str, str | None]:
    return {
        "chromium": shutil.which("chromium") or shutil.which("google-chrome"),
        "chromedriver": shutil.which("chromedriver"),
    }


@mutable
class BrowserLog:
    """The browser's log and requests since the last call."""

    errors: list[str] = field(factory=list)
    """Errors: exceptions, failed loads, violations of the Content-Security-Policy."""
    requests: list[str] = field(factory=list)
    """The URLs of all requests, also of WebSockets."""

    def outside(self, settings: Container[str]) -> list[str]:
        """Return the requests to other hosts than some `host:port`."""
        return [
            url for url in self.requests if urlsplit(url).netloc.rpartition("@")[2] not in settings
        ]


class Browser:
    """One browser with one window."""

    def __init__(
        self,
        width: int = 1280,
        height: int = 900,
        hosts: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        flags: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            width: Width of the window in CSS pixels.
            height: Height of the window in CSS pixels.
            hosts: The actual `host:port` for each `host:port` in URLs.
            timeout: Timeout of each call in seconds.
            flags: Additional flags of the command line.
        """
        self._timeout = timeout
        self._is_emulating = False
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        programs = _programs()
        options = ChromeOptions()
        options.binary_location = programs["chromium"] or ""
        size = f"--window-size={width},{height}"
        rules = ", ".join(f"MAP {name} {place}" for name, place in (hosts or {}).items())
        settings = (f"--host-resolver-rules={rules}", f"--user-data-dir={self._profile.name}")
        for flag in (*_FLAGS, size, *settings, *flags):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        options.add_experimental_option("perfLoggingPrefs", {"enablePage": False})
        self.driver = Chrome(options, Service(programs["chromedriver"]))
        try:
            self.driver.set_page_load_timeout(timeout)
            self.driver.set_script_timeout(timeout)
            # Leave the browser's own page for new tabs.
            self.driver.get("about:blank")
            self.take_log()
        except BaseException:
            self.quit()
            raise

    @property
    def pid(self) -> int:
        """The process ID of the driver, whose descendants are the browser."""
        return int(self.driver.service.process.pid)

    def quit(self) -> None:
        """End the browser."""
        self.driver.quit()
        self._profile.cleanup()

    def open(self, url: str) -> None:
        """Open a page; returns when it has loaded."""
        self.driver.get(url)

    def leave(self) -> None:
        """Close the page, with its connections, and undo its settings."""
        if self._is_emulating:
            self.command("Emulation.clearDeviceMetricsOverride")
            self.command("Emulation.setEmulatedMedia", features=[])
            self._is_emulating = False
        self.driver.get("about:blank")

    def take_log(self) -> BrowserLog:
        """Return log and requests since the last call."""
        log = BrowserLog()
        for entry in self.driver.get_log("browser"):  # type: ignore[no-untyped-call]
            if entry["level"] == "SEVERE" or "Content Security Policy" in entry["message"]:
                log.errors.append(entry["message"])
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            log.requests.extend(_requested_urls(json.loads(entry["message"])["message"]))
        return log

    def command(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Execute a command of the Chrome DevTools Protocol."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(name, parameters)
        return answer

    def phone(self) -> None:
        """Emulate a phone, with touch."""
        self.size(390, 844, scale=2, mobile=True)

    def size(self, width: int, height: int, scale: float = 1, mobile: bool = False) -> None:
        """Set the size of the page, in CSS pixels."""
        self._is_emulating = True
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=mobile,
        )

    def prefer(self, scheme: str) -> None:
        """Emulate a system with a `light` or `dark` theme."""
        self._is_emulating = True
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", features=[feature])

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; return its result."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """Return the first element of a CSS selector, as soon as there is one."""
        found = self.until(lambda: self.driver.find_elements(By.CSS_SELECTOR, selector), selector)
        element: WebElement = found[0]
        return element

    def click(self, target: str | WebElement) -> None:
        """Click an element, or the first that a CSS selector matches, when it has stopped moving.

        While the page still moves, the driver refuses the click, or clicks something else.
        """

        def clicked() -> bool:
            element = self.find(target) if isinstance(target, str) else target
            try:
                self.driver.execute_async_script(_STILL, element)
                element.click()
            except _NOT_CLICKED:
                return False
            return True

        self.until(clicked, f"a click on {target}")

    def press(self, *keys: str, alt: bool = False) -> None:
        """Press keys, one after the other, in the focused element; also keys such as `ARROW_UP`."""
        actions = ActionChains(self.driver, duration=MOVE_MS)
        if alt:
            actions.key_down(Keys.ALT)
        for key in keys:
            actions.send_keys(getattr(Keys, key, key))
        if alt:
            actions.key_up(Keys.ALT)
        actions.perform()

    def over(self, element: WebElement) -> None:
        """Move the pointer to the middle of an element."""
        ActionChains(self.driver, duration=MOVE_MS).move_to_element(element).perform()

    def wheel(self, element: WebElement, pixels: int) -> None:
        """Turn the wheel over an element; up is negative."""
        origin = ScrollOrigin.from_element(element)
        ActionChains(self.driver, duration=MOVE_MS).scroll_from_origin(origin, 0, pixels).perform()

    def drag(self, selector: str, right: int, down: int) -> None:
        """Drag an element, in steps like a user."""
        actions = ActionChains(self.driver, duration=MOVE_MS).click_and_hold(self.find(selector))
        for _ in range(_STEPS):
            actions.move_by_offset(right // _STEPS, down // _STEPS)
        actions.release().perform()

    def choose(self, selector: str, text: str) -> None:
        """Choose an option of a <select>."""
        Select(self.find(selector)).select_by_visible_text(text)

    def drawn(self, selector: str) -> bool:
        """Return whether a <canvas> has any pixels."""
        return bool(self.run(_DRAWN, selector))

    def focused(self) -> str:
        """Return the label or text of the focused element."""
        label = "document.activeElement.getAttribute('aria-label')"
        return str(self.run(f"return {label} ?? document.activeElement.textContent"))

    def text(self, selector: str) -> str:
        """Return the text of an element, also of an invisible one."""
        return str(self.find(selector).get_property("textContent"))

    def until(self, condition: Callable[[], Any], what: str, seconds: float | None = None) -> Any:
        """Wait until a condition is true; return what it returned.

        `seconds` is the timeout; by default, that of the browser.
        """
        wait = WebDriverWait(self.driver, seconds or self._timeout, poll_frequency=0.05)
        return wait.until(lambda _: condition(), f"{what} did not come")


def _requested_urls(message: dict[str, Any]) -> Iterator[str]:
    parameters = message["params"]
    if message["method"] == "Network.requestWillBeSent":
        url = parameters["request"]["url"]
        if urlsplit(url).scheme not in {"data", "about", "blob"}:
            yield url
    elif message["method"] == "Network.webSocketCreated":
        yield parameters["url"]
