"""Messages to one client."""

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

HangUp: TypeAlias = Callable[[int, str], None]
"""Closes a client's connection with a code and a reason."""


class Outgoing:
    """Sends messages to one client, in its encoding."""

    _log = Logger()

    def __init__(  # noqa: PLR0913 (one of each thing that a client has of its own)
        self,
        shared: Shared,
        writer: IWriter,
        *,
        address: str,
        encoding: Encoding,
        hang_up: HangUp,
        abuse: TokenBucket,
    ) -> None:
        """Make the client's outbox.

        Args:
            shared: what all clients share.
            writer: the client's socket.
            address: the client's address, for the log.
            encoding: the client's dialect and the options in force at first.
            hang_up: closes its connection with a code and a reason.
            abuse: the refusals that it may still meet before it is hung up on.
        """
        self.outbox = Outbox(shared.flush_cycle, writer)
        self.encoding = encoding
        """The options in force for what asks for no others."""
        self._errors = shared.errors
        self._refusals = shared.refusals
        self._address = address
        self._hang_up = hang_up
        self._abuse = abuse
        self._closed = False

    @property
    def dialect(self) -> Dialect:
        """The client's dialect."""
        return self.encoding.dialect

    @property
    def is_closed(self) -> bool:
        """Whether the client is gone."""
        return self._closed

    def send(self, payload: bytes | None, is_binary: bool = False) -> None:
        """Send a message at the end of this flush cycle, if there is one and the client is here."""
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
        """Send an error; close the connection of a client that makes too many."""
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
            self._hang_up(1008, "too many requests")

    def fail(self, failure: Failure) -> None:
        """Log an internal error, and tell the client that there was one."""
        self.log_failure(failure)
        self.refuse(FAILED)

    def log_failure(self, failure: Failure) -> None:
        """Log an error of the gateway."""
        self._log.failure("A request of {client} failed", failure, client=self._address)

    def takes_answers(self) -> bool:
        """Return whether the client reads what it asks for; hang up on one that does not."""
        if not self.outbox.is_overfull:
            return True
        self._refusals.count("asked on, but took no answers", self._address)
        self._hang_up(1008, "took no answers")
        return False

    def close(self) -> None:
        """Send nothing any more: the client is gone."""
        self._closed = True
        self.outbox.close()


FAILED = BadMessageError("internal", "the gateway failed; its log says why")
_LIMITS = frozenset(["rate_limited", "too_many_pvs", "overloaded"])
