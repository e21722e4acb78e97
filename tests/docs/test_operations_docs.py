"""docs/operations.md: its table of options and its commands."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.config.describe import table
from pycawamp.config.options import OPTIONS, Options
from tests.support.process_state import change_directory

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "operations.md").read_text()
SCALING = (DOCS / "scaling.md").read_text()


class OptionTests(SynchronousTestCase):
    """The options."""

    def test_table(self) -> None:
        """The table is the one that is generated from the options."""
        made = f"<!-- Made by: make options -->\n{table(OPTIONS)}"
        self.assertTrue(made in TEXT, "the options have changed: run make options")

    def test_documented_options_exist(self) -> None:
        """Each option of the gateway that the page mentions exists."""
        existing = {each.rstrip("=") for each in Options().longOpt}
        for text in (TEXT, SCALING):
            in_docs = set(re.findall(r"`--([a-z-]+)", text))
            self.assertLessEqual(in_docs, existing)

    def test_commands(self) -> None:
        """The commands that run a gateway have valid options and values."""
        blocks = re.findall(r"^```sh\n(.*?)^```", TEXT + SCALING, re.DOTALL | re.MULTILINE)
        found = re.findall(r"pycaserver (--p[^>\n]*)", "".join(blocks))
        self.assertGreaterEqual(len(found), 5)
        for command in found:
            options = Options()
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    options.parseOptions(shlex.split(command))
                except SystemExit as ended:
                    # As --print-config does, not with a problem.
                    self.assertEqual(ended.code, 0)
            self.assertNotEqual(options.settings.ports, ())

    def test_file(self) -> None:
        """The file on the page has the same meaning as its command line."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        change_directory(self, folder)
        block = re.search(r"^pycaserver .*--print-config.*\npycaserver .*$", TEXT, re.MULTILINE)
        assert block is not None
        made, used = block[0].splitlines()
        command, _, path = made.partition(" > ")
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
            Options().parseOptions(shlex.split(command)[1:])
        Path(path).write_text(output.getvalue())
        from_file, from_arguments = Options(), Options()
        from_file.parseOptions(shlex.split(used)[1:])
        from_arguments.parseOptions(shlex.split(command.replace("--print-config", ""))[1:])
        self.assertEqual(from_file.settings, from_arguments.settings)
        self.assertEqual(from_file.settings.gateway.limits.clients, 500)
