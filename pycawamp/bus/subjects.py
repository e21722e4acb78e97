"""The subjects on the bus. PV names are never part of them, because they may contain any character.

The last part of each subject that an edge publishes to is the edge's name, so that NATS can
restrict each user to its own name (contrib/bus/nats.conf).
"""

from __future__ import annotations

import re

PREFIX = "pycaserver"
HEARTBEATS = f"{PREFIX}.beat.*"
"""Heartbeats of all ingests."""
DISCOVER = f"{PREFIX}.roll"
"""Requests a heartbeat of all ingests."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


def is_name(text: str) -> bool:
    """Whether a text can be the name of an ingest or an edge."""
    return _NAME.fullmatch(text) is not None


def heartbeat(ingest: str) -> str:
    """Return the subject of an ingest's heartbeats."""
    return f"{PREFIX}.beat.{ingest}"


def namesake(ingest: str) -> str:
    """Return the subject to which a running ingest of a name replies."""
    return f"{PREFIX}.who.{ingest}"


def control(ingest: str, edge: str) -> str:
    """Return the subject of control messages from an edge, or from any (`*`), to an ingest."""
    return f"{PREFIX}.ask.{ingest}.{edge}"


def get(ingest: str, edge: str) -> str:
    """Return the subject of an edge's get requests to an ingest."""
    return f"{PREFIX}.get.{ingest}.{edge}"


def put(ingest: str, edge: str) -> str:
    """Return the subject of an edge's put requests to an ingest."""
    return f"{PREFIX}.put.{ingest}.{edge}"


def data(edge: str, session: str) -> str:
    """Return the subject of the bursts for one run of an edge."""
    return f"{PREFIX}.data.{edge}.{session}"


def replies(name: str, session: str) -> str:
    """Return the prefix of the subjects of replies to one run of an edge or an ingest."""
    return f"_INBOX.{name}.{session}"


def last(subject: str) -> str:
    """Return the last part of a subject: the name of the sender."""
    return subject.rpartition(".")[2]
