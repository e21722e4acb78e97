"""`python -m pycawamp.config FILE`: update the table of options in a Markdown file."""

import re
import sys
from pathlib import Path

from pycawamp.config.describe import table
from pycawamp.config.options import OPTIONS

MARK = "<!-- Made by: make options -->\n"

for name in sys.argv[1:]:
    text = Path(name).read_text()
    Path(name).write_text(
        re.sub(rf"({MARK})(\|.*\n)*", lambda found: found[1] + table(OPTIONS), text)
    )
