"""The records of the demo IOC, with descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

DATABASE = str(Path(__file__).absolute().with_name("records.db"))

PICTURES = "demo:image:data"
"""The waveform for images."""

RECORDS: Mapping[str, str] = MappingProxyType(
    {
        "demo:sine": "a sine wave with a period of 10 s, at 10 Hz, with alarms near its extremes",
        "demo:counter": "an integer, incremented every second",
        "demo:ramp": "a sawtooth with a period of 10 s, at 100 Hz",
        "demo:switch": "a bo that changes every 2 s",
        "demo:mode": "an mbbo that steps through its five states every 2 s",
        "demo:text": "a string",
        "demo:clock": "the time of day as a string",
        "demo:message": "a long string, in a waveform of characters",
        "demo:waveform": "an array of 1,000 doubles, at 10 Hz",
        "demo:alarm": "a temperature that goes through all alarm severities, 2 s each",
        "demo:setpoint": "an ao to write to, with display, control and alarm limits",
        "demo:unitless": "a random number, without units",
        "demo:nan": "a NaN",
    }
)

GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "pva://demo:image": "an image of a moving beam spot, at 10 Hz",
        "pva://demo:table": "a table of six beam position monitors",
        "pva://demo:beam": "a structure: current, energy, optics",
    }
)
"""pvAccess PVs that consist of several records."""
