"""The protocols of other gateways, each served under its own path."""

from __future__ import annotations

from collections.abc import Callable

from twisted.web.resource import IResource

from pycawamp.config.settings import DialectSettings
from pycawamp.service.gateway import Gateway
from pycawamp.web.epics2web import epics2web_pages
from pycawamp.web.pvws import pvws_pages
from pycawamp.wire import epics2web, pvws


def dialect_resources(gateway: Gateway, settings: DialectSettings) -> dict[str, IResource]:
    """Return the resources of the enabled protocols, by their paths."""
    return {name: _RESOURCES[name](gateway, settings) for name in settings.names}


def _pvws(gateway: Gateway, settings: DialectSettings) -> IResource:
    encoding = pvws.encoding(settings.pvws_throttle, settings.pvws_array_throttle)
    socket = gateway.resource_for(encoding)
    return gateway.pages(lambda clients, rules: pvws_pages(clients, rules, socket))


def _epics2web(gateway: Gateway, _settings: DialectSettings) -> IResource:
    socket = gateway.resource_for(epics2web.encoding())
    return gateway.pages(lambda clients, rules: epics2web_pages(clients, rules, socket))


_RESOURCES: dict[str, Callable[[Gateway, DialectSettings], IResource]] = {
    "pvws": _pvws,
    "epics2web": _epics2web,
}
