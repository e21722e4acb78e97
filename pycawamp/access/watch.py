"""Keeps the policy in force in step with the access files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.filewatch import FileWatcher, Run

from .errors import AccessFileError
from .inputs import FileInputs, InputSubscriptions
from .interfaces import IPolicy, Verdict
from .load import AccessFiles
from .policy import Policy

if TYPE_CHECKING:
    from pycawamp.pv.hub import PVHub

Listener = Callable[[Policy], None]


@implementer(IPolicy)
class PolicyWatcher(FileWatcher[Policy]):
    """Holds the policy in force; loads it when made, on `reload` and when a file changes.

    A bad new file leaves the old policy in force; the error is logged, and kept in `error` until
    a good one comes. Making a watcher of bad files raises `AccessFileError`.

    Reading may take long, as host names are looked up: `run` does it for all reloads, and should
    do it in a thread.

    With a hub (`follow`), the PVs that INP names in the access security file are subscribed to
    while the service runs, and listeners are called too when these change what somebody may do.
    """

    #: Seconds in which changes of INP PVs are gathered before listeners are called. A decision
    #: follows at once.
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
        self._telling: IDelayedCall | None = None
        self._warn(self.policy)

    @property
    def by_address(self) -> bool:
        """Whether what a client may do can depend on its address."""
        return self.policy.by_address

    def decide(self, user: str | None, host: str, host_name: str | None, pv: str) -> Verdict:
        """What the policy now in force says."""
        return self.policy.decide(user, host, host_name, pv)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the policy when it is a new one or its INPs change what it says.

        Returns a function that stops this.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def follow(self, hub: PVHub) -> None:
        """Take the values of INPs from this hub, which must run while this service does."""
        self._hub = hub

    def startService(self) -> None:
        """Begin to look at the files, and to follow the INPs."""
        super().startService()
        self._inputs = self._subscribe(self.policy)

    def stopService(self) -> None:
        """Look no more; the policy stays."""
        super().stopService()
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None

    def read(self) -> Policy:
        """Load the files; raises `AccessFileError`."""
        return self._files.load()

    def accept(self, result: Policy) -> None:
        """Put a policy into force."""
        self.error = None
        # Before the old ones are closed, so that a PV of both keeps its channel and its value.
        inputs = self._subscribe(result)
        self.policy = result
        if self._inputs is not None:
            self._inputs.close()
        self._inputs = inputs
        self._log.info("new access rules are in force")
        self._warn(result)
        self._tell_all()

    def _warn(self, policy: Policy) -> None:
        for warning in policy.warnings:
            self._log.warn("{warning}", warning=warning)

    def _subscribe(self, policy: Policy) -> InputSubscriptions | None:
        if policy.acf is None or self._hub is None or not self.running:
            return None
        return InputSubscriptions(self._hub, FileInputs(policy.acf), self._hear_inputs)

    def _hear_inputs(self) -> None:
        if self._telling is None:
            self._telling = self._clock.callLater(self.inputs_delay, self._tell_inputs)

    def _tell_inputs(self) -> None:
        self._telling = None
        self._tell_all()

    def _tell_all(self) -> None:
        for listener in list(self._listeners):
            self._tell(listener, self.policy)

    def refuse(self, failure: Failure) -> None:
        """Log why the policy before stays in force."""
        error = failure.value
        if isinstance(error, AccessFileError):
            self.error = error
            self._log.error("{error}; the access rules before it stay in force", error=error)
        else:
            self._log.failure("the access rules could not be read", failure)

    def _tell(self, listener: Listener, policy: Policy) -> None:
        # One that fails must not keep the others with rules of yesterday.
        try:
            listener(policy)
        except Exception:
            self._log.failure("a listener failed on new access rules")
