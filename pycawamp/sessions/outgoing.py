"""Messages to a client."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.sessions.shared import Shared
from pycawamp.sessions.token_bucket import TokenBucket
from pycawamp.wire.dialect import Dialect, Encoding
from pycawamp.wire.errors import BadMessageError

CloseConnection: TypeAlias = Callable[[int, str], None]
"""Closes a client's connection with a code and a reason."""


class Outgoing:
    """Sends messages to a client, in its encoding."""

    _log = Logger()

    def __init__(  # noqa: PLR0913 (the parts of a client)
        self,
        shared: Shared,
        writer: IWriter,
        *,
        address: str,
        encoding: Encoding,
        close_connection: CloseConnection,
        abuse: TokenBucket,
    ) -> None:
        """Create the client's outbox.

        Args:
            shared: The parts that all clients share.
            writer: The client's socket.
            address: The client's address, for the log.
            encoding: The client's dialect and initial options.
            close_connection: Closes the connection with a code and a reason.
            abuse: Counts refused requests; when it is empty, the connection is closed.
        """
        self.outbox = Outbox(shared.flush_cycle, writer)
        self.encoding = encoding
        """The dialect and the default options of requests."""
        self._errors = shared.errors
        self._refusals = shared.refusals
        self._address = address
        self._close_connection = close_connection
        self._abuse = abuse
        self._closed = False

    @property
    def dialect(self) -> Dialect:
        """The client's dialect."""
        return self.encoding.dialect

    @property
    def is_closed(self) -> bool:
        """Whether the client has disconnected."""
        return self._closed

    def send(self, payload: bytes | None, is_binary: bool = False) -> None:
        """Send a message, if there is one, at the end of this flush cycle."""
        if self._closed or payload is None:
            return
        framing = self.outbox.framing
        if is_binary:
            self.outbox.append(framing.binary(payload))
        elif self.encoding.batch:
            self.outbox.append_to_batch(payload)
        else:
            self.outbox.append(framing.text(payload))

    def refuse(self, mistake: BadMessageError) -> None:
        """Send an error; close the connection of a client that causes too many."""
        message = self.dialect.error(mistake)
        self.send(message)
        self._errors[mistake.code] += 1
        if mistake.code in _LIMITS:
            self._refusals.count(mistake.message, self._address)
        elif message is None:
            kind = f"{self.dialect.name}: {mistake.code}"
            self._refusals.count(kind, self._address, mistake.message)
        if mistake.code == "rate_limited" and not self._abuse.take():
            self._refusals.count("closed for too many requests", self._address)
            self._close_connection(1008, "too many requests")

    def fail(self, failure: Failure) -> None:
        """Log an internal error, and send an error message."""
        self.log_failure(failure)
        self.refuse(FAILED)

    def log_failure(self, failure: Failure) -> None:
        """Log an error of the gateway."""
        self._log.failure("A request of {client} failed", failure, client=self._address)

    def reads_replies(self) -> bool:
        """Return whether the client reads its replies; if not, close the connection."""
        if not self.outbox.is_overfull:
            return True
        self._refusals.count("sent more requests without reading the replies", self._address)
        self._close_connection(1008, "did not read the replies")
        return False

    def close(self) -> None:
        """Drop further messages: the client has disconnected."""
        self._closed = True
        self.outbox.close()


FAILED = BadMessageError("internal", "the gateway failed; its log says why")
_LIMITS = frozenset(["rate_limited", "too_many_pvs", "overloaded"])
