"""Logins in a real browser: what it sends when a page opens a WebSocket."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

import jwt
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from harness.browser import Browser, missing
from tests.support.console_case import check_log, the_browser
from tests.support.logins import PASSWORD, SECRET, entry
from tests.support.service_case import MemoryServiceTestCase
from tests.support.timing import allowed

T = TypeVar("T")

PUT = """
const [protocols, callback] = arguments;
const socket = new WebSocket(location.origin.replace("http", "ws") + "/monitor", protocols);
socket.onopen = () => socket.send('{"action":"put","pv":"X","value":2}');
socket.onmessage = (event) => callback(JSON.parse(event.data).code ?? "ok:" + socket.protocol);
socket.onclose = () => callback("closed");
"""
"""Opens a WebSocket and puts; returns the outcome."""

EXPECTED_ERRORS = "status of 401|favicon.ico|WebSocket connection to"
"""Log lines of the browser about refused logins and subprotocols."""


class BrowserTests(MemoryServiceTestCase):
    """Chromium."""

    timeout = allowed(60)

    def setUp(self) -> None:
        """Skip if something is missing."""
        super().setUp()
        if problem := missing():
            if os.environ.get("CI") == "true":
                self.fail(problem)
            self.skip = problem

    def drive(self, steps: Callable[[Browser], T]) -> Deferred[T]:
        """Use a browser in a thread, as it blocks."""
        self.addCleanup(deferToThread, self.check_log_of_page)
        # It has passwords for other ports only: each test has its own gateway.
        return deferToThread(steps, the_browser())

    def check_log_of_page(self) -> None:
        """Leave the page, and fail if it has logged errors other than these refusals."""
        the_browser().leave()
        check_log(self, EXPECTED_ERRORS, {f"127.0.0.1:{self.port}"})

    def test_password(self) -> Deferred[Any]:
        """After `/login` the browser sends the password with each WebSocket too."""
        self.serve("--htpasswd", self.write("users", entry("alice")), "--allow-put")
        where = f"127.0.0.1:{self.port}"

        def steps(browser: Browser) -> None:
            browser.open(f"http://{where}/")
            self.assertEqual(self.put(browser), "forbidden")
            browser.open(f"http://alice:{quote(PASSWORD)}@{where}/login")
            self.assertTrue(browser.driver.current_url.endswith(f"{where}/"))
            browser.open(f"http://{where}/")
            self.assertEqual(self.put(browser), "ok:")

        return self.drive(steps)

    def test_token(self) -> Deferred[Any]:
        """A script sends a token as a subprotocol, with `pycaserver` or without."""
        self.serve("--jwt-key", self.write("key", SECRET), "--allow-put")
        token = jwt.encode({"sub": "alice", "exp": time.time() + 60}, SECRET)

        def steps(browser: Browser) -> None:
            browser.open(f"http://127.0.0.1:{self.port}/config.json")
            self.assertEqual(self.put(browser), "forbidden")
            both = self.put(browser, f"bearer.{token}", "pycaserver")
            self.assertEqual(both, "ok:pycaserver")
            self.assertEqual(self.put(browser, f"bearer.{token}"), f"ok:bearer.{token}")
            # Offered and not selected: without a selection, the browser closes the connection.
            self.assertEqual(self.put(browser, "something-else"), "closed")

        return self.drive(steps)

    def put(self, browser: Browser, *protocols: str) -> Any:
        """Return the outcome of a put by the page."""
        return browser.driver.execute_async_script(PUT, list(protocols))
