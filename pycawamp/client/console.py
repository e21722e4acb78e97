"""Where the command line's lines go."""

from __future__ import annotations

from typing import TextIO

from twisted.internet.defer import Deferred

from pycawamp.client.values import GatewayError


class Console:
    """Results go to one stream, what failed to the other."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.closed: Deferred[None] = Deferred()
        """Fires when nobody reads the results any more."""
        self.failed = False
        """Whether results were lost, as on a full disk."""
        self._out = out
        self._err = err

    def line(self, text: str) -> None:
        """Print a line of the results, to be seen at once."""
        if self.closed.called:
            return
        try:
            print(text, file=self._out, flush=True)
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.failed = True
                self.complain(f"cannot print: {error.strerror}")
            self.closed.callback(None)

    def complain(self, text: str) -> None:
        """Print what failed, on one line."""
        print(" ".join(text.split()), file=self._err, flush=True)

    def complain_of(self, name: str, error: GatewayError) -> None:
        """Print that something failed with a PV."""
        self.complain(f"{name}: {_PLAIN.get(error.code) or _with_code(error)}")


_PLAIN = {"not_connected": "not connected"}


def _with_code(error: GatewayError) -> str:
    if error.code == "unreachable":
        return error.message
    return f"{error.code.replace('_', ' ')}: {error.message}"
