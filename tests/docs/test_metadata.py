"""Facts that are in several files: versions, Python versions, the index of decisions."""

from __future__ import annotations

import json
import re
from configparser import ConfigParser
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).absolute().parents[2]
SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg")


class MetadataTests(SynchronousTestCase):
    """The project's metadata."""

    def test_versions(self) -> None:
        """All files have the version of setup.cfg."""
        package, lock = (
            json.loads((ROOT / "js" / name).read_text())
            for name in ("package.json", "package-lock.json")
        )
        citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
        found = {
            SETUP["tool:pydoctor"]["project-version"],
            citation["version"],
            package["version"],
            lock["version"],
            lock["packages"][""]["version"],
        }
        self.assertEqual(found, {SETUP["metadata"]["version"]})

    def test_authors(self) -> None:
        """The package has the authors of the citation."""
        citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
        authors = ", ".join(author["name"] for author in citation["authors"])
        self.assertEqual(SETUP["metadata"]["author"], authors)

    def test_pythons(self) -> None:
        """The classifiers are the versions of Python that CI runs, from the required one on."""
        named = re.findall(r":: Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])
        workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
        self.assertEqual(named, workflow["jobs"]["test"]["strategy"]["matrix"]["python"])
        self.assertEqual(SETUP["options"]["python_requires"], f">={named[0]}")

    def test_decisions(self) -> None:
        """The index has each decision, with its title and a date."""
        folder = ROOT / "docs" / "decisions"
        rows = re.findall(
            r"^\| \[(\d+)\]\((.*)\) \| (.*) \| \d{4}-\d\d-\d\d \|$",
            (folder / "README.md").read_text(),
            re.MULTILINE,
        )
        listed = {name: f"# {number} {title}" for number, name, title in rows}
        titles = {
            path.name: re.sub(r"^# (\d+)[:.]? +", r"# \1 ", path.read_text().split("\n", 1)[0])
            for path in folder.glob("0*.md")
        }
        self.assertEqual(listed, titles)
