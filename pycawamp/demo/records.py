"""The records of the demo IOC, with descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

DATABASE = str(Path(__file__).absolute().with_name("records.db"))

PICTURES = "demo:image:data"
"""The waveform that pictures are written to."""

RECORDS: Mapping[str, str] = MappingProxyType(
    {
        "demo:sine": "a sine of 10 s, at 10 Hz, with alarms at its tops",
        "demo:counter": "an integer that counts the seconds",
        "demo:ramp": "a sawtooth of 10 s, at 100 Hz",
        "demo:switch": "a bo that changes every 2 s",
        "demo:mode": "an mbbo that steps through its five states, 2 s each",
        "demo:text": "a string",
        "demo:clock": "a string that is the time of day",
        "demo:message": "a long string in a char waveform",
        "demo:waveform": "1,000 doubles that move, at 10 Hz",
        "demo:alarm": "a temperature that walks through all alarm severities, 2 s each",
        "demo:setpoint": "an ao to set, with limits of all kinds",
        "demo:unitless": "a random number without units",
        "demo:nan": "a NaN",
    }
)

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "pva://demo:image": "a beam spot that moves, at 10 Hz",
        "pva://demo:table": "a table of six beam position monitors",
        "pva://demo:beam": "a structure: current, energy, optics",
    }
)
"""PVs of pvAccess that are made of several records."""
