"""The destination and the format of the log."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import IO, Any, cast

from twisted.application.service import Service
from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    textFileLogObserver,
)

from pycawamp.config.command_line import refuse
from pycawamp.config.settings import LogFormat, LogSettings

_PLAIN = (str, int, float, bool, type(None))
_OF_TWISTED = frozenset({"message", "time", "system", "isError", "format", "logger", "text"})


class LogFile:
    """A log file that may be moved or truncated: it is appended to, and can be reopened."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).absolute()
        self._file = self._open()

    def write(self, text: str) -> None:
        """Append lines."""
        self._file.write(text)

    def flush(self) -> None:
        """Do nothing: each line is written immediately."""

    def reopen(self) -> None:
        """Close the file, and open the one that now has its name.

        Raises:
            OSError: It cannot be opened; the previous file stays in use.
        """
        before, self._file = self._file, self._open()
        before.close()

    def _open(self) -> IO[str]:
        return self._path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")


class LogReopener(Service):
    """A service that reopens a log file on SIGUSR1."""

    _log = Logger()

    def __init__(self, reactor: Any, file: LogFile) -> None:
        self._reactor = reactor
        self._file = file
        self._before: Any = None

    def startService(self) -> None:
        """Install the signal handler."""
        super().startService()  # type: ignore[no-untyped-call]
        self._before = signal.signal(signal.SIGUSR1, self._signal_received)

    def stopService(self) -> None:
        """Restore the previous signal handler."""
        super().stopService()  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGUSR1, self._before or signal.SIG_DFL)

    def reopen(self) -> None:
        """Reopen the file."""
        try:
            self._file.reopen()
        except OSError as error:
            self._log.error("The log file cannot be reopened: {error}", error=str(error))

    def _signal_received(self, _number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(self.reopen)


def log_file(twistd: Mapping[str, Any]) -> LogFile | None:
    """Return the log file named by twistd's options; None for stdout.

    Raises:
        OSError: It cannot be opened.
    """
    name = twistd.get("logfile")
    if name == "-" or (not name and twistd.get("nodaemon")):
        return None
    return LogFile(name or "twistd.log")


def log_observer(settings: LogSettings, file: LogFile | None) -> ILogObserver:
    """Return an observer that writes events of at least a level, in a format."""
    out = cast("IO[Any]", file or sys.stdout)
    as_json = settings.format is LogFormat.JSON
    observer = FileLogObserver(out, json_line) if as_json else textFileLogObserver(out)
    level = LogLevel.levelWithName(settings.level)
    return FilteringLogObserver(observer, [LogLevelFilterPredicate(level)])


def twistd_log(
    twistd_options: Mapping[str, Any], settings: LogSettings
) -> tuple[LogFile | None, ILogObserver | None]:
    """Return the log file and its observer; None: stdout, and twistd's own observer.

    Exits if the file cannot be written.
    """
    if twistd_options.get("syslog"):
        if settings != LogSettings(access=settings.access):
            refuse("--log-format and --log-level cannot be used with twistd's --syslog")
        return None, None
    try:
        file = log_file(twistd_options)
    except OSError as error:
        refuse(f"--logfile: cannot write {error.filename}: {error.strerror}")
    return file, log_observer(settings, file)


def json_line(event: LogEvent) -> str:
    """Return an event as one line of JSON: time, level, system, message, and its other fields."""
    line: dict[str, Any] = {
        "time": datetime.fromtimestamp(event["log_time"], timezone.utc).isoformat(),
        "level": event["log_level"].name if event.get("log_level") else "info",
        "system": event.get("log_namespace") or event.get("log_system") or "-",
        "message": formatEvent(event),
    }
    if "log_failure" in event:
        line["traceback"] = _or_unformattable(event["log_failure"].getTraceback)
    for name, value in event.items():
        if name not in line and not name.startswith("log_") and name not in _OF_TWISTED:
            line[name] = value if isinstance(value, _PLAIN) else _or_unformattable(value.__str__)
    return json.dumps(line, ensure_ascii=False) + "\n"


def _or_unformattable(make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as error:
        return f"<cannot be shown: {error!r}>"
