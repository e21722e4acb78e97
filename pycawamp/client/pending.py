"""Requests without replies."""

from __future__ import annotations

from typing import TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from pycawamp.client import messages
from pycawamp.client.messages import Message
from pycawamp.client.values import GatewayError

Answer: TypeAlias = "Deferred[Message]"


class Requests:
    """Requests without replies, by their ids. They fail when the connection is lost."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._last_id = 0
        self._waiting: dict[int, Answer] = {}
        self.unsent: dict[int, bytes] = {}
        """Requests that wait for the connection."""

    def next_id(self) -> int:
        """Return a new request id."""
        self._last_id += 1
        return self._last_id

    def add(self, request_id: int, name: str, timeout: float) -> Answer:
        """Return a Deferred that fires with the reply to a request.

        It fails with `timeout` after a number of seconds. A request that was cancelled or has timed
        out is not sent any more.
        """
        answer: Answer = Deferred()
        self._waiting[request_id] = answer

        def done(result: Message | Failure) -> Message | Failure:
            self._waiting.pop(request_id, None)
            self.unsent.pop(request_id, None)
            return result

        def timed_out(_result: object, _seconds: float) -> Message:
            raise GatewayError("timeout", f"no answer within {timeout:g} s", name)

        return answer.addTimeout(timeout, self._clock, timed_out).addBoth(done)

    def take_unsent(self) -> list[bytes]:
        """Return the requests that waited for the connection, and clear them."""
        unsent, self.unsent = self.unsent, {}
        return list(unsent.values())

    def answer(self, message: Message) -> bool:
        """Pass a reply to its request; return False if there is none."""
        answer = self._waiting.pop(message.get("id", 0), None)
        if answer is None:
            return False
        if message.get("msg_type") == "error":
            answer.errback(messages.error(message))
        else:
            answer.callback(message)
        return True

    def fail(self, code: str, text: str) -> None:
        """Fail all requests."""
        waiting, self._waiting = self._waiting, {}
        self.unsent.clear()
        for answer in waiting.values():
            answer.errback(GatewayError(code, text))
