"""loc:// PVs that hold tables."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.errors import BadValueError
from pycawamp.pv.local.tables import MAX_CELLS, MAX_CHARACTERS, MAX_COLUMNS, table
from pycawamp.wire.v2.codec import dumps
from tests.support.local_case import LocalTestCase
from tests.support.version2_case import send_request

NAME = 'loc://t<VTable>("x", "y")'
COLUMNS = {"x": [1, 2.5], "y": ["a", "b"], "z": [True, False]}


class TableTests(LocalTestCase):
    """As clients of a gateway see them."""

    @inlineCallbacks
    def test_table(self) -> Any:
        """It has columns without rows at first; a write replaces the whole table."""
        client = yield self.start()
        client.send({"action": "connect", "pv": NAME, "metadata": True})
        update = yield client.until(msg_type="monitor")
        empty = {"labels": ["x", "y"], "columns": {"x": [], "y": []}}
        self.assertEqual(update["value"], empty)
        info = yield send_request(client, "info", pv="loc://t")
        self.assertEqual((info["type"], info["write_access"]), ("table", True))
        reply = yield send_request(client, "put", pv=NAME, value={"columns": COLUMNS})
        self.assertTrue(reply["ok"], reply)
        update = yield client.until(msg_type="monitor")
        self.assertEqual(update["value"], {"labels": ["x", "y", "z"], "columns": COLUMNS})
        value = update["value"] | {"labels": ["X", "Y", "Z"]}
        yield send_request(client, "put", pv=NAME, value=value)
        update = yield client.until(msg_type="monitor")
        self.assertEqual(update["value"], value)
        reply = yield send_request(client, "put", pv=NAME, value={"columns": {"x": [1], "y": []}})
        self.assertEqual(reply["code"], "bad_value")
        self.assertIn("columns of the same length, got elements: 1 in 'x', 0 in 'y'", str(reply))
        reply = yield send_request(client, "get", pv=NAME)
        self.assertEqual(reply["value"], value)
        reply = yield send_request(client, "get", pv="loc://u<table>")
        self.assertEqual(reply["value"], {"labels": [], "columns": {}})


class CheckTests(SynchronousTestCase):
    """Invalid tables."""

    def test_wrong(self) -> None:
        """The error says what is wrong, and what was expected."""
        for value, error in (
            (5, 'expected an object with "columns", an object of arrays; got the number 5'),
            ({}, 'expected an object with "columns"'),
            ({"columns": [1]}, 'expected an object with "columns"'),
            ({"x": [1]}, 'expected an object with "columns"'),
            ({"columns": {}, "rows": 1}, 'expected "columns" and "labels", got \'rows\''),
            ({"columns": {"x": 1}}, "expected an array for the column 'x', got the number 1"),
            ({"columns": {"x": [1, "a"]}}, "expected an array of numbers, of strings, or of true"),
            ({"columns": {"x": [1, True]}}, "expected an array of numbers, of strings, or of true"),
            ({"columns": {"x": [None]}}, "expected an array of numbers, of strings, or of true"),
            ({"columns": {"x": [[1]]}}, "expected an array of numbers, of strings, or of true"),
            ({"columns": {"x": [float("inf")]}}, "column 'x': expected finite numbers"),
            ({"columns": {"x": [2**63]}}, "column 'x': expected numbers from -9223372036854775808"),
            ({"columns": {"x": []}, "labels": []}, None),
            ({"columns": {"x": []}, "labels": ["a", "b"]}, '"labels" to be an array of 1 strings'),
            ({"columns": {"x": []}, "labels": [1]}, '"labels" to be an array of 1 strings'),
            ({"columns": {"x": []}, "labels": "a"}, '"labels" to be an array of 1 strings'),
        ):
            if error is None:
                self.assertEqual(table(value)["labels"], ["x"])
                continue
            with self.assertRaises(BadValueError, msg=str(value)) as caught:
                table(value)
            self.assertIn(error, str(caught.exception))

    def test_bounds(self) -> None:
        """The columns, elements and characters of a table are limited."""
        many = {str(number): [0] for number in range(MAX_COLUMNS)}
        half = MAX_CELLS // 2
        self.assertEqual(len(table({"columns": many})["columns"]), MAX_COLUMNS)
        self.assertEqual(len(table({"columns": {"x": [0] * half, "y": [0] * half}})["labels"]), 2)
        for columns, error in (
            (many | {"x": [0]}, f"expected at most {MAX_COLUMNS} columns"),
            ({"x": [0] * (half + 1), "y": [0] * (half + 1)}, f"expected at most {MAX_CELLS} elem"),
            ({"x": ["x" * MAX_CHARACTERS]}, f"expected at most {MAX_CHARACTERS} characters"),
            ({"x" * MAX_CHARACTERS: [1]}, f"expected at most {MAX_CHARACTERS} characters"),
        ):
            with self.assertRaises(BadValueError) as caught:
                table({"columns": columns})
            self.assertIn(error, str(caught.exception))

    def test_kept(self) -> None:
        """The stored table does not change with that of the caller."""
        column = [1]
        kept = table({"columns": {"x": column}, "labels": ["X"]})
        column.append(2)
        self.assertEqual(dumps(kept), b'{"labels":["X"],"columns":{"x":[1]}}')
