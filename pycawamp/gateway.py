"""The embeddable gateway, by the path that earlier releases documented."""

from pycawamp.config.settings import GatewaySettings
from pycawamp.service.clock import use_monotonic_clock
from pycawamp.service.gateway import Gateway

__all__ = ["Gateway", "GatewaySettings", "use_monotonic_clock"]
