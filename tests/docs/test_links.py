"""All Markdown pages: their links lead to files and headings that exist."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).absolute().parents[2]
PAGES = (
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "bench").glob("*.md"),
    *(ROOT / "js").glob("*.md"),
)
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub creates for a page's headings."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    texts = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", each) for each in headings)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in texts}


class LinkTests(SynchronousTestCase):
    """Links from one page to another."""

    def test_links(self) -> None:
        """Each file exists, and each heading is on its page."""
        broken, found = [], 0
        for page in PAGES:
            for link in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
                if link.startswith(("https:", "http:")):
                    continue
                found += 1
                name, _, anchor = link.partition("#")
                target = page.parent / name if name else page
                if not target.exists() or (anchor and anchor not in anchors(target)):
                    broken.append(f"{page.relative_to(ROOT)}: {link}")
        self.assertGreater(found, 200)
        self.assertEqual(broken, [])
