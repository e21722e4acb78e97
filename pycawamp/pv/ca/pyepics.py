"""Import of pyepics, configured to use the libca of epicscorelibs (EPICS 7).

No other module imports pyepics, because `epics.ca` looks for the library when it is imported.
"""

from __future__ import annotations

import os

from epicscorelibs.lib import ca_dsoinfo

# As epicscorelibs.path.pyepics would, which loads setuptools too: 22 MB and 0.3 s.
os.environ.setdefault("PYEPICS_LIBCA", ca_dsoinfo.sofilename)

# isort: split
from epics import ca, dbr

__all__ = ["ca", "dbr"]
