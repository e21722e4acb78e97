"""A client of the gateway for Twisted programs and the command line.

Example::

    client = GatewayClient(reactor, "ws://localhost:8888/monitor")
    update = await client.get("demo:sine")
    subscription = client.subscribe("demo:sine", MyListener())

docs/client.md describes it. `python -m pycawamp.client --help` shows the command line.
"""

from pycawamp.client.backoff import Backoff
from pycawamp.client.client import GatewayClient
from pycawamp.client.connection import State
from pycawamp.client.listener import IListener, Listener
from pycawamp.client.subscriptions import Subscription
from pycawamp.client.target import Target
from pycawamp.client.values import GatewayError, History, Update, Value
from pycawamp.pv.values import FieldType, Metadata
from pycawamp.wire.dialect import ImageForm

__all__ = [
    "Backoff",
    "FieldType",
    "GatewayClient",
    "GatewayError",
    "History",
    "IListener",
    "ImageForm",
    "Listener",
    "Metadata",
    "State",
    "Subscription",
    "Target",
    "Update",
    "Value",
]
