"""A thread that executes jobs in order."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

Job = Callable[[], Any]


class Worker:
    """Executes jobs one after another on its own thread.

    `flush` is called when no more jobs are queued, so once for a burst of jobs.
    """

    _log = Logger()

    def __init__(self, reactor: Any, name: str, flush: Job) -> None:
        self._reactor = reactor
        self._flush = flush
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._name = name
        self._stopping = False
        self._stopped: Deferred[None] = Deferred()

    def start(self) -> None:
        """Start the thread. Call it after a fork, which threads do not survive."""
        # A daemon: if a library call never returned, the process could still end.
        Thread(target=self._run, name=self._name, daemon=True).start()

    def do(self, job: Job) -> None:
        """Queue a job. May be called from any thread."""
        self._jobs.put(job)

    def stop(self, last: Job) -> Deferred[None]:
        """Skip queued jobs, execute `last`, and end the thread; fires when it has ended."""
        self._stopping = True
        self._last = last
        self._jobs.put(None)
        return self._stopped

    def _run(self) -> None:
        while not self._stopping:
            self._attempt(self._jobs.get())
            self._attempt_waiting()
            self._attempt(self._flush)
        self._attempt(self._last)
        self._reactor.callFromThread(self._stopped.callback, None)

    def _attempt_waiting(self) -> None:
        while not self._stopping:
            try:
                self._attempt(self._jobs.get_nowait())
            except Empty:
                return

    def _attempt(self, job: Job | None) -> None:
        try:
            if job is not None:
                job()
        except Exception:
            self._log.failure("A job of {name} failed", name=self._name)
