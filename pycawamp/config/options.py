"""The options: each is written here once; argv, the environment and a file to settings."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from twisted.python import usage

from pycawamp.config import types as values
from pycawamp.config.describe import configuration_file
from pycawamp.config.option import Given, Option, OptionError
from pycawamp.config.settings import (
    DIALECTS,
    PROVIDERS,
    DialectSettings,
    GatewaySettings,
    LogSettings,
    Settings,
)
from pycawamp.config.sources import from_environment, from_file, nearest
from pycawamp.config.to_settings import to_settings
from pycawamp.web.channel import HTTPLimits

_GATEWAY = GatewaySettings()
_SOCKET = _GATEWAY.socket
_LIMITS = _GATEWAY.limits
_HTTP = HTTPLimits()
_DIALECTS = DialectSettings()
_LOG = LogSettings()
_COUNT = values.whole()
OPTIONS = (
    Option(
        "config",
        None,
        "Configuration file (TOML); --print-config prints one",
        values.path,
        "c",
        is_in_files=False,
    ),
    Option(
        "port",
        "8888",
        "Port number or Twisted endpoint, such as tcp:8888:interface=127.0.0.1",
        values.ports,
        "p",
        repeated=True,
    ),
    Option("demo", "no", "Also run an IOC with demo records", values.flag),
    Option(
        "default-provider",
        _GATEWAY.default_provider,
        "Protocol of names without a scheme: ca or pva",
        values.one_of(PROVIDERS),
    ),
    Option(
        "connect-timeout",
        _GATEWAY.connect_timeout,
        "Seconds until a PV is reported as not connected",
        values.seconds,
    ),
    Option(
        "linger",
        _GATEWAY.linger,
        "Seconds a channel stays open after its last client has left",
        values.seconds,
    ),
    Option(
        "history",
        _GATEWAY.history,
        "Seconds that are kept of each PV that holds a number; 0: none",
        values.seconds_or_0,
    ),
    Option(
        "archiver",
        None,
        "EPICS Archiver Appliance, such as http://archiver:17668/retrieval",
        values.url,
    ),
    Option(
        "stall-timeout",
        _SOCKET.stall_timeout,
        "Seconds until a client that reads nothing is disconnected",
        values.seconds,
    ),
    Option(
        "ping-interval",
        _SOCKET.ping_interval,
        "Seconds between pings; a client that does not answer is disconnected",
        values.interval,
    ),
    Option(
        "compression",
        "no",
        "Compress messages for clients that offer permessage-deflate",
        values.flag,
    ),
    Option(
        "drain-time",
        Settings().drain_time,
        "Seconds for disconnecting clients gradually when the gateway stops; 0: at once",
        values.seconds_or_0,
    ),
    Option("pvlist", None, "PV list file: which PVs are served (docs/access.md)", values.path),
    Option(
        "pvlist-syntax",
        None,
        "Build of the CA gateway that the PV list was written for: gnu, gnu-neg, pcre or pcre-neg",
        values.pvlist_syntax,
    ),
    Option("access", None, "Access security file: who may read and write", values.path),
    Option("allow-put", None, "Let logged-in users write; =anyone: everybody", values.writers),
    Option("put-log", None, "File to log puts to, instead of the log", values.path),
    Option(
        "log-format",
        _LOG.format.value,
        "Format of the log: text, or json for one object per line",
        values.log_format,
    ),
    Option(
        "log-level",
        _LOG.level,
        "Lowest level to log: debug, info, warn, error or critical",
        values.log_level,
    ),
    Option("access-log", "no", "Log each HTTP request", values.flag),
    Option("htpasswd", None, "Password file with bcrypt or argon2 entries", values.path),
    Option("jwt-key", None, "File with the public key (PEM) or the secret for JWTs", values.path),
    Option("jwt-audience", None, "Required audience of JWTs", values.some_text),
    Option("jwt-issuer", None, "Required issuer of JWTs", values.some_text),
    Option("require-login", "no", "Require a login even for reading", values.flag),
    Option(
        "trust-proxy",
        None,
        "Address or network of a proxy whose X-Forwarded headers are trusted",
        values.proxies,
        repeated=True,
    ),
    Option("user-header", None, "Header with the user name, set by a trusted proxy", values.header),
    Option(
        "status",
        "local",
        "Who may see /status and /metrics: local (this machine), logged-in, anyone or nobody",
        values.report_readers,
    ),
    Option(
        "allow-origin",
        None,
        "Other origins whose pages may connect where access is restricted",
        values.origins,
        repeated=True,
    ),
    Option(
        "allow-host",
        None,
        "Further host name of the gateway, besides those of this machine",
        values.hosts,
        repeated=True,
    ),
    Option("layouts", None, "Folder with layouts of the console (docs/console.md)", values.folder),
    Option("pv-names", None, "File with names of PVs to offer while one types", values.path),
    Option(
        "channelfinder",
        None,
        "URL of the ChannelFinder to search for names, such as http://cf:8080/ChannelFinder",
        values.http_url,
    ),
    Option(
        "dialects",
        ",".join(DIALECTS),
        "Protocols of other gateways to serve, or none",
        values.dialects,
    ),
    Option(
        "pvws-throttle",
        _DIALECTS.pvws_throttle,
        "Seconds between updates of a PV for PVWS clients; 0: send every update",
        values.seconds_or_0,
    ),
    Option(
        "pvws-array-throttle",
        _DIALECTS.pvws_array_throttle,
        "The same for arrays",
        values.seconds_or_0,
    ),
    Option("max-clients", _LIMITS.clients, "Clients in total", _COUNT),
    Option("max-clients-per-address", _LIMITS.clients_per_address, "Clients per address", _COUNT),
    Option(
        "max-connections",
        None,
        "Connections in total, WebSockets or not [default: 2 * max-clients, or 100]",
        _COUNT,
    ),
    Option(
        "max-connections-per-address",
        None,
        "Connections per address [default: 2 * max-clients-per-address, or 100]",
        _COUNT,
    ),
    Option("max-pvs", _LIMITS.pvs, "PVs per client", _COUNT),
    Option("max-names", _LIMITS.names, "PVs in a list", _COUNT),
    Option("max-channels", _LIMITS.channels, "Open channels in total", _COUNT),
    Option(
        "max-unresolved",
        _LIMITS.unresolved,
        "PVs per client that no IOC has answered for",
        _COUNT,
    ),
    Option(
        "max-unresolved-per-address",
        _LIMITS.unresolved_per_address,
        "The same, per address",
        _COUNT,
    ),
    Option("max-unresolved-in-all", _LIMITS.unresolved_in_all, "The same, in total", _COUNT),
    Option(
        "max-spellings",
        _LIMITS.spellings,
        "Names with modifiers per record and client",
        _COUNT,
    ),
    Option(
        "max-spellings-per-address",
        _LIMITS.spellings_per_address,
        "The same, per record and address",
        _COUNT,
    ),
    Option("max-spellings-in-all", _LIMITS.spellings_in_all, "The same, per record", _COUNT),
    Option(
        "max-memory",
        _LIMITS.memory // 2**20,
        "MiB for unsent data and large arrays, in total",
        values.whole(16),
    ),
    Option(
        "max-message", _SOCKET.max_message, "Maximum bytes of a client's message", values.whole(100)
    ),
    Option("max-request-rate", _LIMITS.request_rate, "Requests per second and client", values.rate),
    Option("max-put-rate", _LIMITS.put_rate, "Puts per second and client", values.rate),
    Option("max-header", _HTTP.max_header, "Maximum bytes of a request header", values.whole(500)),
    Option(
        "handshake-timeout",
        _HTTP.handshake_timeout,
        "Seconds for a request to arrive",
        values.seconds,
    ),
)


class Options(usage.Options):
    """The command line of `twistd pycaserver`, with the environment and a file below it."""

    synopsis = "[options]"
    longdesc = (
        "Show EPICS process variables in web browsers. Without --demo, IOCs are found by the "
        "EPICS_CA_* environment variables. Rates are averages; a burst of up to 20 seconds' "
        "worth is allowed."
    )
    optParameters: Sequence[Sequence[Any]] = [
        [each.name, each.short, each.default, each.help]
        for each in OPTIONS
        if not each.is_flag and not each.repeated
    ]
    optFlags: Sequence[Sequence[Any]] = [
        *([each.name, None, each.help] for each in OPTIONS if each.is_flag),
        ["print-config", None, "Print a configuration file with these options, and exit"],
    ]

    settings = Settings()

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # The defaults were for --help: what remains empty may be given elsewhere.
        self.update(dict.fromkeys(self))
        self._several: dict[str, list[str]] = {}

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse, or end the process with one line that says what was wrong."""
        given = sys.argv[1:] if options is None else options
        try:
            super().parseOptions([_spelled_out(each) for each in given])  # type: ignore[no-untyped-call]
        except (usage.UsageError, OptionError) as error:
            refuse(_with_hint(str(error)))

    def parseArgs(self, *arguments: str) -> None:
        """Take no arguments."""
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}; options start with --")

    def opt_version(self) -> NoReturn:
        """Print the version and exit."""
        print(f"pycaserver {version('pycaserver')}")
        sys.exit(0)

    def add(self, name: str, text: str) -> None:
        """Take an option that may be repeated."""
        self._several.setdefault(name, []).append(text)

    def postOptions(self) -> None:
        """Check all values before anything is opened."""
        texts = self._texts()
        defaults = {
            each.name: [Given(each.default, f"--{each.name}")]
            for each in OPTIONS
            if each.default is not None
        }
        given = {
            each.name: each.value((defaults | texts)[each.name])
            for each in OPTIONS
            if each.name in defaults | texts
        }
        self.settings = to_settings(given)
        if self["print-config"]:
            print(configuration_file(OPTIONS, texts), end="")
            sys.exit(0)

    def _texts(self) -> dict[str, list[Given]]:
        """What was given: an option's arguments count before its variable, that before a file."""
        arguments = self._arguments()
        found = from_environment(OPTIONS, os.environ) | arguments
        if "config" not in found:
            return found
        (config,) = found.pop("config")
        return from_file(OPTIONS, os.path.abspath(config.text)) | found

    def _arguments(self) -> dict[str, list[Given]]:
        texts = dict(self._several)
        for each in OPTIONS:
            if each.is_flag and self[each.name]:
                texts[each.name] = ["yes"]
            elif not each.repeated and self[each.name] is not None:
                texts[each.name] = [self[each.name]]
        return {
            name: [Given(text, f"--{name}") for text in several] for name, several in texts.items()
        }


