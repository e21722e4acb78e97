"""Who may read and write what, in the formats that EPICS sites have already.

`AccessFiles` says where the files are, `PolicyWatcher` keeps the `Policy` they make in force, and
its `decide` gives a `Verdict`.
"""

from .errors import AccessFileError
from .interfaces import IPolicy, Verdict
from .load import AccessFiles, system_lookup
from .policy import Policy, Writers
from .syntax import Syntax

__all__ = [
    "AccessFileError",
    "AccessFiles",
    "IPolicy",
    "Policy",
    "Syntax",
    "Verdict",
    "Writers",
    "system_lookup",
]
