"""The two C programs, which are compiled when their sources are newer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import attrs

HERE = Path(__file__).parent
_FLAGS = ["-O2", "-Wall", "-Wextra"]


@attrs.frozen
class Tools:
    """Where the load client and the bare CA client are."""

    load: Path
    calat: Path


def build(folder: Path) -> Tools:
    """The load client stands beside its source; calat is tied to one environment's libca."""
    return Tools(_build_load(), _build_calat(folder / "calat"))


def _build_load() -> Path:
    program = HERE / "load"
    sources = [HERE / "load.c", HERE / "histogram.h"]
    newest = max(source.stat().st_mtime for source in sources)
    if not program.exists() or program.stat().st_mtime < newest:
        _compile(HERE / "load.c", program, ["-lssl", "-lcrypto", "-lz"])
    return program


def _build_calat(program: Path) -> Path:
    from epicscorelibs import path  # noqa: PLC0415 (it loads libraries)

    libraries = ["-l:libca.so", "-l:libCom.so", f"-Wl,-rpath,{path.lib_path}"]
    flags = [f"-I{path.include_path}", f"-L{path.lib_path}", *libraries]
    _compile(HERE / "calat.c", program, flags)
    return program


def _compile(source: Path, program: Path, flags: list[str]) -> None:
    compiler = os.environ.get("CC", "cc")
    command = [compiler, *_FLAGS, "-o", str(program), str(source), *flags, "-lm"]
    subprocess.run(command, check=True)
