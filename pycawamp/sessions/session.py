"""One client's conversation: what it asked for, and what it is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from twisted.logger import Logger
from twisted.python.failure import Failure

from pycawamp.access.hosts import network_key
from pycawamp.access.interfaces import Decide, Verdict
from pycawamp.fanout.outbox import IWriter, Outbox
from pycawamp.pv.router import UnknownSchemeError
from pycawamp.sessions.names_in_use import Holder
from pycawamp.sessions.operations import Operations
from pycawamp.sessions.subscriptions import Subscriptions
from pycawamp.wire import requests
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.errors import BadMessageError
from pycawamp.wire.names import checked_name

if TYPE_CHECKING:
    from pycawamp.sessions.registry import Sessions

HangUp: TypeAlias = Callable[[int, str], None]
"""Closes a client's connection with a code and a reason."""

NAMES_AT_ONCE = 20
"""PVs of a long list that are connected before others have their turn."""
NAMES_A_TOKEN = 5
"""PVs of a long list that cost as much of the allowed rate as a request."""
TOLD_AT_ONCE = 500
"""PVs of the answer to a `list` that are told before others have their turn."""
TOLD_A_TOKEN = 50
"""PVs of that answer that cost as much as a request."""
BYTES_A_TOKEN = 2**14
"""Bytes of a long message that cost as much as a request."""
MAX_ERRORS = 100
"""Mistakes in a list that are told one by one."""


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
        self,
        sessions: Sessions,
        writer: IWriter,
        client: Client,
        hang_up: HangUp,
        encoding: Encoding,
    ) -> None:
        self.client = client
        self.quota = sessions.quota()
        self._hang_up = hang_up
        self._ended = False
        self._rest: Iterator[None] | None = None
        self.outbox = Outbox(sessions.flush_cycle, writer)
        self._sessions = sessions
        self._holder = Holder(network_key(client.host), self.give_up)
        self.dialect = encoding.dialect
        self.encoding = encoding
        """The options in force for what asks for no others."""
        self.subscriptions = Subscriptions(self, sessions)
        self._operations = Operations(self, sessions)

    # What the client sends

    def receive(self, payload: bytes, is_binary: bool = False) -> None:
        """Do what a message asks for; a mistake in it is answered and changes nothing."""
        try:
            if is_binary:
                raise BadMessageError("bad_request", "expected a text message, got a binary one")
            if self.quota.requests.take(1 + len(payload) // BYTES_A_TOKEN):
                self._answer(self.dialect.parse(payload))
            else:
                self._turn_away(payload)
        except BadMessageError as mistake:
            self._refuse_request(mistake)
        except Exception:
            self.fail(Failure())

    @property
    def is_ended(self) -> bool:
        """Whether the client is gone."""
        return self._ended

    @property
    def is_busy(self) -> bool:
        """Whether a long list is still being worked on: what comes after it has to wait."""
        return self._rest is not None

    def go_on(self) -> None:
        """Work on a long list, if there is one, a part at a time."""
        if self._rest is None or not self.takes_answers():
            return
        try:
            next(self._rest)
        except StopIteration:
            self._rest = None
        except Exception:
            self._rest = None
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
        self._sessions.finish(self.subscriptions.close())
        self._sessions.finish(self._operations.close())
        # They hold this in their turn, and all would wait for the garbage collector.
        del self.subscriptions, self._operations
        holder = self._holder
        self._sessions.unresolved.leave(holder)
        self._sessions.spellings.leave(holder)
        del self._holder
        self._sessions.closed(self)

    # What the client is told

    def send(self, payload: bytes | None, is_binary: bool = False) -> None:
        """Send a message at the end of this flush cycle, if there is one and the client is here."""
        if self._ended or payload is None:
            return
        framing = self.outbox.framing
        if is_binary:
            self.outbox.append(framing.binary(payload))
        elif self.encoding.batch:
            self.outbox.append_to_batch(payload)
        else:
            self.outbox.append(framing.text(payload))

    def refuse(self, mistake: BadMessageError) -> None:
        """Have the client told of a mistake; closes the connection of one that floods."""
        message = self.dialect.error(mistake)
        self.send(message)
        if mistake.code in _LIMITS:
            self._sessions.refusals.count(mistake.message, self.client.address)
        elif message is None:
            kind = f"{self.dialect.name}: {mistake.code}"
            self._sessions.refusals.count(kind, self.client.address, mistake.message)
        if mistake.code == "rate_limited" and not self.quota.abuse.take():
            self._sessions.refusals.count("closed for too many requests", self.client.address)
            self._hang_up(1008, "too many requests")

    def reserve_channel(self, real_name: str) -> None:
        """Check that one more channel may be opened; raise `too_many_pvs` if not."""
        sessions, holder = self._sessions, self._holder
        problem = sessions.spellings.problem(real_name, holder)
        problem = problem or sessions.unresolved.admit(real_name, holder)
        if problem is not None:
            raise BadMessageError("too_many_pvs", problem)
        sessions.spellings.add(real_name, holder)

    def give_up(self, real_names: Collection[str]) -> None:
        """End the searches for these names: others need the room."""
        self.subscriptions.give_up(real_names)
        self._operations.give_up(real_names)

    def fail(self, failure: Failure) -> None:
        """Log a mistake of ours, and have the client told that there was one."""
        self.log_failure(failure)
        self.refuse(_FAILED)

    def log_failure(self, failure: Failure) -> None:
        """Log a mistake of ours."""
        self._log.failure("A request of {client} failed", failure, client=self.client.address)

    def authorize(self, name: str, decide: Decide | None = None) -> Verdict:
        """Return what the client may do with a PV, and the name of its channel.

        Rules see the name without its scheme. Raises BadMessageError: `forbidden` if the
        client may not read the PV, `bad_name` if no backend serves its scheme.
        """
        client, router = self.client, self._sessions.router
        decide = decide or self._sessions.policy.decide
        try:
            parsed = router.parse(name)
        except UnknownSchemeError as error:
            raise BadMessageError("bad_name", str(error), pvname=name) from None
        verdict = decide(client.user, client.host, client.host_name, parsed.bare)
        if not verdict.read:
            raise BadMessageError("forbidden", "this gateway does not let you read it", pvname=name)
        channel_name = router.channel_name(parsed.scheme, verdict.real_name)
        if channel_name == verdict.real_name:
            return verdict
        return attrs.evolve(verdict, real_name=channel_name)

    def _turn_away(self, payload: bytes) -> None:
        """Refuse a request that is one too many, by what is known of it."""
        try:
            request = self.dialect.parse(payload)
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

    def _work_on(self, request: requests.PVsRequest, act: Callable[[str], object]) -> None:
        """Do something with each PV of a request, a part at a time if they are many."""
        most, number = self._sessions.limits.names, len(request.names)
        if number > most:
            text = f'expected at most {most} names in "pvs", got {number}'
            raise requests.about(request, BadMessageError("bad_request", text))
        if number > 1:
            self.quota.requests.charge(number / NAMES_A_TOKEN)
        self._begin(self._parts(request, act))

    def _begin(self, work: Iterator[None]) -> None:
        self._rest = work
        self.go_on()

    def _parts(self, request: requests.PVsRequest, act: Callable[[str], object]) -> Iterator[None]:
        done: set[str] = set()
        errors = ListErrors(self, request)
        for number, sent in enumerate(request.names, 1):
            try:
                name = checked_name(sent)
                if name not in done:
                    done.add(name)
                    act(name)
            except BadMessageError as mistake:
                errors.add(sent, mistake)
            except Exception:
                errors.add_failure(sent, Failure())
            if number % NAMES_AT_ONCE == 0 and number < len(request.names):
                yield
        errors.end()

    def _connect(self, request: requests.Connect) -> None:
        encoding = self.encoding
        if request.options:
            encoding = attrs.evolve(encoding, **request.options)
        self._work_on(request, lambda name: self.subscriptions.open(name, encoding))

    def _disconnect(self, request: requests.Disconnect) -> None:
        self._work_on(request, self.subscriptions.end)

    def _configure(self, request: requests.Configure) -> None:
        # In a batch or not, what was said so far goes out before what comes.
        self.outbox.flush()
        self.encoding = attrs.evolve(self.encoding, **request.options)
        self.send(self.dialect.configured(request, self.encoding))

    def _list(self, request: requests.ListPVs) -> None:
        self.quota.requests.charge(len(self.subscriptions.names) / TOLD_A_TOKEN)
        self._begin(self._list_parts(request))

    def _list_parts(self, request: requests.ListPVs) -> Iterator[None]:
        # A long answer takes as many turns as asking for its PVs took.
        for _ in range(TOLD_AT_ONCE, len(self.subscriptions.names), TOLD_AT_ONCE):
            yield
        self.send(self.dialect.listed(request, self.subscriptions.names))

    def _ping(self, request: requests.Ping) -> None:
        if self.dialect.pings_back:
            self.outbox.append(self.outbox.framing.ping)
        else:
            self.send(self.dialect.pong(request))

    def _echo(self, request: requests.Echo) -> None:
        self.send(request.payload)

    def _get(self, request: requests.Get) -> None:
        self._operations.get(request)

    def _info(self, request: requests.Info) -> None:
        self._operations.info(request)

    def _put(self, request: requests.Put) -> None:
        self._operations.put(request)


class ListErrors:
    """Tells a client of the mistakes in its list: the first ones each, of the others how many."""

    def __init__(self, session: Session, request: requests.PVsRequest) -> None:
        self._session = session
        self._request = request
        self._number = 0
        self._has_failed = False
        self._first_untold: BadMessageError | None = None

    def add(self, sent: Any, mistake: BadMessageError) -> None:
        """Tell of a mistake about one of the names, as it was sent."""
        pvname = mistake.pvname
        if pvname is None and isinstance(sent, str):
            pvname = sent
        mistake = attrs.evolve(
            mistake, action=self._request.action, pvname=pvname, id=self._request.id
        )
        self._number += 1
        if self._number <= MAX_ERRORS:
            self._session.refuse(mistake)
        elif self._first_untold is None:
            self._first_untold = mistake

    def add_failure(self, sent: Any, failure: Failure) -> None:
        """Tell of a mistake of ours; log the first of the list."""
        if not self._has_failed:
            self._session.log_failure(failure)
        self._has_failed = True
        self.add(sent, _FAILED)

    def end(self) -> None:
        """Tell how many mistakes were not told."""
        first = self._first_untold
        if first is not None:
            text = f"{self._number - MAX_ERRORS} more of the list, the first: {first.message}"
            self._session.refuse(attrs.evolve(first, message=text, pvname=None))


_TOO_MANY = BadMessageError("rate_limited", "too many requests a second")
_FAILED = BadMessageError("internal", "the gateway failed; its log says why")
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
    requests.Echo: Session._echo,
}
