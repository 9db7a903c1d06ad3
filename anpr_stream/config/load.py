"""From a YAML file to checked settings, or to all that is wrong with it at once."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from anpr_stream.config.address import hide_password
from anpr_stream.config.checks import outside_faults
from anpr_stream.config.document import Document, Fault, KeyPath, parse_document, path_text
from anpr_stream.config.schema import Settings
from anpr_stream.config.section import Section
from anpr_stream.errors import ConfigError, reason_of

UNKNOWN_SECRET = "https://unknown.invalid/"
"""Stands for a secret that need not be known: long enough for a key, and an address where one is wanted."""

NO_TYPE = ("union_tag_invalid", "union_tag_not_found")
"""What pydantic calls an output whose `type` is wrong or missing."""


def load_settings(
    path: Path, environ: Mapping[str, str] = os.environ, needs_secrets: bool = True
) -> Settings:
    """Read and check a settings file.

    Args:
        path: a YAML file.
        environ: gives the value of each `${NAME}`; where it has none, the file `NAME` in the folder
            `$CREDENTIALS_DIRECTORY` (systemd's LoadCredential) does.
        needs_secrets: False: `UNKNOWN_SECRET` stands for each that is in neither of them, for commands
            that look after a service whose secrets they cannot see.

    Raises:
        ConfigError: the file cannot be read, or its faults, one line each:
            `file:line: key.path: what is wrong`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot read this settings file: {reason_of(error)}", "config-unreadable"
        ) from error
    return parse_settings(text, str(path), environ, needs_secrets)


def parse_settings(
    text: str, name: str, environ: Mapping[str, str] = os.environ, needs_secrets: bool = True
) -> Settings:
    """Check settings given as YAML text; `name` is the file's, relative paths begin at its folder.

    Raises:
        ConfigError: as `load_settings`.
    """
    document = parse_document(text, lambda secret: _secret(secret, environ, needs_secrets))
    faults = set(document.faults)
    settings = None
    try:
        context = {"needs_secrets": needs_secrets, "folder": Path(name).parent}
        settings = Settings.model_validate(document.data, context=context)
    except ValidationError as error:
        faults.update(_faults(document, error))
    for path, message in outside_faults(document.data):
        faults.add(Fault(document.line_of(path), path_text(path), message))
    if faults or settings is None:
        lines = (_line(name, fault) for fault in sorted(faults))
        raise ConfigError("\n".join(lines), "config-invalid")
    return settings


def _line(name: str, fault: Fault) -> str:
    path = f"{fault.path}: " if fault.path else ""
    return f"{name}:{fault.line}: {path}{fault.message}"


def _secret(name: str, environ: Mapping[str, str], is_needed: bool) -> str | None:
    if name in environ:
        return environ[name]
    unknown = None if is_needed else UNKNOWN_SECRET
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        return unknown
    try:
        return (Path(folder) / name).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError):
        return unknown


def _faults(document: Document, error: ValidationError) -> Iterator[Fault]:
    for detail in error.errors(include_url=False):
        path = _path_in_file(document, detail)
        yield Fault(document.line_of(path), path_text(path), _message(document, path, detail))


def _path_in_file(document: Document, detail: ErrorDetails) -> KeyPath:
    """Return where the user wrote the value: a camera inherits what stands above the cameras.

    Of an output pydantic also names the `type` by which it knows the keys.
    """
    path: KeyPath = detail["loc"]
    if detail["type"] in NO_TYPE:
        return (*path, "type")
    if path[:1] == ("outputs",):
        return (*path[:2], *path[3:])
    inherited = path[2:]
    if path[:1] == ("cameras",) and path not in document.lines and inherited in document.lines:
        return inherited
    return path


def _message(document: Document, path: KeyPath, detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "unknown key" + _suggestion(str(path[-1]), detail["loc"][:-1])
    if detail["type"] in ("missing", "union_tag_not_found"):
        return "is required"
    if detail["type"] == "union_tag_invalid":
        return f"input should be one of {detail['ctx']['expected_tags']}, not {detail['ctx']['tag']!r}"
    if detail["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "expected keys with values (key: value) here"
    if detail["type"] == "tuple_type":
        return "expected a list (- value, or [value, value]) here"
    message = detail["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    value = detail["input"]
    is_secret = detail["type"] == "string_type" or any(
        secret[: len(path)] == path for secret in document.secret_paths
    )
    if is_secret or not isinstance(value, str | int | float) or "@" in str(value):
        return message
    shown = hide_password(value) if isinstance(value, str) else value
    return f"{message}, not {shown!r}"


def _suggestion(key: str, parent: KeyPath) -> str:
    known = sorted(_keys_at(parent))
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _keys_at(path: KeyPath) -> set[str]:
    """Return the keys that the schema knows at a path, which may name an output's `type`."""
    sections: list[type[Section]] = [Settings]
    for part in path:
        sections = [section for section in sections if _type_of(section) == part] or sections
        fields = [
            field for section in sections for name, field in section.model_fields.items() if name == part
        ]
        if fields:
            sections = [found for field in fields for found in _sections_in(field.annotation)]
    return {name for section in sections for name in section.model_fields}


def _type_of(section: type[Section]) -> str | None:
    """Return the `type` of an output's section."""
    field = section.model_fields.get("type")
    return None if field is None else next(iter(get_args(field.annotation)), None)


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections inside an annotation such as `dict[str, Camera] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)
