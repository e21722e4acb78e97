"""The user in the console's configuration, login and logout, and rights."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from tests.support.axe import violations
from tests.support.console_case import ServiceTestCase, WebTestCase, in_thread
from tests.support.logins import PASSWORD, entry

RECORDS = 'record(ao, "$(P)level") { field(VAL, "1.25") field(PINI, "YES") field(PREC, "2") }'


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header that sends a password."""
    return {"authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


class AccountTests(ServiceTestCase):
    """The configuration, login and logout, as HTTP clients see them."""

    def configuration(self, **headers: str) -> tuple[Any, ...]:
        """The configuration has the user, whether there are logins, and who may write."""
        configuration = json.loads(self.fetch("/config.json", **headers).body)
        return configuration["user"], configuration["login"], configuration["writers"]

    def users(self) -> str:
        """Return the option for a password file with alice."""
        path = Path(self.mktemp()).absolute()
        path.write_text(entry("alice"))
        return f"--htpasswd={path}"

    @in_thread
    def test_configuration(self) -> None:
        """Each user gets their name, and the tag of the response differs."""
        self.assertEqual(self.configuration(), (None, False, "nobody"))
        self.assertEqual(self.fetch("/logout").status, 404)
        self.stop_gateway()
        self.serve(self.users(), "--allow-put")
        alice = basic("alice", PASSWORD)
        self.assertEqual(self.configuration(), (None, True, "logged-in"))
        self.assertEqual(self.configuration(**alice), ("alice", True, "logged-in"))
        self.assertEqual(self.fetch("/config.json", **basic("alice", "wrong")).status, 401)
        tag = self.fetch("/config.json").headers["etag"]
        self.assertEqual(self.fetch("/config.json", if_none_match=tag).status, 304)
        self.assertEqual(self.fetch("/config.json", if_none_match=tag, **alice).status, 200)
        self.stop_gateway()
        self.serve("--allow-put=anyone", "--trust-proxy=127.0.0.1", "--user-header=X-User")
        self.assertEqual(self.configuration(x_user="bob"), ("bob", False, "anyone"))

    @in_thread
    def test_login_and_logout(self) -> None:
        """A login redirects to the same list; a logout refuses the browser's password."""
        self.serve(self.users())
        alice = basic("alice", PASSWORD)
        reply = self.fetch("/login?pv=a,b&rate=5", **alice)
        self.assertEqual((reply.status, reply.headers["location"]), (303, "./?pv=a,b&rate=5"))
        self.assertEqual(self.fetch("/login?x", **basic("alice", "wrong")).status, 401)
        for headers in ({}, alice):
            reply = self.fetch("/logout", **headers)
            self.assertEqual(reply.status, 401)
            self.assertIn("Basic", reply.headers["www-authenticate"])
            self.assertIn("default-src 'none'", reply.headers["content-security-policy"])


class AccountPageTests(WebTestCase):
    """The same on the page."""

    RECORDS: ClassVar[str] = RECORDS
    expected_errors = "status of 401"

    @in_thread
    def test_page(self) -> None:
        """A row that may not be written shows a login; afterwards it may be; then logout."""
        users = Path(self.mktemp()).absolute()
        users.write_text(entry("alice"))
        name = self.pv("level")
        browser = self.open("level", options=(f"--htpasswd={users}", "--allow-put"))
        browser.unfold(name)
        row = browser.until_row(name, lambda row: "Access" in row.facts)
        self.assertFalse(row.form)
        self.assertIn("Logging in may help", browser.text(".hint"))
        self.assertEqual(browser.text("#account"), "Log in")
        browser.click("#account")
        self.assertIn("You may write 0", browser.text("#account-panel"))
        self.assertEqual(violations(browser), [])
        where = f"alice:{quote(PASSWORD)}@{self.origin.removeprefix('http://')}"
        self.allowed_hosts = {where, self.origin.removeprefix("http://")}
        browser.open(f"http://{where}/login?pv={name}")
        self.assertEqual(browser.rows(), [name])
        browser.until(lambda: browser.text("#account") == "alice", "the user")
        browser.open(f"{self.origin}/?pv={name}")
        browser.until(lambda: browser.text("#account") == "alice", "the user")
        browser.unfold(name)
        browser.until_row(name, lambda row: row.form)
        self.assertFalse(browser.find(".hint").is_displayed())
        browser.click("#account")
        self.assertIn("You may write 1", browser.text("#account-panel"))
        browser.click("#account-panel a")
        # Without a screen, nobody is asked for another password: the browser shows its own page.
        browser.until(lambda: browser.driver.title != name, "the logout")
        browser.open(f"{self.origin}/?pv={name}")
        browser.until(lambda: browser.text("#account") == "Log in", "nobody")
