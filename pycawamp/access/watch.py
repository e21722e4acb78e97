"""Keeps the policy in force in step with the access files."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pycawamp.filewatch import FileWatcher, Run

from .errors import AccessFileError
from .interfaces import IPolicy, Verdict
from .load import AccessFiles
from .policy import Policy

Listener = Callable[[Policy], None]


@implementer(IPolicy)
class PolicyWatcher(FileWatcher[Policy]):
    """Holds the policy in force; loads it when made, on `reload` and when a file changes.

    A bad new file leaves the old policy in force; the error is logged, and kept in `error` until
    a good one comes. Making a watcher of bad files raises `AccessFileError`.

    Reading may take long, as host names are looked up: `run` does it for all reloads, and should
    do it in a thread.
    """

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

    def read(self) -> Policy:
        """Load the files; raises `AccessFileError`."""
        return self._files.load()

    def accept(self, result: Policy) -> None:
        """Put a policy into force."""
        self.error = None
        self.policy = result
        self._log.info("new access rules are in force")
        for listener in list(self._listeners):
            self._tell(listener, result)

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
