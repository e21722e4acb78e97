"""Access control, with the file formats of EPICS.

`AccessFiles` has the paths of the files, `PolicyWatcher` reads them to a `Policy` and follows their
changes, and `decide` of both returns a `Verdict`.
"""

from .errors import AccessFileError
from .interfaces import IClassifyingPolicy, IPolicy, Verdict
from .load import AccessFiles, system_lookup
from .policy import Policy, Writers
from .syntax import Syntax

__all__ = [
    "AccessFileError",
    "AccessFiles",
    "IClassifyingPolicy",
    "IPolicy",
    "Policy",
    "Syntax",
    "Verdict",
    "Writers",
    "system_lookup",
]
