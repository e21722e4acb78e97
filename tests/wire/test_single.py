"""Numbers of single precision."""

from __future__ import annotations

import ctypes
import json
import math
from typing import Any, cast

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.history import Samples
from pycawamp.pv.values import FieldType, Metadata, Reading
from pycawamp.wire.dialect import Encoding
from pycawamp.wire.epics2web.dialect import Epics2Web
from pycawamp.wire.pvws.dialect import PVWS
from pycawamp.wire.v2.dialect import VERSION_2
from pycawamp.wire.v2.history import history

FLOAT = Metadata(FieldType.FLOAT, 1)


class SingleTests(SynchronousTestCase):
    """A FLOAT whose value is a double, as from a source in Python or the bus."""

    def shown(self, encoding: Encoding, value: float) -> Any:
        """Return the value that a dialect shows."""
        renderer = encoding.dialect.renderer("x", encoding)
        renderer.describe(FLOAT)
        renderer.connection(True, FLOAT)
        message = json.loads(renderer.update(Reading(0, 0, 1795394771, 7, value)))
        return message["value"]

    def test_too_large(self) -> None:
        """A value beyond single precision is infinite, without a warning of numpy."""
        with np.errstate(over="raise"):
            for value, text in ((1e300, "Infinity"), (-1e300, "-Infinity")):
                self.assertIsNone(self.shown(Encoding(VERSION_2), value))
                for dialect in (PVWS(), Epics2Web()):
                    self.assertEqual(self.shown(Encoding(dialect), value), text)

    def test_limit(self) -> None:
        """Values are rounded as in C: the largest number, or infinity from half a digit above."""
        limit = 2.0**128 - 2.0**103
        values = [sign * value for value in (math.nextafter(limit, 0), limit) for sign in (1, -1)]
        largest = float(str(np.finfo(np.float32).max))
        shown: list[float | None] = []
        for value in values:
            rounded = ctypes.c_float(value).value
            shown.append(None if math.isinf(rounded) else math.copysign(largest, rounded))
        self.assertEqual(shown, [largest, -largest, None, None])
        ones = np.ones(4, np.uint32)
        with np.errstate(over="raise"):
            samples = Samples(ones, ones, np.array(values), ones.astype(np.uint8))
            self.assertEqual(json.loads(history("x", samples, FLOAT))["values"], shown)
            self.assertEqual([self.shown(Encoding(VERSION_2), value) for value in values], shown)
            shown[2:] = cast("list[float]", ["Infinity", "-Infinity"])
            for dialect in (PVWS(), Epics2Web()):
                encoding = Encoding(dialect)
                self.assertEqual([self.shown(encoding, value) for value in values], shown)

    def test_digits(self) -> None:
        """Other values have the digits of single precision, the largest one too."""
        largest = float(np.finfo(np.float32).max)
        for dialect in (VERSION_2, PVWS(), Epics2Web()):
            for value in (0.1, -2.5, largest, -largest, 1e-40):
                single = float(np.float32(value))
                shown = self.shown(Encoding(dialect), single)
                self.assertEqual(shown, json.loads(str(np.float32(value))))

    def test_history(self) -> None:
        """The same applies to a history."""
        values = np.array([0.1, 1e300, -1e300, math.nan])
        ones = np.ones(4, np.uint32)
        with np.errstate(over="raise"):
            message = history("x", Samples(ones, ones, values, ones.astype(np.uint8)), FLOAT)
        self.assertEqual(json.loads(message)["values"], [0.1, None, None, None])
