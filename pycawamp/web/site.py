"""The resource tree: what is served under which path."""

from __future__ import annotations

from twisted.web.resource import IResource, Resource


def root_resource(monitor: IResource) -> Resource:
    """`/monitor` takes WebSockets."""
    root = Resource()
    root.putChild(b"monitor", monitor)
    return root
