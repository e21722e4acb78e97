"""The output of the command line."""

from __future__ import annotations

from typing import TextIO

from twisted.internet.defer import Deferred

from pycawamp.client.values import GatewayError


class Console:
    """Prints results to one stream and errors to another."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.closed: Deferred[None] = Deferred()
        """Fires when results can no longer be printed, for example to a closed pipe."""
        self.failed = False
        """Whether printing failed, as on a full disk."""
        self._out = out
        self._err = err

    def line(self, text: str) -> None:
        """Print a line of the results, and flush it."""
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
        """Print an error on one line."""
        print(" ".join(text.split()), file=self._err, flush=True)

    def complain_of(self, name: str, error: GatewayError) -> None:
        """Print an error of a PV."""
        self.complain(f"{name}: {_PLAIN.get(error.code) or _with_code(error)}")


_PLAIN = {"not_connected": "not connected"}


def _with_code(error: GatewayError) -> str:
    if error.code == "unreachable":
        return error.message
    return f"{error.code.replace('_', ' ')}: {error.message}"
