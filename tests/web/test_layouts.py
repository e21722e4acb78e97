"""The folder of layouts, as HTTP clients see it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

from pycawamp.config.options import Options
from tests.support.console_case import ServiceTestCase, in_thread

GOOD = '{"groups": [{"heading": "Größe", "pvs": ["X"]}]}'


class LayoutFolderTests(ServiceTestCase):
    """A gateway with `--layouts`."""

    def folder_with(self, **files: str) -> Path:
        """Make a folder with some layouts."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        for name, text in files.items():
            (folder / f"{name}.json").write_text(text)
        return folder

    @in_thread
    def test_read(self) -> None:
        """Layouts are listed and sent unchanged, also new ones."""
        folder = self.folder_with(b=GOOD, a=GOOD)
        (folder / "notes.txt").write_text("none")
        (folder / ".hidden.json").write_text(GOOD)
        (folder / "folder.json").mkdir()
        self.serve(f"--layouts={folder}")
        self.assertEqual(json.loads(self.fetch("/layouts").body), {"layouts": ["a", "b"]})
        reply = self.fetch("/layouts/a")
        self.assertEqual((reply.status, reply.body.decode()), (200, GOOD))
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.assertTrue(json.loads(self.fetch("/config.json").body)["layouts"])
        (folder / "Vakuum Süd.json").write_text(GOOD)
        self.assertIn("Vakuum Süd", json.loads(self.fetch("/layouts").body)["layouts"])
        self.assertEqual(self.fetch(f"/layouts/{quote('Vakuum Süd')}").body.decode(), GOOD)
        for method in ("POST", "PUT", "DELETE"):
            self.assertIn(self.fetch("/layouts/a", method).status, {405, 501})

    @in_thread
    def test_outside(self) -> None:
        """Only layouts of the folder are served, whatever the name or the file."""
        folder = self.folder_with(a=GOOD)
        outside = folder.parent / f"{folder.name}-secret.json"
        outside.write_text(GOOD.replace("X", "SECRET"))
        (folder / "link.json").symlink_to(outside)
        (folder / "inner.json").symlink_to(folder / "a.json")
        os.mkfifo(folder / "pipe.json")
        (folder / "device.json").symlink_to("/dev/zero")
        self.serve(f"--layouts={folder}")
        secret = f"{folder.name}-secret"
        names = (
            f"..%2f{secret}",
            f"../{secret}",
            f"%2e%2e/{secret}",
            f"..%5c{secret}",
            quote(str(outside)[:-5], safe=""),
        )
        for name in (
            *names,
            "link",
            "pipe",
            "device",
            "absent",
            "a%00",
            ".a",
            "a/b",
            "x" * 300,
            "%ff",
            ".",
        ):
            reply = self.fetch(f"/layouts/{name}")
            self.assertIn(reply.status, {400, 404}, name)
            self.assertNotIn(b"SECRET", reply.body)
        self.assertEqual(self.fetch("/layouts/inner").body.decode(), GOOD)

    @in_thread
    def test_no_layout(self) -> None:
        """An invalid layout is refused, with what was expected."""
        large = json.dumps({"groups": ["x" * 2**20]})
        folder = self.folder_with(list="[]", text="{", large=large, bare="{}")
        self.serve(f"--layouts={folder}")
        for name, expected in (
            ("list", 'an object with a list "groups"'),
            ("bare", 'an object with a list "groups"'),
            ("text", "text: not JSON"),
            ("large", "at most 1048576 bytes"),
            ("absent", "absent: no such layout"),
        ):
            reply = self.fetch(f"/layouts/{name}")
            self.assertEqual(reply.status, 404, name)
            self.assertIn(expected, json.loads(reply.body)["detail"])

    @in_thread
    def test_none(self) -> None:
        """Without the option there is no resource; a missing folder prevents the start."""
        self.assertEqual(self.fetch("/layouts").status, 404)
        self.assertFalse(json.loads(self.fetch("/config.json").body)["layouts"])
        error = self.assertRaises(SystemExit, Options().parseOptions, ["--layouts", "/absent"])
        self.assertIn("--layouts", str(error))
        self.assertIn("folder", str(error))
