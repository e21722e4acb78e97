"""The command line: argv to validated settings. No I/O."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import attrs
from twisted.python import usage

from pycawamp.access import Writers
from pycawamp.config import types as values
from pycawamp.config.settings import PROVIDERS, GatewaySettings, Settings
from pycawamp.sessions.limits import Limits
from pycawamp.web.authentication import AuthenticationRules
from pycawamp.web.channel import HTTPLimits
from pycawamp.web.connections import ConnectionLimits
from pycawamp.web.host import Hosts
from pycawamp.web.login import LoginFiles
from pycawamp.web.origin import Origins
from pycawamp.web.proxy import Proxies
from pycawamp.web.websocket import SocketLimits


@attrs.frozen
class Option:
    """An option with a value."""

    name: str
    default: str | None
    help: str
    parse: Callable[[str], Any]
    short: str | None = None


_COUNT = values.whole()
OPTIONS = (
    Option(
        "port",
        "8888",
        "Port number, or Twisted endpoint, as tcp:8888:interface=127.0.0.1",
        values.port,
        "p",
    ),
    Option(
        "default-provider",
        "ca",
        "Protocol of names without a scheme: ca or pva",
        values.one_of(PROVIDERS),
    ),
    Option("connect-timeout", "5", "Seconds until a PV counts as not found", values.seconds),
    Option("linger", "10", "Seconds that a channel outlives its last client", values.seconds),
    Option(
        "stall-timeout",
        "30",
        "Seconds until a client that takes no data is dropped",
        values.seconds,
    ),
    Option(
        "ping-interval", "20", "Seconds between pings; who answers none is dropped", values.interval
    ),
    Option("pvlist", None, "PV list: which PVs are served (docs/access.md)", values.path),
    Option(
        "pvlist-syntax",
        None,
        "Build of the CA gateway that the PV list is for: gnu, gnu-neg, pcre or pcre-neg",
        values.pvlist_syntax,
    ),
    Option("access", None, "Access security file: who may read and write", values.path),
    Option(
        "allow-put", None, "Let logged-in users write; =anyone: without a login too", values.writers
    ),
    Option("put-log", None, "File for a line about each put; else the log", values.path),
    Option("htpasswd", None, "Passwords of users: bcrypt or argon2 entries", values.path),
    Option("jwt-key", None, "Public key in PEM, or secret, that signs JWTs", values.path),
    Option("jwt-audience", None, "The audience that a JWT must be for", values.some_text),
    Option("jwt-issuer", None, "The issuer that a JWT must be from", values.some_text),
    Option("user-header", None, "Header in which a trusted proxy names the user", values.header),
    Option("max-clients", "5000", "Clients in all", _COUNT),
    Option("max-clients-per-address", "1000", "Clients of one address", _COUNT),
    Option(
        "max-connections",
        None,
        "Connections in all, WebSockets or not [default: 2 * max-clients, or 100]",
        _COUNT,
    ),
    Option(
        "max-connections-per-address",
        None,
        "Connections of one address [default: 2 * max-clients-per-address, or 100]",
        _COUNT,
    ),
    Option("max-pvs", "20000", "PVs of one client", _COUNT),
    Option("max-names", "20000", "PVs in the list of one request", _COUNT),
    Option("max-channels", "100000", "Open channels in all", _COUNT),
    Option("max-unresolved", "10000", "PVs of one client that no IOC has answered for", _COUNT),
    Option("max-unresolved-per-address", "20000", "The same, of all clients of an address", _COUNT),
    Option("max-unresolved-in-all", "50000", "The same, of all clients", _COUNT),
    Option("max-spellings", "50", "Names with modifiers of a record, for one client", _COUNT),
    Option("max-spellings-per-address", "100", "The same, for an address", _COUNT),
    Option("max-spellings-in-all", "200", "The same, for all clients", _COUNT),
    Option(
        "max-memory",
        "1024",
        "MiB of what waits for clients and of large arrays, in all",
        values.whole(16),
    ),
    Option("max-message", "1048576", "Bytes of a client's message", values.whole(100)),
    Option("max-request-rate", "1000", "Requests of one client per second", values.rate),
    Option("max-put-rate", "50", "Puts of one client per second", values.rate),
    Option("max-header", "16384", "Bytes of a request's header", values.whole(500)),
    Option("handshake-timeout", "10", "Seconds that a request may take to arrive", values.seconds),
)


class Options(usage.Options):
    """The options of `twistd pycaserver`."""

    synopsis = "[options]"
    longdesc = (
        "Shows EPICS process variables in web browsers. Without --demo it finds IOCs as the "
        "EPICS_CA_* environment says. Rates are those of a longer time: 20 seconds' worth of "
        "them may come at once."
    )
    optParameters: Sequence[Sequence[Any]] = [
        [each.name, each.short, each.default, each.help] for each in OPTIONS
    ]
    optFlags: Sequence[Sequence[Any]] = [
        ["demo", None, "Also run an IOC of its own, with records to try the gateway on"],
        ["require-login", None, "Let nobody read who has not logged in"],
    ]

    settings = Settings()

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._proxies: list[str] = []
        self._origins: list[str] = []
        self._hosts: list[str] = []

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse, or end the process with one line that says what was wrong."""
        given = sys.argv[1:] if options is None else options
        try:
            super().parseOptions([_spelled_out(each) for each in given])  # type: ignore[no-untyped-call]
        except usage.UsageError as error:
            refuse(str(error))

    def parseArgs(self, *arguments: str) -> None:
        """Take no arguments."""
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}; options start with --")

    def opt_trust_proxy(self, text: str) -> None:
        """Address or network of a proxy whose X-Forwarded headers are believed; may be repeated"""
        self._proxies += _parsed("trust-proxy", values.proxies, text)

    def opt_allow_origin(self, text: str) -> None:
        """Pages of elsewhere that may connect, whatever is protected; may be repeated"""
        self._origins += _parsed("allow-origin", values.origins, text)

    def opt_allow_host(self, text: str) -> None:
        """Host name that the gateway is reached by, beside this machine's; may be repeated"""
        self._hosts += _parsed("allow-host", values.hosts, text)

    def opt_version(self) -> NoReturn:
        """Print the version and exit."""
        print(f"pycaserver {version('pycaserver')}")
        sys.exit(0)

    def postOptions(self) -> None:
        """Check all values before anything is opened."""
        given = {
            each.name: _parsed(each.name, each.parse, self[each.name])
            for each in OPTIONS
            if self[each.name] is not None
        }
        self._check(given)
        self.settings = Settings(
            port=given["port"],
            demo=bool(self["demo"]),
            pvlist=given.get("pvlist"),
            pvlist_syntax=given.get("pvlist-syntax"),
            access=given.get("access"),
            writers=given.get("allow-put"),
            logins=_logins(given),
            rules=self._rules(given),
            http=_http(given),
            gateway=_gateway(given, own_repeater=bool(self["demo"])),
        )

    def _check(self, given: dict[str, Any]) -> None:
        logins = _LOGINS & set(given)
        for name, needed in _NEEDS.items():
            if name in given and needed not in given:
                raise usage.UsageError(f"--{name} is of no use without --{needed}")
        if "user-header" in given and not self._proxies:
            raise usage.UsageError("--user-header needs --trust-proxy: else anyone could set it")
        if self["require-login"] and not logins:
            raise usage.UsageError(f"--require-login needs a way to log in: {_WAYS}")
        by_login = given.get("allow-put") is Writers.LOGGED_IN
        if by_login and not logins and "access" not in given:
            raise usage.UsageError(
                f"--allow-put lets logged-in users write, so it needs a way to log in: {_WAYS}; "
                "--allow-put=anyone lets everybody write"
            )

    def _rules(self, given: dict[str, Any]) -> AuthenticationRules:
        guarded = "allow-put" in given or bool(_LOGINS & set(given))
        return AuthenticationRules(
            proxies=Proxies.of(self._proxies, given.get("user-header")),
            origins=Origins.of(guarded, self._origins),
            hosts=Hosts.of(self._hosts, restricted="allow-put" in given),
            required=bool(self["require-login"]),
        )


