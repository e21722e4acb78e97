"""Options of Version 2: long arrays, and low rates of a fast record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from bench import loader, processes
from bench.loader import Load, Result
from bench.report import Table, exact, mib, number
from bench.settings import OURS, Settings

FILL_S = 8.0
"""Until the long array has all its elements: 20 rounds of 5 Hz, and those before them."""
COLUMNS = ("what", "clients", "messages/s", "MB/s", "cores", "IOC cores", "RSS MiB")

# A seed of 200 numbers, gathered into 50,000 and those into a million: the IOC's parser takes
# no longer constant.
DATABASE = """
record(waveform, "BENCH:SEED") {{
  field(FTVL, "DOUBLE") field(NELM, "200") field(INP, {{const: {seed}}})
}}
record(compress, "BENCH:PART") {{
  field(SCAN, ".01 second") field(INP, "BENCH:SEED NPP NMS")
  field(ALG, "Circular Buffer") field(NSAM, "{part}")
}}
record(compress, "BENCH:LONG") {{
  field(SCAN, ".2 second") field(INP, "BENCH:PART NPP NMS")
  field(ALG, "Circular Buffer") field(NSAM, "{long}")
}}
record(calc, "BENCH:FAST") {{ field(SCAN, ".001 second") field(CALC, "VAL+1") }}
"""


@attrs.frozen
class Case:
    """Some clients of one PV with some options."""

    what: str
    clients: int
    pv: str
    options: dict[str, Any]
    settle: float = 2.0


def version2(settings: Settings) -> list[Table]:
    """A million doubles at 5 Hz in each form; 1 Hz of a record at 1 kHz."""
    part, long = settings.size(50_000, 2_000), settings.size(1_000_000, 10_000)
    database = settings.folder / "version2.db"
    seed = json.dumps([index / 7 for index in range(200)])
    database.write_text(DATABASE.format(seed=seed, part=part, long=long))
    with processes.ioc(database) as server:
        rows = [_row(case, _measure(settings, server, case)) for case in _cases(long)]
    return [Table("Options of Version 2", COLUMNS, rows)]


def _cases(long: int) -> Iterator[Case]:
    for form, clients in (("binary", 1), ("binary", 10), ("base64", 1), ("json", 1)):
        what = f"{long:,} doubles at 5 Hz, {form}"
        yield Case(what, clients, "BENCH:LONG", {"arrays": form}, settle=FILL_S)
    for clients in (1, 101):
        yield Case("1 kHz, max_rate 1", clients, "BENCH:FAST", {"max_rate": 1})
    yield Case("1 kHz, every update", 1, "BENCH:FAST", {})


def _measure(settings: Settings, server: processes.Ioc, case: Case) -> Result:
    page = _page(settings.folder, case)
    # The load client does not recognize first values in binary frames: do not wait for them.
    load = Load(page, case.clients, settle=case.settle, seconds=settings.seconds, open_s=1.0)
    with processes.gateway(OURS, server, settings.folder) as gateway:
        return loader.run(settings, gateway, server, load)


def _page(folder: Path, case: Case) -> Path:
    page = folder / "version2.page"
    page.write_text(json.dumps({"action": "connect", "pv": case.pv, **case.options}) + "\n")
    return page


def _row(case: Case, result: Result) -> list[str]:
    return [
        case.what,
        f"{case.clients}",
        number(result.per_second),
        exact(result.counts["bytes_per_s"] / 1e6, 1),
        exact(result.gateway_cores, 3),
        exact(result.ioc_cores, 2),
        mib(result.rss_peak_kib),
    ]
