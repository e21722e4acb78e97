"""docs/operations.md: its table of options and its commands."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.config.describe import table
from pycawamp.config.options import OPTIONS, Options

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


class OptionTests(SynchronousTestCase):
    """The options."""

    def test_table(self) -> None:
        """The table is the one that is made of the options (python -m pycawamp.config)."""
        self.assertIn(f"<!-- Made by: python -m pycawamp.config -->\n{table(OPTIONS)}", TEXT)

    def test_known(self) -> None:
        """Each option of the gateway that the page tells of exists."""
        known = {each.rstrip("=") for each in Options().longOpt}
        told = set(re.findall(r"`--([a-z-]+)", TEXT))
        self.assertLessEqual(told, known)

    def test_file(self) -> None:
        """The file that the page has made means what its command line does."""
        folder = self.mktemp()
        os.makedirs(folder)
        before = os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, before)
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
