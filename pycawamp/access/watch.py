"""A policy that follows its files."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.filewatch import FileWatcher, Run
from pycawamp.pv.hub import PVHub

from .errors import AccessFileError
from .inputs import FileInputs, InputSubscriptions
from .interfaces import IClassifyingPolicy, Verdict
from .load import AccessFiles
from .policy import Policy

Listener = Callable[[Policy], None]


@implementer(IClassifyingPolicy)
class PolicyWatcher(FileWatcher[Policy]):
    """A service that reads a policy from files, again on `reload` and when a file changes.

    If a changed file is invalid, the previous policy stays in force; the error is logged, and kept
    in `error` until the file is valid. With a hub (`follow`), the INP PVs of the access security
    file are subscribed to while the service runs.

    Args:
        files: The access files.
        clock: The reactor.
        log: The logger for changes and errors.
        run: Calls the function that reads changed files, and returns a Deferred of its result. It
            should use a thread if host names are looked up.

    Raises:
        AccessFileError: A file is invalid.
    """

    #: Seconds from the first change of an INP until listeners are called. Decisions use new values
    #: immediately.
    inputs_delay = 0.1

    def __init__(
        self,
        files: AccessFiles,
        clock: IReactorTime,
        log: Logger | None = None,
        run: Run[Policy] = maybeDeferred,
    ) -> None:
        super().__init__(clock, (files.pvlist, files.access), run)
        self._files = files
        self._log = log or Logger()
        self._listeners: list[Listener] = []
        self.policy = files.load()
        self.error: AccessFileError | None = None
        self._hub: PVHub | None = None
        self._inputs: InputSubscriptions | None = None
        self._reporting: IDelayedCall | None = None
        self._warn(self.policy)

    @property
    def by_address(self) -> bool:
        """Whether rights can depend on a client's address."""
        return self.policy.by_address

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """Return a client's access to a PV, by the current policy."""
        return self.policy.decide(user, host, host_name, pv)

    def kind(self, user: str | None, host: str, host_name: str | None) -> Hashable:
        """Return the kind of a client, by the current policy."""
        return self.policy.kind(user, host, host_name)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call a function with the policy when it, or values of its INPs, have changed.

        Returns:
            A function that removes the listener.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def follow(self, hub: PVHub) -> None:
        """Subscribe to INPs with this hub, which must run while this service does."""
        self._hub = hub

    def startService(self) -> None:
        """Start watching the files, and subscribe to INPs."""
        super().startService()
        self._inputs = self._subscribe(self.policy)

    def stopService(self) -> None:
        """Stop watching the files, and unsubscribe; the policy stays in force."""
        super().stopService()
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        if self._reporting is not None:
            self._reporting.cancel()
            self._reporting = None

    def read(self) -> Policy:
        """Read the files.

        Raises:
            AccessFileError: A file is invalid.
        """
        return self._files.load()

    def accept(self, result: Policy) -> None:
        """Use a new policy."""
        self.error = None
        # Before the old ones are closed, so that a PV of both keeps its channel and value.
        inputs = self._subscribe(result)
        self.policy = result
        if self._inputs is not None:
            self._inputs.close()
        self._inputs = inputs
        self._log.info("New access rules are in force")
        self._warn(result)
        self._report_all()

    def _warn(self, policy: Policy) -> None:
        for warning in policy.warnings:
            self._log.warn("{warning}", warning=warning)

    def _subscribe(self, policy: Policy) -> InputSubscriptions | None:
        if policy.acf is None or self._hub is None or not self.running:
            return None
        return InputSubscriptions(self._hub, FileInputs(policy.acf), self._inputs_changed)

    def _inputs_changed(self) -> None:
        if self._reporting is None:
            self._reporting = self._clock.callLater(self.inputs_delay, self._report_inputs)

    def _report_inputs(self) -> None:
        self._reporting = None
        self._report_all()

    def _report_all(self) -> None:
        for listener in list(self._listeners):
            self._report(listener, self.policy)

    def refuse(self, failure: Failure) -> None:
        """Log why the previous policy stays in force."""
        error = failure.value
        if isinstance(error, AccessFileError):
            self.error = error
            self._log.error("{error}; the previous access rules stay in force", error=error)
        else:
            self._log.failure("The access rules could not be read", failure)

    def _report(self, listener: Listener, policy: Policy) -> None:
        # The others must be called if one fails.
        try:
            listener(policy)
        except Exception:
            self._log.failure("A listener failed on new access rules")
