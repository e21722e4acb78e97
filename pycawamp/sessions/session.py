"""One client's conversation: what it asked for, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.access.interfaces import Decide, Verdict
from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.sessions.operations import Operations
from pycawamp.sessions.subscriptions import Subscriptions
from pycawamp.wire.frames import text_frame
from pycawamp.wire.v2 import replies, requests
from pycawamp.wire.v2.codec import BadMessageError
from pycawamp.wire.v2.encoding import VERSION_1

if TYPE_CHECKING:
    from pycawamp.sessions.registry import Sessions

HangUp: TypeAlias = Callable[[int, str], None]
"""Closes a client's connection with a code and a reason."""

NAMES_AT_ONCE = 100
"""PVs of a long list that are connected before others have their turn."""
NAMES_A_TOKEN = 100
"""PVs that a `list` tells for one request's worth of the allowance."""


@attrs.frozen
class Client:
    """Who is at the other end."""

    address: str
    """For people: host and port."""
    host: str = ""
    """The IP address."""
    host_name: str | None = None
    user: str | None = None
    """Who logged in; None if nobody did."""


class Session:
    """One client: takes its requests, and tells it what comes of them. Made by Sessions.open."""

    _log = Logger()

    def __init__(
        self, sessions: Sessions, writer: IWriter, client: Client, hang_up: HangUp
    ) -> None:
        self.client = client
        self.quota = sessions.quota()
        self._hang_up = hang_up
        self._ended = False
        self._rest: requests.Request | None = None
        self.outbox = Outbox(sessions.flush_cycle, writer)
        self._sessions = sessions
        self.encoding = VERSION_1
        """The options in force for what asks for no others."""
        self.subscriptions = Subscriptions(self, sessions)
        self._operations = Operations(self, sessions)

    # What the client sends

    def receive(self, payload: bytes, is_binary: bool = False) -> None:
        """Do what a message asks for; a mistake in it is answered and changes nothing."""
        try:
            if is_binary:
                raise BadMessageError("bad_request", "expected a text message, got a binary one")
            if self.quota.requests.take():
                self._answer(requests.parse(payload))
            else:
                self._turn_away(payload)
        except BadMessageError as mistake:
            self._refuse_request(mistake)
        except Exception:
            self.fail(Failure())

    @property
    def is_busy(self) -> bool:
        """Whether a long list is still being worked on: what comes after it has to wait."""
        return self._rest is not None

    def go_on(self) -> None:
        """Work on a long list, if there is one, a part at a time."""
        rest, self._rest = self._rest, None
        if rest is not None:
            try:
                self._answer(rest)
            except Exception:
                self.fail(Failure())

    def takes_answers(self) -> bool:
        """Whether the client reads what it asks for; one that does not is hung up on."""
        if not self.outbox.is_overfull:
            return True
        self._sessions.refusals.count("asked on, but took no answers", self.client.address)
        self._hang_up(1008, "took no answers")
        return False

    def may_ask(self) -> bool:
        """Count a request that the connection itself answers; whether it may be answered."""
        if self.quota.requests.take():
            return True
        self.refuse(_TOO_MANY)
        return False

    def close(self) -> None:
        """End all that it asked for: the client is gone."""
        self._ended = True
        self._rest = None
        self.outbox.close()
        self.subscriptions.close()
        self._operations.close()
        # They hold this in their turn, and all would wait for the garbage collector.
        del self.subscriptions, self._operations
        self._sessions.closed(self)

    # What the client is told

    def send(self, payload: bytes) -> None:
        """Have a message sent at the end of this turn; none after the end."""
        if self._ended:
            return
        if self.encoding.batch:
            self.outbox.append_to_batch(payload)
        else:
            self.outbox.append(text_frame(payload))

    def refuse(self, mistake: BadMessageError) -> None:
        """Have the client told of a mistake; closes the connection of one that floods."""
        self.send(replies.error(mistake))
        if mistake.code in _LIMITS:
            self._sessions.refusals.count(mistake.message, self.client.address)
        if mistake.code == "rate_limited" and not self.quota.abuse.take():
            self._sessions.refusals.count("closed for too many requests", self.client.address)
            self._hang_up(1008, "too many requests")

    def reserve_channel(self, real_name: str) -> None:
        """Check that one more channel may be opened; raise `too_many_pvs` if not."""
        hub = self._sessions.hub
        if real_name not in hub and len(hub) >= self._sessions.limits.channels:
            raise BadMessageError("too_many_pvs", "the gateway has as many PVs open as it may")
        if not self.quota.unresolved.admit(real_name):
            raise BadMessageError("too_many_pvs", "too many PVs that no IOC has answered for")

    def fail(self, failure: Failure) -> None:
        """Log a mistake of ours, and have the client told that there was one."""
        self._log.failure("A request of {client} failed", failure, client=self.client.address)
        self.refuse(BadMessageError("internal", "the gateway failed; its log says why"))

    def authorize(self, name: str, decide: Decide | None = None) -> Verdict:
        """What the client may do with a PV; BadMessageError `forbidden` if it may not read it."""
        client = self.client
        decide = decide or self._sessions.policy.decide
        verdict = decide(client.user, client.host, client.host_name, name)
        if not verdict.read:
            raise BadMessageError("forbidden", "this gateway does not let you read it", pvname=name)
        return verdict

    def _turn_away(self, payload: bytes) -> None:
        """Refuse a request that is one too many, by what is known of it."""
        try:
            request = requests.parse(payload)
        except BadMessageError as mistake:
            known = attrs.evolve(mistake, code=_TOO_MANY.code, message=_TOO_MANY.message)
            self._refuse_request(known)
        else:
            value = request.value if isinstance(request, requests.Put) else None
            self._refuse_request(requests.about(request, _TOO_MANY), value)

    def _refuse_request(self, mistake: BadMessageError, value: Any = None) -> None:
        if mistake.action == "put":
            self._operations.log_refused(mistake, value)
        self.refuse(mistake)

    # Requests that are answered at once

    def _answer(self, request: requests.Request) -> None:
        _DISPATCH[type(request)](self, request)

    def _take_names(self, request: requests.PVsRequest) -> tuple[str, ...]:
        """The first names of a list; the rest is for later."""
        if len(request.names) > NAMES_AT_ONCE:
            rest = request.names[NAMES_AT_ONCE:]
            self._rest = attrs.evolve(request, names=rest, mistakes=())
        return request.names[:NAMES_AT_ONCE]

    def _connect(self, request: requests.Connect) -> None:
        encoding = self.encoding
        if request.options:
            encoding = attrs.evolve(encoding, **request.options)
        mistakes = list(request.mistakes)
        for name in self._take_names(request):
            try:
                self.subscriptions.open(name, encoding)
            except BadMessageError as refusal:
                mistakes.append(attrs.evolve(refusal, pvname=name))
            except Exception:
                self.fail(Failure())
        for mistake in mistakes:
            self.refuse(attrs.evolve(mistake, action=request.action, id=request.id))

    def _disconnect(self, request: requests.Disconnect) -> None:
        for name in self._take_names(request):
            self.subscriptions.end(name)
        for mistake in request.mistakes:
            self.refuse(attrs.evolve(mistake, id=request.id))

    def _configure(self, request: requests.Configure) -> None:
        # In a batch or not, what was said so far goes out before what comes.
        self.outbox.flush()
        self.encoding = attrs.evolve(self.encoding, **request.options)
        self.send(replies.configured(request, self.encoding))

    def _list(self, request: requests.ListPVs) -> None:
        names = self.subscriptions.names
        self.quota.requests.take(len(names) / NAMES_A_TOKEN)
        self.send(replies.listed(request, names))

    def _ping(self, request: requests.Ping) -> None:
        self.send(replies.pong(request))

    def _get(self, request: requests.Get) -> None:
        self._operations.get(request)

    def _info(self, request: requests.Info) -> None:
        self._operations.info(request)

    def _put(self, request: requests.Put) -> None:
        self._operations.put(request)


_TOO_MANY = BadMessageError("rate_limited", "too many requests a second")
_LIMITS = frozenset(["rate_limited", "too_many_pvs", "overloaded"])
_DISPATCH: dict[type, Callable[[Session, Any], None]] = {
    requests.Connect: Session._connect,
    requests.Disconnect: Session._disconnect,
    requests.Configure: Session._configure,
    requests.Get: Session._get,
    requests.Put: Session._put,
    requests.Info: Session._info,
    requests.ListPVs: Session._list,
    requests.Ping: Session._ping,
}
