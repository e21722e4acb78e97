"""Descriptions of options: a configuration file, and the table in the documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from pycawamp.config.option import Given, Option

_HEAD = """\
# Options of pycaserver, for twistd pycaserver --config FILE.
# Lines that begin with # are not set; they show the defaults.
# File names are relative to the folder of this file.
"""
_TABLE = "| option | default | what it does |\n| --- | --- | --- |\n"


def configuration_file(options: Iterable[Option], given: Mapping[str, Sequence[Given]]) -> str:
    """Return a TOML file with all options; those that were not given are comments."""
    parts = [_HEAD]
    for option in options:
        if option.is_in_files:
            texts = [_anywhere(option, each.text) for each in given.get(option.name, ())]
            mark = "" if texts else "#"
            value = _value(option, texts or _default(option))
            parts.append(f"# {_help(option)}\n{mark}{option.name} = {value}\n")
    return "\n".join(parts)


def table(options: Iterable[Option]) -> str:
    """Return a Markdown table of all options."""
    return _TABLE + "".join(
        f"| `--{option.name}` | {option.default or ''} | {_help(option)} |\n" for option in options
    )


def _anywhere(option: Option, text: str) -> str:
    """Return the text with absolute file names: the configuration file may be elsewhere."""
    return str(option.parse(text)) if option.is_path else text


def _help(option: Option) -> str:
    return f"{option.help}; may be repeated" if option.repeated else option.help


def _default(option: Option) -> list[str]:
    return [option.default or ""]


def _value(option: Option, texts: list[str]) -> str:
    if option.repeated:
        return f"[{', '.join(_literal(text) for text in texts if text)}]"
    if option.is_flag:
        return "true" if texts[-1] == "yes" else "false"
    return _literal(texts[-1])


def _literal(text: str) -> str:
    if re.fullmatch(r"0|[1-9]\d{0,17}|(0|[1-9]\d*)\.\d+", text, re.ASCII):
        return text
    # A JSON string is a valid TOML string, except for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
