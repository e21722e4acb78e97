"""Conversion of option values to settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pycawamp.access import Writers
from pycawamp.bus.slots import ShardKey
from pycawamp.config.option import OptionError
from pycawamp.config.settings import (
    BusSettings,
    ConsoleSettings,
    DialectSettings,
    GatewaySettings,
    IngestSettings,
    LogSettings,
    Settings,
)
from pycawamp.sessions.limits import Limits
from pycawamp.web.authentication import AuthenticationRules
from pycawamp.web.channel import HTTPLimits
from pycawamp.web.connections import ConnectionLimits
from pycawamp.web.host import Hosts
from pycawamp.web.login import LoginFiles
from pycawamp.web.origin import Origins
from pycawamp.web.proxy import Proxies
from pycawamp.web.websocket import SocketLimits


def to_settings(given: dict[str, Any]) -> Settings:
    """Return the settings of a gateway, given the values by option name.

    Raises:
        OptionError: The options contradict each other.
    """
    _check(given)
    return Settings(
        ports=tuple(given["port"]),
        demo=given["demo"],
        pvlist=given.get("pvlist"),
        pvlist_syntax=given.get("pvlist-syntax"),
        access=given.get("access"),
        writers=given.get("allow-put"),
        logins=_logins(given),
        rules=_rules(given),
        report_readers=given["status"],
        http=_http(given),
        dialects=DialectSettings(
            names=given["dialects"],
            pvws_throttle=given["pvws-throttle"],
            pvws_array_throttle=given["pvws-array-throttle"],
        ),
        console=ConsoleSettings(
            layouts=given.get("layouts"),
            names=given.get("pv-names"),
            channelfinder=given.get("channelfinder"),
        ),
        drain_time=given["drain-time"],
        log=LogSettings(given["log-format"], given["log-level"], given["access-log"]),
        gateway=_gateway(given, own_repeater=given["demo"]),
        bus=_bus(given) if "bus" in given else None,
    )


def to_ingest_settings(given: dict[str, Any]) -> IngestSettings:
    """Return the settings of an ingest, given the values by option name.

    Raises:
        OptionError: The options contradict each other.
    """
    if "bus" not in given:
        raise OptionError("--bus is required: where to publish PVs")
    _check_pairs(given)
    return IngestSettings(
        bus=_bus(given),
        gateway=GatewaySettings(
            linger=given["linger"],
            default_provider=given["default-provider"],
            put_log=given.get("put-log"),
            limits=Limits(channels=given["max-channels"], memory=given["max-memory"] * 2**20),
        ),
        pvlist=given.get("pvlist"),
        pvlist_syntax=given.get("pvlist-syntax"),
        access=given.get("access"),
        writers=given.get("allow-put"),
        log=LogSettings(given["log-format"], given["log-level"]),
    )


def _bus(given: dict[str, Any]) -> BusSettings:
    return BusSettings(
        servers=given["bus"],
        name=given["name"],
        login=_file(given, "bus-login"),
        authorities=_file(given, "bus-ca"),
        shard_key=given.get("shard-key") or ShardKey(),
    )


def _rules(given: dict[str, Any]) -> AuthenticationRules:
    restricted = "allow-put" in given or bool(_LOGINS & set(given))
    return AuthenticationRules(
        proxies=Proxies.of(given.get("trust-proxy", []), given.get("user-header")),
        origins=Origins.of(restricted, given.get("allow-origin", [])),
        hosts=Hosts.of(given.get("allow-host", []), restricted="allow-put" in given),
        required=given["require-login"],
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
    """Return the given limit, or by default enough to serve pages beside WebSockets."""
    return int(given.get(name, max(100, 2 * given[clients])))


def _gateway(given: dict[str, Any], own_repeater: bool) -> GatewaySettings:
    return GatewaySettings(
        connect_timeout=given["connect-timeout"],
        linger=given["linger"],
        history=given["history"],
        archiver=given.get("archiver"),
        own_repeater=own_repeater,
        default_provider=given["default-provider"],
        put_log=given.get("put-log"),
        socket=SocketLimits(
            stall_timeout=given["stall-timeout"],
            ping_interval=given["ping-interval"],
            max_message=given["max-message"],
            compression=given["compression"],
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


def _check_pairs(given: dict[str, Any]) -> None:
    for name, needed in _NEEDS.items():
        if name in given and needed not in given:
            raise OptionError(f"--{name} requires --{needed}")


def _check(given: dict[str, Any]) -> None:
    _check_pairs(given)
    logins = _LOGINS & set(given)
    if "bus" in given and given["demo"]:
        raise OptionError("--demo cannot be used with --bus: PVs come from ingests")
    if "user-header" in given and "trust-proxy" not in given:
        raise OptionError(
            "--user-header requires --trust-proxy: otherwise anyone could set the header"
        )
    if given["require-login"] and not logins:
        raise OptionError(f"--require-login requires a way to log in: {_WAYS}")
    by_login = given.get("allow-put") is Writers.LOGGED_IN
    if by_login and not logins and "access" not in given:
        raise OptionError(
            f"--allow-put lets logged-in users write, so it requires a way to log in: {_WAYS}; "
            "--allow-put=anyone lets everybody write"
        )


_LOGINS = {"htpasswd", "jwt-key", "user-header"}
_WAYS = "--htpasswd, --jwt-key or --user-header"
_NEEDS = {
    "pvlist-syntax": "pvlist",
    "jwt-audience": "jwt-key",
    "jwt-issuer": "jwt-key",
    "bus": "name",
    "name": "bus",
    "bus-login": "bus",
    "bus-ca": "bus",
    "shard-key": "bus",
}
