"""Requests that wait for their answers."""

from __future__ import annotations

from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pycawamp.client import messages
from pycawamp.client.messages import Message
from pycawamp.client.values import GatewayError

Answer: TypeAlias = "Deferred[Message]"


class Requests:
    """Requests under way, by their ids; none outlives the connection that it went by."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._last_id = 0
        self._waiting: dict[int, Answer] = {}
        self.unsent: dict[int, Message] = {}
        """Those that wait for the connection to open."""

    def add(self, message: Message, timeout: float) -> tuple[Message, Answer]:
        """The message with an id of its own, and what fires with its answer.

        Without an answer in time it fails; cancelled or timed out, it is sent no more.
        """
        self._last_id = request_id = self._last_id + 1
        answer: Answer = Deferred()
        self._waiting[request_id] = answer
        numbered = {**message, "id": request_id}

        def done(result: Any) -> Any:
            self._waiting.pop(request_id, None)
            self.unsent.pop(request_id, None)
            return result

        def timed_out(_result: Any, _seconds: float) -> Any:
            raise GatewayError("timeout", f"no answer within {timeout:g} s", message.get("pv"))

        answer.addTimeout(timeout, self._clock, timed_out).addBoth(done)
        return numbered, answer

    def take_unsent(self) -> list[Message]:
        """Those that can be sent now."""
        unsent, self.unsent = self.unsent, {}
        return list(unsent.values())

    def answer(self, message: Message) -> bool:
        """Hand an answer to who waits for it; whether somebody did."""
        answer = self._waiting.pop(message.get("id", 0), None)
        if answer is None:
            return False
        if message.get("msg_type") == "error":
            answer.errback(messages.error(message))
        else:
            answer.callback(message)
        return True

    def fail(self, code: str, text: str) -> None:
        """Fail all: their answers cannot come any more."""
        waiting, self._waiting = self._waiting, {}
        self.unsent.clear()
        for answer in waiting.values():
            answer.errback(GatewayError(code, text))
