"""The EPICS_PVA_* environment: where searches go."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from pycawamp.pv.pva.environment import Environment, broadcast_addresses

NO_AUTO = {"EPICS_PVA_AUTO_ADDR_LIST": "NO"}


class EnvironmentTests(SynchronousTestCase):
    """Environment.read."""

    def test_addresses(self) -> None:
        """Several addresses, each once, with or without a port; broadcasts are recognized."""
        listed = "127.0.0.1 127.0.0.2:6000,localhost 255.255.255.255 224.0.0.128:7000"
        found = Environment.read({**NO_AUTO, "EPICS_PVA_ADDR_LIST": listed})
        self.assertEqual(
            found.addresses,
            (
                (("127.0.0.1", 5076), True),
                (("127.0.0.2", 6000), True),
                (("255.255.255.255", 5076), False),
                (("224.0.0.128", 7000), False),
            ),
        )
        self.assertEqual((found.name_servers, found.timeout), ((), 40.0))

    def test_broadcasts(self) -> None:
        """Without variables, searches and beacons use the interfaces' broadcast addresses."""
        found = Environment.read({})
        broadcasts = broadcast_addresses()
        self.assertEqual(found.addresses, tuple(((each, 5076), False) for each in broadcasts))
        self.assertEqual(found.beacons, tuple((each, 5076) for each in broadcasts))

    def test_ports(self) -> None:
        """Variables set the default ports, the interfaces and the timeout."""
        found = Environment.read(
            {
                **NO_AUTO,
                "EPICS_PVA_ADDR_LIST": "127.0.0.1",
                "EPICS_PVA_BROADCAST_PORT": "6076",
                "EPICS_PVA_SERVER_PORT": "6075",
                "EPICS_PVA_NAME_SERVERS": "127.0.0.3 127.0.0.4:6",
                "EPICS_PVA_INTF_ADDR_LIST": "127.0.0.1",
                "EPICS_PVA_CONN_TMO": "3",
            }
        )
        self.assertEqual(found.addresses, ((("127.0.0.1", 6076), True),))
        self.assertEqual(found.name_servers, (("127.0.0.3", 6075), ("127.0.0.4", 6)))
        self.assertEqual((found.beacons, found.timeout), ((("127.0.0.1", 6076),), 4.0))

    def test_mistakes(self) -> None:
        """An error names the variable and the invalid value."""
        for name, text, words in (
            ("EPICS_PVA_BROADCAST_PORT", "x", "expected a port number, got 'x'"),
            ("EPICS_PVA_SERVER_PORT", "70000", "expected a port number, got '70000'"),
            ("EPICS_PVA_ADDR_LIST", "127.0.0.1:0", "expected a port number, got '0'"),
            ("EPICS_PVA_NAME_SERVERS", "127.0.0.1:x", "expected a port number, got 'x'"),
            ("EPICS_PVA_CONN_TMO", "soon", "expected seconds, got 'soon'"),
            ("EPICS_PVA_CONN_TMO", "nan", "expected seconds, got 'nan'"),
        ):
            error = self.assertRaises(ValueError, Environment.read, {**NO_AUTO, name: text})
            self.assertEqual(str(error), f"{name}: {words}")
        for name in ("EPICS_PVA_ADDR_LIST", "EPICS_PVA_INTF_ADDR_LIST"):
            variables = {**NO_AUTO, name: "no.invalid"}
            error = self.assertRaises(ValueError, Environment.read, variables)
            self.assertIn(f"{name}: no.invalid: ", str(error))
