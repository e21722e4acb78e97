"""Names suggested in the console: from the gateway, files, layouts and ChannelFinder."""

from __future__ import annotations

import json
import random
from typing import Any, cast
from urllib.parse import quote

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.config.options import Options
from pycawamp.service.app import App
from pycawamp.web.channelfinder import MAX_BYTES
from pycawamp.web.name_index import NameIndex, NamePattern
from tests.support.channelfinder import Channels
from tests.support.service_case import MemoryServiceTestCase

reactor = cast(Any, installed_reactor)
DESCRIPTIONS = {"SR:beam:current": "Stored beam", "SR:beam:life": "", "XF:beam": "A secret"}


class NameTests(MemoryServiceTestCase):
    """`/names`."""

    def received(self, part: str) -> Deferred[dict[str, Any]]:
        """Fires with the response for a part of a name."""
        answer = self.get(f"/names?part={quote(part)}")
        return answer.addCallback(lambda found: cast(dict[str, Any], json.loads(found.body)))

    def names(self, part: str) -> Deferred[list[tuple[str, str, str]]]:
        """Fires with the names, descriptions and sources."""
        return self.received(part).addCallback(
            lambda received: [tuple(each.values()) for each in received["names"]]
        )

    @inlineCallbacks
    def directory(self) -> Any:
        """Run a ChannelFinder; return the option for it."""
        channels = Channels(dict(DESCRIPTIONS))
        port = yield channels.listen(reactor)
        self.addCleanup(port.stopListening)
        return channels, f"--channelfinder=http://127.0.0.1:{port.getHost().port}/ChannelFinder"

    @inlineCallbacks
    def test_sources(self) -> Any:
        """All sources are searched, ignoring case; only readable PVs are returned."""
        for name in ("SR:tune", "SR:hidden", "XF:tune"):
            self.backend.add(name, 1.0)
        layouts = self.folder / "layouts"
        layouts.mkdir()
        (layouts / "a.json").write_text('{"groups": [{"pvs": ["SR:orbit", {"pv": "XF:orbit"}]}]}')
        (layouts / "bad.json").write_text("[")
        names = "# names\n\nSR:tune Tune of the ring\nSR:beam:current\nXF:file\nSR:file A file\n"
        channels, option = yield self.directory()
        self.serve(
            "--pvlist", self.write("pvs", ".* ALLOW\nXF:.* DENY\n.*hidden DENY\n"),
            "--pv-names", self.write("names", names),
            "--layouts", str(layouts),
            option,
        )  # fmt: skip
        client = yield self.connect()
        client.send({"action": "connect", "pvs": ["SR:tune", "SR:nobody"]})
        yield client.until(lambda message: message.get("msg_type") == "monitor")
        found = yield self.names("r:")
        self.assertEqual(
            found,
            [
                ("SR:beam:current", "", "file"),
                ("SR:file", "A file", "file"),
                ("SR:orbit", "", "layout"),
                ("SR:tune", "Tune of the ring", "gateway"),
            ],
        )
        found = yield self.names("beam*c")
        self.assertEqual(found, [("SR:beam:current", "Stored beam", "file")])
        found = yield self.names("beam")
        self.assertEqual([name for name, _, _ in found], ["SR:beam:current", "SR:beam:life"])
        self.assertEqual(found[1], ("SR:beam:life", "", "ChannelFinder"))
        self.assertIn(b"~name=*beam*&~size=100", channels.requests[-1])
        again = len(channels.requests)
        yield self.names("beam")
        self.assertEqual(len(channels.requests), again)
        for query in ("", "?part=", "?part=a&part=b", f"?part={'x' * 101}", "?part=%ff"):
            answer = yield self.get(f"/names{query}")
            self.assertEqual(answer.status, 400, query)

    @inlineCallbacks
    def test_channelfinder_fails(self) -> Any:
        """If ChannelFinder fails, the other names are returned, and the failure is reported."""
        channels, option = yield self.directory()
        self.serve("--pv-names", self.write("names", "SR:file\n"), option)
        for number, (status, body) in enumerate([
            (500, b"[]"), (404, b"<html>"), (302, b""), (200, b"{"), (200, b"{}"),
            (200, b'["' + b"x" * MAX_BYTES + b'"]'),
        ]):  # fmt: skip
            channels.answer = (status, body)
            received = yield self.received(f"s*r*:*{number % 2 * 'f'}*{number // 2 * 'i'}")
            self.assertEqual(received["problem"], "ChannelFinder does not answer", status)
        channels.answer = (200, b'[5, {"name": 5}, {"name": "SR:odd", "properties": [5]}]')
        found = yield self.names("SR:")
        self.assertEqual([name for name, _, _ in found], ["SR:file", "SR:odd"])
        channels.answer, channels.held = None, []
        waiting = [self.received(f"SR:f{'*' * number}") for number in range(1, 8)]
        answers = []
        for each in waiting:
            answers.append((yield each))
        self.assertLessEqual(len(channels.held), 4)
        problems = {received["problem"] for received in answers}
        busy = "too many requests to ChannelFinder at once"
        self.assertEqual(problems, {busy, "ChannelFinder does not answer"})
        self.assertEqual({received["names"][0]["name"] for received in answers}, {"SR:file"})
        channels.held = None
        received = yield self.received("SR:fi")
        self.assertNotIn("problem", received)

    @inlineCallbacks
    def test_file_changes(self) -> Any:
        """The file is read again when it changes; an invalid one is an error at start."""
        path = self.write("names", "SR:old\n")
        app: App = self.serve("--pv-names", path)
        self.write("names", "SR:new\n")
        assert app.files.names is not None
        yield app.files.names.reload()
        found = yield self.names("SR:")
        self.assertEqual([name for name, _, _ in found], ["SR:new"])

    def test_bad_options(self) -> None:
        """An invalid URL, and an unreadable file, prevent the start with the reason."""
        for url in (
            "cf:8080",
            "ftp://cf",
            "http://",
            "http://u:p@cf/",
            "http://cf/?x=1",
            "http://cf:x",
        ):
            error = self.assertRaises(SystemExit, Options().parseOptions, ["--channelfinder", url])
            self.assertIn("--channelfinder", str(error))
        long = self.write("long", f"# one\n{'x' * 3000}\n")
        for path, expected in (
            ("/absent", "cannot be read"),
            (long, ":2: expected a line of at most"),
        ):
            error = self.assertRaises(SystemExit, self.serve, "--pv-names", path)
            self.assertIn(f"--pv-names: {path}", str(error))
            self.assertIn(expected, str(error))


class NameIndexTests(SynchronousTestCase):
    """The search for parts."""

    def test_matching(self) -> None:
        """The index finds the same as a check of each name, for any names."""
        source = random.Random(5)
        names = ["".join(source.choices("aAbB:İß", k=source.randrange(1, 7))) for _ in range(400)]
        index = NameIndex((name, name[::-1]) for name in names)
        for _ in range(400):
            pattern = NamePattern.of("".join(source.choices("aAb:İß*", k=source.randrange(1, 5))))
            expected = [(name, name[::-1]) for name in names if pattern.matches(name)]
            self.assertEqual(list(index.matching(pattern)), expected)
        self.assertEqual(list(NameIndex(()).matching(NamePattern.of("a"))), [])

    def test_pattern(self) -> None:
        """Parts are matched one after the other, ignoring case."""
        for text, name, found in [
            ("sr", "SR:a", True),
            ("r:*a", "SR:x:a", True),
            ("a*r:", "SR:a", False),
            ("aa*a", "aa", False),
            ("*", "anything", True),
        ]:
            self.assertEqual(NamePattern.of(text).matches(name), found, text)
