"""Why a PV has no value, as text."""

from __future__ import annotations

from datetime import datetime, timezone

from pycawamp.pv.interfaces import PVState


def reason(pv: PVState) -> str | None:
    """Return why a PV has no value; None if it is connected."""
    if pv.connected:
        return None
    since = datetime.fromtimestamp(pv.changed, timezone.utc).isoformat(timespec="seconds")
    if pv.connected is None:
        return f"no IOC has answered since {since}"
    ioc = f"the IOC {pv.described.host}" if pv.described and pv.described.host else "the IOC"
    if pv.refusal is not None:
        return f"{ioc} refuses to send the value since {since}: {pv.refusal}"
    if pv.described is not None and not pv.described.read_access:
        return f"{ioc} grants no read access since {since}"
    return f"{ioc} was lost at {since}"
