"""The session of a client: its requests, and the messages to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import attrs
from twisted.python.failure import Failure

from pycawamp.fanout.outbox import Outbox
from pycawamp.sessions.authorizer import Authorizer
from pycawamp.sessions.list_errors import ListErrors
from pycawamp.sessions.operations import Operations
from pycawamp.sessions.outgoing import Outgoing
from pycawamp.sessions.peer import Peer
from pycawamp.sessions.quota import Quota
from pycawamp.sessions.shared import Shared
from pycawamp.sessions.subscriptions import Subscriptions
from pycawamp.wire import requests
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.names import checked_name

NAMES_PER_STEP = 20
"""PVs of a long list that are subscribed to before other clients are served."""
TOGETHER = 200
"""PVs of a long list that are subscribed to in one step, if others show them already."""
NAMES_A_TOKEN = 5
"""PVs of a long list that count as one request."""
LISTED_PER_STEP = 500
"""PVs in the reply to a `list` that are added before other clients are served."""
LISTED_PER_TOKEN = 50
"""PVs in that reply that count as one request."""
HISTORY_TOKENS = 10
"""Additional requests that a `history` request counts as."""
BYTES_A_TOKEN = 2**14
"""Bytes of a long message that count as one request."""


class Session:
    """The session of a client: handles its requests. Created by `Sessions.open`."""

    def __init__(  # noqa: PLR0913 (the parts of a client)
        self,
        shared: Shared,
        peer: Peer,
        *,
        outgoing: Outgoing,
        authorizer: Authorizer,
        quota: Quota,
        closed: Callable[[], None],
    ) -> None:
        self.peer = peer
        self.since = time.time()
        """UNIX seconds at which the client connected."""
        self.outgoing = outgoing
        self.subscriptions = Subscriptions(shared, outgoing, authorizer)
        self._operations = Operations(shared, outgoing, authorizer, peer, quota.puts)
        self._authorizer = authorizer
        self._shared = shared
        self._closed = closed
        self._requests = quota.requests
        self._rest: Iterator[None] | None = None
        self.number = next(shared.session_numbers)
        """A unique number."""
        self.opened = shared.clock.seconds()
        """The reactor's time when it was created."""
        self.received: float | None = None
        """The reactor's time of the last message."""

    @property
    def outbox(self) -> Outbox:
        """The outbox of the client."""
        return self.outgoing.outbox

    def receive(self, payload: bytes, is_binary: bool = False) -> None:
        """Handle a message. If it is invalid, an error is sent and nothing else happens."""
        self.received = self._shared.clock.seconds()
        try:
            if is_binary:
                raise BadMessageError("bad_request", "expected a text message, got a binary one")
            if self._requests.take(1 + len(payload) // BYTES_A_TOKEN):
                self._answer(self.outgoing.dialect.parse(payload))
            else:
                self._refuse_unparsed(payload)
        except BadMessageError as mistake:
            self._refuse_request(mistake)
        except Exception:
            self.outgoing.fail(Failure())

    @property
    def is_busy(self) -> bool:
        """Whether a long list is being processed; later messages have to wait."""
        return self._rest is not None

    def process_next(self) -> None:
        """Process the next part of a long list, if there is one."""
        if self._rest is None or not self.outgoing.reads_replies():
            return
        try:
            next(self._rest)
        except StopIteration:
            self._rest = None
        except Exception:
            self._rest = None
            self.outgoing.fail(Failure())

    def allow_request(self) -> bool:
        """Count a request that the connection itself handles; return whether it is allowed."""
        if self._requests.take():
            return True
        self.outgoing.refuse(_TOO_MANY)
        return False

    def finish(self, ended: Callable[[], None]) -> None:
        """Close the session when no request is pending, then call a function."""

        def end() -> None:
            self.close()
            ended()

        self._operations.when_idle(end)

    def close(self) -> None:
        """End all subscriptions and requests: the client has disconnected."""
        self._rest = None
        self.outgoing.close()
        self._shared.finish(self.subscriptions.close())
        self._shared.finish(self._operations.close())
        self._authorizer.close()
        self._closed()

    def give_up(self, real_names: Collection[str]) -> None:
        """End the searches for these names, to free channels."""
        self.subscriptions.give_up(real_names)
        self._operations.give_up(real_names)

    def _refuse_unparsed(self, payload: bytes) -> None:
        """Refuse a request because of a rate limit, without parsing all of it."""
        try:
            request = self.outgoing.dialect.parse(payload)
        except BadMessageError as mistake:
            limited = attrs.evolve(mistake, code=_TOO_MANY.code, message=_TOO_MANY.message)
            self._refuse_request(limited)
        else:
            value = request.value if isinstance(request, requests.Put) else None
            self._refuse_request(requests.about(request, _TOO_MANY), value)

    def _refuse_request(self, mistake: BadMessageError, value: Any = None) -> None:
        if mistake.action == "put":
            self._operations.log_refused(mistake, value)
        self.outgoing.refuse(mistake)

    def _answer(self, request: requests.Request) -> None:
        _DISPATCH[type(request)](self, request)

    def _work_on(
        self,
        request: requests.PVsRequest,
        act: Callable[[str], object],
        act_together: Callable[[Sequence[Any]], bool] = lambda _: False,
        per_step: int = NAMES_PER_STEP,
    ) -> None:
        """Process the PVs of a request, in parts if there are many.

        `act_together` processes several at once, or returns False if that is not possible.
        """
        maximum, number = self._shared.limits.names, len(request.names)
        if number > maximum:
            text = f'expected at most {maximum} names in "pvs", got {number}'
            raise requests.about(request, BadMessageError("bad_request", text))
        if number > 1:
            self._requests.charge(number / NAMES_A_TOKEN)
        if number > TOGETHER or not act_together(request.names):
            self._begin(self._parts(request, act, act_together, per_step))

    def _begin(self, work: Iterator[None]) -> None:
        self._rest = work
        self.process_next()

    def _parts(
        self,
        request: requests.PVsRequest,
        act: Callable[[str], object],
        act_together: Callable[[Sequence[Any]], bool],
        per_step: int,
    ) -> Iterator[None]:
        done: set[str] = set()
        errors = ListErrors(self.outgoing, request)
        for start in range(0, len(request.names), TOGETHER):
            if start:
                yield
            names = request.names[start : start + TOGETHER]
            if len(request.names) > TOGETHER and act_together(names):
                done.update(names)
                continue
            for number in range(0, len(names), per_step):
                if number:
                    yield
                some = names[number : number + per_step]
                if act_together(some):
                    done.update(some)
                else:
                    self._do_each(some, act, done, errors)
        errors.end()

    def _do_each(
        self,
        names: Sequence[Any],
        act: Callable[[str], object],
        done: set[str],
        errors: ListErrors,
    ) -> None:
        for sent in names:
            try:
                name = checked_name(sent)
                if name not in done:
                    done.add(name)
                    act(name)
            except BadMessageError as mistake:
                errors.add(sent, mistake)
            except Exception:
                errors.add_failure(sent, Failure())

    def _connect(self, request: requests.Connect) -> None:
        encoding = self.outgoing.encoding
        if request.options:
            encoding = attrs.evolve(encoding, **request.options)
        past, subscriptions = request.past, self.subscriptions

        def open_together(names: Sequence[Any]) -> bool:
            return past is None and subscriptions.open_together(names, encoding)

        # Rendering the history of twenty PVs would delay other clients.
        per_step = 1 if past else NAMES_PER_STEP
        self._work_on(
            request, lambda name: subscriptions.open(name, encoding, past), open_together, per_step
        )

    def _disconnect(self, request: requests.Disconnect) -> None:
        self._work_on(request, self.subscriptions.end)

    def _configure(self, request: requests.Configure) -> None:
        # Send earlier messages first, as `batch` may change.
        self.outbox.flush()
        self.outgoing.encoding = attrs.evolve(self.outgoing.encoding, **request.options)
        self.outgoing.send(self.outgoing.dialect.configured(request, self.outgoing.encoding))

    def _list(self, request: requests.ListPVs) -> None:
        self._requests.charge(len(self.subscriptions.names) / LISTED_PER_TOKEN)
        self._begin(self._list_parts(request))

    def _list_parts(self, request: requests.ListPVs) -> Iterator[None]:
        # A long reply is created in several reactor iterations, like a long request.
        for _ in range(LISTED_PER_STEP, len(self.subscriptions.names), LISTED_PER_STEP):
            yield
        self.outgoing.send(self.outgoing.dialect.listed(request, self.subscriptions.names))

    def _ping(self, request: requests.Ping) -> None:
        outgoing = self.outgoing
        if outgoing.dialect.pings_back:
            self.outbox.append(self.outbox.framing.ping)
        else:
            outgoing.send(outgoing.dialect.pong(request))

    def _echo(self, request: requests.Echo) -> None:
        self.outgoing.send(request.payload)

    def _get(self, request: requests.Get) -> None:
        self._operations.get(request)

    def _history(self, request: requests.ReadHistory) -> None:
        self._requests.charge(HISTORY_TOKENS)
        self._operations.history(request)

    def _info(self, request: requests.Info) -> None:
        self._operations.info(request)

    def _put(self, request: requests.Put) -> None:
        if self.outgoing.dialect.puts_need_subscription and request.name not in self.subscriptions:
            self._refuse_request(requests.about(request, _NOT_SUBSCRIBED), request.value)
        else:
            self._operations.put(request)


_NOT_SUBSCRIBED = BadMessageError("not_connected", "you are not subscribed to it")
_TOO_MANY = BadMessageError("rate_limited", "too many requests per second")
_DISPATCH: dict[type, Callable[[Session, Any], None]] = {
    requests.Connect: Session._connect,
    requests.Disconnect: Session._disconnect,
    requests.Configure: Session._configure,
    requests.Get: Session._get,
    requests.Put: Session._put,
    requests.Info: Session._info,
    requests.ReadHistory: Session._history,
    requests.ListPVs: Session._list,
    requests.Ping: Session._ping,
    requests.Echo: Session._echo,
}