def _collector(option: Option) -> Callable[[Options, str], None]:
    """Return the method that twisted.python.usage calls for an option that may be repeated."""

    def collect(self: Options, text: str) -> None:
        self.add(option.name, text)

    collect.__doc__ = f"{option.help}; may be repeated"
    if option.default is not None:
        collect.__doc__ += f" [default: {option.default}]"
    return collect


for _option in OPTIONS:
    if _option.repeated:
        _collect = _collector(_option)
        setattr(Options, f"opt_{_option.name.replace('-', '_')}", _collect)
        if _option.short is not None:
            setattr(Options, f"opt_{_option.short}", _collect)


def _with_hint(problem: str) -> str:
    """Return getopt's error, with the option that may have been meant."""
    unknown = re.fullmatch(r"option --(.*) not recognized", problem)
    return problem if unknown is None else problem + nearest(unknown[1], _NAMES)


def _spelled_out(argument: str) -> str:
    """The argument, with the value that `--allow-put` has when none is given."""
    # getopt knows options with and without a value, but no optional ones.
    is_bare = len(argument) > len("--allow-") and "--allow-put".startswith(argument)
    return f"--allow-put={values.LOGGED_IN}" if is_bare else argument


_NAMES = [each.name for each in OPTIONS]


def refuse(problem: str) -> NoReturn:
    """End the process: one line on stderr, exit status 1."""
    raise SystemExit(f"pycaserver: {problem}")
