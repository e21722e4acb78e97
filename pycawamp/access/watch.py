"""Keeps the policy in force in step with the access files."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from .errors import AccessFileError
from .interfaces import IPolicy, Verdict
from .load import AccessFiles
from .policy import Policy

Listener = Callable[[Policy], None]
Run = Callable[[Callable[[], Policy]], "Deferred[Policy]"]


@implementer(IPolicy)
class PolicyWatcher(Service):
    """Holds the policy in force; loads it when made, on `reload` and when a file changes.

    A bad new file leaves the old policy in force; the error is logged, and kept in `error` until
    a good one comes. Making a watcher of bad files raises `AccessFileError`.

    Reading may take long, as host names are looked up: `run` does it for all reloads, and should
    do it in a thread.
    """

    #: Seconds between looks at the files. A change is taken up at the second look that finds it,
    #: so that a file is not read while an editor writes it.
    interval = 2.0

    def __init__(
        self,
        files: AccessFiles,
        clock: IReactorTime,
        log: Logger | None = None,
        run: Run = maybeDeferred,
    ) -> None:
        self._files = files
        self._run = run
        # One at a time, so that what was read last comes into force last.
        self._loading = DeferredLock()
        self._log = log or Logger()
        self._listeners: list[Listener] = []
        self._seen = self._latest = files.signatures()
        self.policy = files.load()
        self.error: AccessFileError | None = None
        self._polling = LoopingCall(self._poll)
        self._polling.clock = clock

    @property
    def by_address(self) -> bool:
        """Whether what a client may do can depend on its address."""
        return self.policy.by_address

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """What the policy now in force says."""
        return self.policy.decide(user, host, host_name, pv)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each new policy, after it came into force; returns how to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def startService(self) -> None:
        """Begin to look at the files."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._files.signatures():
            self._polling.start(self.interval, now=False)

    def stopService(self) -> None:
        """Look no more; the policy stays."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._polling.running:
            self._polling.stop()

    def reload(self) -> Deferred[bool]:
        """Read the files now, changed or not; fires with whether they were good."""
        # Taken before reading: a change in between is found by the next look.
        self._seen = self._latest = self._files.signatures()
        return self._loading.run(self._load)

    def _load(self) -> Deferred[bool]:
        return self._run(self._files.load).addCallbacks(self._accept, self._keep)

    def _accept(self, policy: Policy) -> bool:
        self.error = None
        self.policy = policy
        self._log.info("new access rules are in force")
        for listener in list(self._listeners):
            self._tell(listener, policy)
        return True

    def _keep(self, failure: Failure) -> bool:
        error = failure.value
        if isinstance(error, AccessFileError):
            self.error = error
            self._log.error("{error}; the access rules before it stay in force", error=error)
        else:
            self._log.failure("the access rules could not be read", failure)
        return False

    def _poll(self) -> None:
        found = self._files.signatures()
        settled, self._latest = found == self._latest, found
        if settled and found != self._seen:
            self.reload()

    def _tell(self, listener: Listener, policy: Policy) -> None:
        # One that fails must not keep the others with rules of yesterday.
        try:
            listener(policy)
        except Exception:
            self._log.failure("a listener failed on new access rules")