def _logins(given: dict[str, Any]) -> LoginFiles | None:
    if "htpasswd" not in given and "jwt-key" not in given:
        return None
    return LoginFiles(
        htpasswd=_file(given, "htpasswd"),
        jwt_key=_file(given, "jwt-key"),
        audience=given.get("jwt-audience"),
        issuer=given.get("jwt-issuer"),
    )


def _http(given: dict[str, Any]) -> HTTPLimits:
    return HTTPLimits(
        handshake_timeout=given["handshake-timeout"],
        max_header=given["max-header"],
        connections=ConnectionLimits(
            in_all=_connections(given, "max-connections", "max-clients"),
            per_address=_connections(
                given, "max-connections-per-address", "max-clients-per-address"
            ),
        ),
    )


def _connections(given: dict[str, Any], name: str, clients: str) -> int:
    """As asked for; else enough that pages are served beside the WebSockets."""
    return int(given.get(name, max(100, 2 * given[clients])))


def _gateway(given: dict[str, Any], own_repeater: bool) -> GatewaySettings:
    return GatewaySettings(
        connect_timeout=given["connect-timeout"],
        linger=given["linger"],
        own_repeater=own_repeater,
        default_provider=given["default-provider"],
        put_log=given.get("put-log"),
        socket=SocketLimits(
            stall_timeout=given["stall-timeout"],
            ping_interval=given["ping-interval"],
            max_message=given["max-message"],
        ),
        limits=Limits(
            clients=given["max-clients"],
            clients_per_address=given["max-clients-per-address"],
            pvs=given["max-pvs"],
            names=given["max-names"],
            channels=given["max-channels"],
            unresolved=given["max-unresolved"],
            unresolved_per_address=given["max-unresolved-per-address"],
            unresolved_in_all=given["max-unresolved-in-all"],
            spellings=given["max-spellings"],
            spellings_per_address=given["max-spellings-per-address"],
            spellings_in_all=given["max-spellings-in-all"],
            memory=given["max-memory"] * 2**20,
            request_rate=given["max-request-rate"],
            put_rate=given["max-put-rate"],
        ),
    )


def _file(given: dict[str, Any], name: str) -> Path | None:
    return Path(given[name]) if name in given else None


def _parsed(name: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise usage.UsageError(f"--{name}: expected {error}, got {text!r}") from None


def _spelled_out(argument: str) -> str:
    """The argument, with the value that `--allow-put` has when none is given."""
    # getopt knows options with and without a value, but no optional ones.
    is_bare = len(argument) > len("--allow-") and "--allow-put".startswith(argument)
    return f"--allow-put={values.LOGGED_IN}" if is_bare else argument


_LOGINS = {"htpasswd", "jwt-key", "user-header"}
_WAYS = "--htpasswd, --jwt-key or --user-header"
_NEEDS = {"pvlist-syntax": "pvlist", "jwt-audience": "jwt-key", "jwt-issuer": "jwt-key"}


def refuse(problem: str) -> NoReturn:
    """End the process: one line on stderr, exit status 1."""
    raise SystemExit(f"pycaserver: {problem}")
