"""Files with the records of a run and the requests of its clients."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import attrs

STEP = 0.125  # exact in binary, so that a client can distinguish a lost value from rounding

_RECORD = """record(calc, "{name}") {{
  field(SCAN, "{scan}")
  field(PINI, "YES")
  field(CALC, "VAL+{step}")
  field(EGU, "mm")
  field(PREC, "3")
}}
"""


@attrs.frozen
class Records:
    """A database of counters with the same scan rate."""

    database: Path
    names: tuple[str, ...]
    names_file: Path
    page: Path
    hertz: float

    def per_second(self, share: float = 1.0) -> float:
        """Updates per second of a client with this share of the records."""
        return len(self.names) * share * self.hertz


def counters(folder: Path, count: int, hertz: float) -> Records:
    """Write a database, the requests for all of it, and the list of names."""
    names = tuple(f"BENCH:COUNT{i:05d}" for i in range(count))
    scan = f"{1 / hertz:g} second".removeprefix("0")
    stem = f"{count}-{hertz:g}hz"
    database, names_file = folder / f"{stem}.db", folder / f"{stem}.names"
    database.write_text("".join(_RECORD.format(name=name, scan=scan, step=STEP) for name in names))
    names_file.write_text("".join(f"{name}\n" for name in names))
    page = write_page(folder / f"{stem}.page", names)
    return Records(database, names, names_file, page, hertz)


def write_page(path: Path, names: Sequence[str]) -> Path:
    """Write the requests of a Version 1 client for these PVs, one per line."""
    messages = ({"action": "connect", "pv": name} for name in names)
    lines = [json.dumps(message, separators=(",", ":")) for message in messages]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def write_dialect_page(path: Path, names: Sequence[str], kind: str) -> Path:
    """Write the messages of a client that requests each PV separately, like cs-web-lib."""
    lines = [f'{{"type":"{kind}","pvs":["{name}"]}}\n' for name in names]
    path.write_text("".join(lines))
    return path


def write_halves(folder: Path, names: Sequence[str], clients: int) -> Path:
    """Write requests for a random half for each client; `%d` in the path is its number."""
    choose = random.Random(1)  # the same halves in every run
    for client in range(clients):
        write_page(folder / f"half-{client}.page", choose.sample(names, len(names) // 2))
    return folder / "half-%d.page"


def write_lists(path: Path, names: Sequence[str], size: int) -> Path:
    """Write the requests of a client that requests these PVs in lists."""
    lists = (names[start : start + size] for start in range(0, len(names), size))
    messages = ({"action": "connect", "pvs": some} for some in lists)
    path.write_text("".join(f"{json.dumps(each, separators=(',', ':'))}\n" for each in messages))
    return path
