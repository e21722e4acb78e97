"""Errors of the bus."""

from __future__ import annotations


class BusError(Exception):
    """The bus cannot be used; the text says why."""


class BadBusMessageError(BusError):
    """A message on the bus is not in a format that this version supports."""
