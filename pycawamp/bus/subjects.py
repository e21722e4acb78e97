"""The subjects on the bus. PV names are never part of them: they may hold any character.

The last part of what an edge publishes is the edge's name, so that NATS can restrict each user to
the name that is its own (contrib/bus/nats.conf).
"""

from __future__ import annotations

import re

PREFIX = "pycaserver"
BEATS = f"{PREFIX}.beat.*"
"""All ingests: who is there."""
ROLL_CALL = f"{PREFIX}.roll"
"""Asks all ingests for a beat at once."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


def is_name(text: str) -> bool:
    """Whether a text can be the name of an ingest or an edge."""
    return _NAME.fullmatch(text) is not None


def beat(ingest: str) -> str:
    """Return where an ingest says that it is there."""
    return f"{PREFIX}.beat.{ingest}"


def namesake(ingest: str) -> str:
    """Return where an ingest with a name can be asked whether it is there."""
    return f"{PREFIX}.who.{ingest}"


def control(ingest: str, edge: str) -> str:
    """Return where an edge asks an ingest for PVs; `*` for any edge."""
    return f"{PREFIX}.ask.{ingest}.{edge}"


def get(ingest: str, edge: str) -> str:
    """Return where an edge asks an ingest to read a PV."""
    return f"{PREFIX}.get.{ingest}.{edge}"


def put(ingest: str, edge: str) -> str:
    """Return where an edge asks an ingest to write a PV."""
    return f"{PREFIX}.put.{ingest}.{edge}"


def data(edge: str, session: str) -> str:
    """Return where the values for one run of an edge are published."""
    return f"{PREFIX}.data.{edge}.{session}"


def replies(name: str, session: str) -> str:
    """Return the beginning of the subjects for replies to one run of an edge or an ingest."""
    return f"_INBOX.{name}.{session}"


def last(subject: str) -> str:
    """Return the last part of a subject: whose it is."""
    return subject.rpartition(".")[2]
