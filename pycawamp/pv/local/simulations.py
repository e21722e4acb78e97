"""The simulations of sim:// PVs, with the same arguments as in Phoebus."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import Enum
from random import Random
from typing import TypeAlias

import attrs
import numpy as np

from pycawamp.pv.local.names import LocalName, LocalNameError
from pycawamp.pv.local.values import initial
from pycawamp.pv.values import SEVERITIES, STATUSES, Array, FieldType, Metadata, Value

FASTEST = 0.01
"""Minimum seconds between two updates of a PV."""
MAX_SIZE = 10_000
"""Maximum number of elements of a waveform."""


class Lost(Enum):
    """Returned by a step while the PV is disconnected."""

    LOST = "lost"


LOST = Lost.LOST

Step: TypeAlias = "Callable[[int, float], Value | Lost]"
"""Returns the value of an update, by its number from 0 and the seconds since the PV was opened."""


@attrs.frozen
class Simulation:
    """How a simulated PV changes."""

    metadata: Metadata
    period: float
    """Seconds between two updates; 0 for one update only."""
    step: Step

    def alarm(self, value: Value) -> tuple[int, int]:
        """Return the status and the severity of a scalar; other values have no alarm."""
        if not isinstance(value, int | float):
            return 0, 0
        described = self.metadata
        for limits, alarm in (
            (described.alarm_limits, _ALARM),
            (described.warning_limits, _WARNING),
        ):
            if limits is not None and not limits[0] < value < limits[1]:
                return alarm.low if value <= limits[0] else alarm.high
        return 0, 0


@attrs.frozen
class _Limit:
    """The alarms of values outside two limits: status and severity."""

    low: tuple[int, int]
    high: tuple[int, int]

    @classmethod
    def of(cls, severity: str, low: str, high: str) -> _Limit:
        number = SEVERITIES.index(severity)
        return cls((STATUSES.index(low), number), (STATUSES.index(high), number))


_ALARM = _Limit.of("MAJOR", "LOLO", "HIHI")
_WARNING = _Limit.of("MINOR", "LOW", "HIGH")


def simulation(name: LocalName) -> Simulation:
    """Return the simulation that a name describes.

    Raises:
        LocalNameError: There is no such simulation, or its arguments are invalid.
    """
    base = name.base.lower()
    if base == "const":
        metadata, constant = initial(name)
        return Simulation(metadata, 0, lambda *_: constant)
    # Some have longer names in other programs: sineWaveform, intermittentChannel.
    make = _SIMULATIONS.get(base) or next(
        (make for start, make in _LONGER.items() if base.startswith(start)), None
    )
    if make is None or name.type is not None:
        known = ", ".join(("const", *_SIMULATIONS, *_LONGER))
        raise LocalNameError(f"there is no simulation {name.base[:32]!r}; expected one of {known}")
    numbers = name.numbers
    if not all(math.isfinite(number) for number in numbers):
        raise LocalNameError("expected finite numbers in parentheses")
    return make(numbers)


def _scalar(low: float, high: float, seconds: float, step: Step) -> Simulation:
    return Simulation(_described(1, low, high), max(seconds, FASTEST), step)


def _array(low: float, high: float, size: float, seconds: float, step: Step) -> Simulation:
    if not 1 <= size <= MAX_SIZE:
        raise LocalNameError(f"expected a size from 1 to {MAX_SIZE}")
    # A channel with one element would be a scalar.
    return Simulation(_described(max(int(size), 2), low, high), max(seconds, FASTEST), step)


def _described(count: int, low: float, high: float) -> Metadata:
    """Warnings are a fifth of the range within its limits, alarms a tenth."""
    span = high - low
    metadata = Metadata(FieldType.DOUBLE, count, units="a.u.", precision=2)
    if span <= 0:
        return attrs.evolve(metadata, display_limits=(0.0, 10.0), control_limits=(0.0, 10.0))
    return attrs.evolve(
        metadata,
        display_limits=(low, high),
        control_limits=(low, high),
        warning_limits=(low + span * 0.2, low + span * 0.8),
        alarm_limits=(low + span * 0.1, low + span * 0.9),
    )


def _sine(given: Sequence[float]) -> Simulation:
    forms = {0: (-5, 5, 10, 1), 3: (*given[:2], 10, *given[2:]), 4: given}
    low, high, steps, seconds = _form("sine", given, forms)
    angle = 2 * math.pi / max(steps, 1)
    return _scalar(
        low,
        high,
        seconds,
        lambda number, _: low + (math.sin(number * angle) + 1) / 2 * (high - low),
    )


def _ramp(given: Sequence[float]) -> Simulation:
    forms = {0: (-5, 5, 1, 1), 3: (*given[:2], 1, *given[2:]), 4: given}
    low, high, step, seconds = _form("ramp", given, forms)
    step = step or 1
    steps = max(0, math.floor((high - low) / abs(step))) + 1

    def value(number: int, _: float) -> float:
        # It begins at the lower limit, for either direction.
        if step > 0:
            return low + number % steps * step
        return low if number == 0 else high + (number - 1) % steps * step

    return _scalar(low, high, seconds, value)


def _noise(given: Sequence[float]) -> Simulation:
    low, high, seconds = _form("noise", given, {0: (-5, 5, 1), 3: given})
    random = Random()
    return _scalar(low, high, seconds, lambda *_: random.uniform(low, high))


def _gaussian_noise(given: Sequence[float]) -> Simulation:
    mean, deviation, seconds = _form("gaussianNoise", given, {0: (0, 1, 0.1), 3: given})
    random = Random()
    spread = 2 * abs(deviation)
    return _scalar(
        mean - spread, mean + spread, seconds, lambda *_: random.gauss(mean, abs(deviation))
    )


def _sine_wave(given: Sequence[float]) -> Simulation:
    return _periodic("sinewave", given, lambda turns, _: (np.sin(2 * math.pi * turns) + 1) / 2)


def _sawtooth(given: Sequence[float]) -> Simulation:
    # The last element before a fall is at the upper limit, or near it.
    return _periodic("sawtooth", given, lambda turns, length: turns % 1 * (1 + 1 / length))


def _periodic(
    name: str, given: Sequence[float], shape: Callable[[Array, float], Array]
) -> Simulation:
    """A wave that moves; `shape` has its values from 0 to 1, by turns and elements in a turn."""
    forms = {0: (1, 10, 50, 0.1, -1, 1), 4: (*given, -1, 1), 6: given}
    period, wavelength, size, seconds, low, high = _form(name, given, forms)
    size = int(size) if size >= 1 else 10
    length = wavelength if wavelength > 0 else size
    indices = np.arange(min(size, MAX_SIZE)) / length

    def wave(_: int, elapsed: float) -> Value:
        start = elapsed / period if period > 0 else 0.0
        return np.asarray(low + shape(start + indices, length) * (high - low))

    return _array(low, high, size, seconds, wave)


def _noise_wave(given: Sequence[float]) -> Simulation:
    forms = {0: (-5, 5, 100, 1), 3: (*given[:2], 100, *given[2:]), 4: given}
    low, high, size, seconds = _form("noisewave", given, forms)
    random = np.random.default_rng()
    count = min(max(int(size), 1), MAX_SIZE)
    return _array(low, high, size, seconds, lambda *_: random.random(count) * (high - low) + low)


def _gaussian_wave(given: Sequence[float]) -> Simulation:
    forms = {0: (1, 100, 100, 0.1), 4: given}
    period, deviation, size, seconds = _form("gaussianWave", given, forms)
    if deviation <= 0:
        raise LocalNameError("expected a standard deviation above 0")
    size = max(int(size), 1)
    offsets = np.arange(min(size, MAX_SIZE)) - size / 2
    shape = np.exp(-offsets * offsets / deviation)

    def wave(_: int, elapsed: float) -> Value:
        turns = elapsed / period if period > 0 else 0.0
        return np.roll(shape, -int(turns % 1 * len(shape)))

    return _array(0, 1, size, seconds, wave)


def _flipflop(given: Sequence[float]) -> Simulation:
    (seconds,) = _form("flipflop", given, {0: (1,), 1: given})
    metadata = Metadata(FieldType.ENUM, 1, enum_strs=("false", "true"))
    return Simulation(metadata, max(seconds, FASTEST), lambda number, _: (number + 1) % 2)


def _intermittent(given: Sequence[float]) -> Simulation:
    forms = {
        0: (1, -5, 5),
        1: (*given, -5, 5),
        2: (*given, *given[1:]),
        3: given,
    }
    seconds, low, high = _form("intermittentChannel", given, forms)
    random = Random()

    def value(number: int, _: float) -> Value | Lost:
        return LOST if number % 2 else random.uniform(low, high)

    return _scalar(low, high, seconds, value)


def _strings(given: Sequence[float]) -> Simulation:
    longest, seconds = _form("strings", given, {0: (10, 0.1), 1: (10, *given), 2: given})
    lengths = min(max(int(longest), 1), MAX_SIZE)
    metadata = Metadata(FieldType.STRING, 1)
    return Simulation(
        metadata, max(seconds, FASTEST), lambda number, _: "A" * (1 + number % lengths)
    )


def _form(name: str, given: Sequence[float], forms: dict[int, Sequence[float]]) -> Sequence[float]:
    """Return all arguments of a simulation, given its possible forms."""
    form = forms.get(len(given))
    if form is None:
        counts = " or ".join(map(str, forms))
        raise LocalNameError(f"expected {counts} numbers for {name}, got {len(given)}")
    return form


_SIMULATIONS: dict[str, Callable[[Sequence[float]], Simulation]] = {
    "sine": _sine,
    "ramp": _ramp,
    "noise": _noise,
    "gaussiannoise": _gaussian_noise,
    "flipflop": _flipflop,
    "strings": _strings,
}
_LONGER: dict[str, Callable[[Sequence[float]], Simulation]] = {
    "sinewave": _sine_wave,
    "gaussianwave": _gaussian_wave,
    "sawtooth": _sawtooth,
    "noisewave": _noise_wave,
    "intermittent": _intermittent,
}
