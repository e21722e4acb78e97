"""Writing numbers of single precision."""

from __future__ import annotations

import math

import numpy as np
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.ca.encode import encode
from pycawamp.pv.errors import BadValueError
from pycawamp.pv.values import FieldType, Metadata

FLOAT = Metadata(FieldType.FLOAT, 1)


class SingleTests(SynchronousTestCase):
    """A FLOAT is written as what C rounds a double to."""

    def test_limit(self) -> None:
        """The largest number is written as it is shown; what would be infinite is refused."""
        limit = 2.0**128 - 2.0**103
        largest = np.finfo(np.float32).max
        for value in (float(str(largest)), math.nextafter(limit, 0)):
            self.assertEqual(encode(FLOAT, value).raw, largest.tobytes())
            self.assertEqual(encode(FLOAT, -value).raw, (-largest).tobytes())
        with np.errstate(over="raise"):
            for value in (limit, -limit, 1e300):
                self.assertRaisesRegex(BadValueError, "expected numbers from", encode, FLOAT, value)
