"""Makes `twistd pycaserver` known to Twisted."""

from twisted.application.service import ServiceMaker

pycaserver = ServiceMaker(
    "pycaserver",
    "pycawamp.service.app",
    "Shows EPICS process variables in web browsers.",
    "pycaserver",
)
