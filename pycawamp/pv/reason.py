"""Why a PV has no value, as text."""

from __future__ import annotations

from datetime import datetime, timezone

from pycawamp.pv.interfaces import PVState


def reason(pv: PVState) -> str | None:
    """Return why a PV has no value; None if it is connected."""
    if pv.connected:
        return None
    if pv.inputs:
        return _reason_of_formula(pv)
    since = _since(pv)
    if pv.connected is None:
        return f"no IOC has answered since {since}"
    ioc = f"the IOC {pv.described.host}" if pv.described and pv.described.host else "the IOC"
    if pv.refusal is not None:
        return f"{ioc} refuses to send the value since {since}: {pv.refusal}"
    if pv.described is not None and not pv.described.read_access:
        return f"{ioc} grants no read access since {since}"
    return f"{ioc} was lost at {since}"


def _reason_of_formula(pv: PVState) -> str:
    for each in pv.inputs:
        why = reason(each)
        if why is not None:
            return f"its input {each.name} has no value: {why}"
    if pv.refusal is not None:
        return f"it cannot be computed since {_since(pv)}: {pv.refusal}"
    return f"it has not been computed since {_since(pv)}"


def _since(pv: PVState) -> str:
    return datetime.fromtimestamp(pv.changed, timezone.utc).isoformat(timespec="seconds")
