"""Makes `twistd pycaserver` and `twistd pycaserver-ingest` known to Twisted."""

from twisted.application.service import ServiceMaker

pycaserver = ServiceMaker(
    "pycaserver",
    "pycawamp.service.app",
    "Shows EPICS process variables in web browsers.",
    "pycaserver",
)

pycaserver_ingest = ServiceMaker(
    "pycaserver-ingest",
    "pycawamp.service.ingest",
    "Publishes EPICS process variables on a NATS bus.",
    "pycaserver-ingest",
)
