"""The definitions of all options."""

from __future__ import annotations

from typing import Any

from pycawamp.config import types as values
from pycawamp.config.command_line import CommandLine
from pycawamp.config.option import Option
from pycawamp.config.settings import (
    DIALECTS,
    PROVIDERS,
    DialectSettings,
    GatewaySettings,
    IngestSettings,
    LogSettings,
    Settings,
)
from pycawamp.config.to_settings import to_ingest_settings, to_settings
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
        "bus",
        None,
        "NATS servers to get PVs from instead of IOCs, such as nats://one,two (docs/scaling.md)",
        values.bus,
    ),
    Option("name", None, "Name on the bus", values.bus_name),
    Option("bus-login", None, "File with USER:PASSWORD for the bus", values.path),
    Option("bus-ca", None, "File with the certificates (PEM) to trust for the bus", values.path),
    Option(
        "shard-key",
        None,
        "Regular expression for the part of a PV name that selects its ingest",
        values.shard_key,
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
        "Seconds of history to keep of each PV whose value is a number; 0: none",
        values.seconds_or_0,
    ),
    Option(
        "archiver",
        None,
        "URL of an EPICS Archiver Appliance, such as http://archiver:17668/retrieval",
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
        "Seconds for disconnecting clients gradually when the gateway stops; 0: immediately",
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
        "Additional host name of the gateway, besides those of this machine",
        values.hosts,
        repeated=True,
    ),
    Option("layouts", None, "Folder with layouts of the console (docs/console.md)", values.folder),
    Option("pv-names", None, "File with PV names to suggest in the console", values.path),
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


class Options(CommandLine):
    """The command line of `twistd pycaserver`."""

    longdesc = (
        "Show EPICS process variables in web browsers. Without --demo, IOCs are found by the "
        "EPICS_CA_* environment variables. Rates are averages; a burst of up to 20 seconds' "
        "worth is allowed."
    )
    available = OPTIONS
    settings = Settings()

    def take(self, given: dict[str, Any]) -> None:
        """Set the settings."""
        self.settings = to_settings(given)


_OF_INGESTS = (
    *("config", "bus", "name", "bus-login", "bus-ca", "default-provider", "linger"),
    *("pvlist", "pvlist-syntax", "access", "allow-put", "put-log"),
    *("log-format", "log-level", "max-channels", "max-memory"),
)


class IngestOptions(CommandLine):
    """The command line of `twistd pycaserver-ingest`."""

    longdesc = (
        "Publish EPICS process variables on a NATS bus, for gateways with --bus. IOCs are found "
        "by the EPICS_CA_* environment variables."
    )
    available = tuple(each for each in OPTIONS if each.name in _OF_INGESTS)
    known = OPTIONS
    settings: IngestSettings

    def take(self, given: dict[str, Any]) -> None:
        """Set the settings."""
        self.settings = to_ingest_settings(given)
