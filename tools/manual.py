"""Write `configs/default.yaml`, the manual of all settings, from the schema: `python -m tools.manual`.

Names, defaults and explanations stand in `anpr_stream/config/` only; a test compares the file.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from anpr_stream.config.schema import Camera, CameraSettings, Settings
from anpr_stream.config.section import Section
from tools.options import ToolParser

Fields: TypeAlias = Mapping[str, FieldInfo]

WIDTH = 110
ENTRY_KEYS: dict[type[Any], str] = {tuple: "-", dict: "NAME:"}
TARGET = Path(__file__).resolve().parents[1] / "configs" / "default.yaml"
HEADER = """\
# All settings of anpr-stream with their defaults: change what you need in a file of your own and leave
# the rest out. `anpr-stream check FILE` names every fault with its line.
#
# What stands under "each camera" below may also stand in a camera, which then goes its own way.
# Secrets come from outside: ${NAME} is replaced by the environment variable NAME or, under systemd, by
# the credential file of that name. Units stand in the names: _s seconds, _px pixels of the picture,
# _heights plate heights, _mb 10^6 bytes. A path that does not begin with / begins at the folder of the
# settings file, whatever folder the program was called in.
#
# Written by `python -m tools.manual` from the schema.
"""


def manual() -> str:
    """Return the whole file."""
    shared = CameraSettings.model_fields
    lines = [HEADER, _heading("each camera"), *_fields(shared, "")]
    lines += [_heading("all together"), *_fields(Settings.model_fields, "", without=shared)]
    return "\n".join(lines) + "\n"


def _heading(text: str) -> str:
    return f"# ---- {text} ".ljust(WIDTH, "-")


def _fields(fields: Fields, indent: str, without: Collection[str] = ()) -> Iterator[str]:
    """Yield the lines of a section: each key with its explanation and default."""
    for name, field in fields.items():
        if name not in without:
            yield from [] if indent else [""]
            yield from _explanation(field, indent)
            yield from _setting(name, field, indent)


def _explanation(field: FieldInfo, indent: str) -> list[str]:
    text = " ".join((field.description or "").split())
    return textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _setting(name: str, field: FieldInfo, indent: str) -> Iterator[str]:
    default = _default(field)
    if isinstance(default, Section):
        yield f"{indent}{name}:"
        yield from _fields(type(default).model_fields, indent + "  ")
        return
    yield f"{indent}{name}: {_scalar(default)}"
    sections = _sections_in(field.annotation)
    if sections:
        yield f"{indent}#{name}:"
    for section in sections:
        yield from _entry(section, indent, ENTRY_KEYS.get(type(default), ""))


def _entry(section: type[Section], indent: str, key: str) -> Iterator[str]:
    """Yield one entry of a list or mapping, or an optional section, as a comment with all its keys."""
    if key:
        yield f"{indent}#  {key}"
    inherited = CameraSettings.model_fields if section is Camera else ()
    for line in _fields(section.model_fields, "    " if key else "  ", inherited):
        yield f"{indent}#{line}"


def _default(field: FieldInfo) -> Any:
    if get_origin(field.annotation) is Literal and field.is_required():
        return get_args(field.annotation)[0]
    return field.get_default(call_default_factory=True)


def _sections_in(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _sections_in(argument)]


def _scalar(value: Any) -> str:
    if value is PydanticUndefined:
        return "...  # required"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file."""
    ToolParser("tools.manual", __doc__).parse_args(arguments)
    TARGET.write_text(manual(), encoding="utf-8")
    sys.stderr.write(f"{TARGET}\n")


if __name__ == "__main__":
    main()
