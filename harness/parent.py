"""Child processes that end with their parent, however the parent ends."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent(parent: int) -> None:
    """Make the kernel kill this process when its parent ends (prctl(2)); for `preexec_fn`.

    Args:
        parent: The parent's process ID, as the parent knew it when it started this process.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # The parent has already ended.
        os.kill(os.getpid(), signal.SIGKILL)
