"""The programs in C and C++, which are compiled when their sources are newer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import attrs

HERE = Path(__file__).parent
_FLAGS = ["-O2", "-Wall", "-Wextra"]


@attrs.frozen
class Tools:
    """The paths of the load client, the bare CA client and the source of updates."""

    load: Path
    calat: Path
    source: Path


def build(folder: Path) -> Tools:
    """Build the load client beside its source, and calat for this environment's libca."""
    source = folder / "source"
    _compile(HERE / "source.c", source, [])
    return Tools(_build_load(), _build_calat(folder / "calat"), source)


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


def build_pvxscat(program: Path) -> Path:
    """Build the client on pvxs; raises CalledProcessError if it cannot be compiled."""
    import pvxslibs.path  # noqa: PLC0415 (it loads libraries)
    from epicscorelibs import path  # noqa: PLC0415

    folders = [Path(pvxslibs.path.include_path).with_name("lib"), Path(path.lib_path)]
    libraries = [next(folders[0].glob("libpvxs.so*")), folders[1] / "libCom.so"]
    flags = [f"-I{pvxslibs.path.include_path}", f"-I{path.include_path}", *map(str, libraries)]
    flags += ["-std=c++17", *(f"-Wl,-rpath,{folder}" for folder in folders)]
    flags += ["-Wl,--allow-shlib-undefined"]
    # The wheels for Python up to 3.13 are built with the old ABI of std::string.
    old = ["-D_GLIBCXX_USE_CXX11_ABI=0"] if sys.version_info < (3, 14) else []
    _compile(HERE / "pvxscat.cpp", program, [*flags, *old, "-lpthread"], "CXX", "c++")
    return program


def _compile(
    source: Path, program: Path, flags: list[str], variable: str = "CC", default: str = "cc"
) -> None:
    compiler = os.environ.get(variable, default)
    command = [compiler, *_FLAGS, "-o", str(program), str(source), *flags, "-lm"]
    subprocess.run(command, check=True)
