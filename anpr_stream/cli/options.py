"""Options that several commands share, and how they change the settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError

from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Camera, CameraSettings, Settings
from anpr_stream.errors import UsageError

Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", "-c", help="Settings file (YAML); see configs/default.yaml.")
]
Backend: TypeAlias = Annotated[
    str | None,
    typer.Option(help="auto, onnxruntime, openvino, cuda or tensorrt.", show_default=False),
]
Reader: TypeAlias = Annotated[
    str | None, typer.Option(help="gru (whole plate) or characters.", show_default=False)
]
Formats: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Plate formats to expect: tw,de,eu,…; all if left out.", show_default=False),
]
StartTime: TypeAlias = Annotated[
    datetime | None,
    typer.Option(
        metavar="TIME",
        formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"],
        help="When the recording begins, e.g. 2026-05-01T08:00:00+0200; UTC if it names no zone.",
        show_default=False,
    ),
]


def settings_from(config: Path | None, changes: Mapping[str, Any]) -> Settings:
    """Load the settings and lay the command line's options over them, also over each camera's.

    Args:
        config: the file; defaults without one.
        changes: key path (`source.every`) to value; None leaves the setting as it is.

    Raises:
        ConfigError: the file has faults.
        UsageError: an option has a wrong value.
    """
    settings = load_settings(config) if config else Settings()
    wanted = {path: value for path, value in changes.items() if value is not None}
    data = settings.model_dump()
    for path, value in wanted.items():
        _put(data, path.split("."), value)
        if path.split(".")[0] in CameraSettings.model_fields:
            for camera in data["cameras"].values():
                _put(camera, path.split("."), value)
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise UsageError(_first_fault(error)) from error


def with_sources(settings: Settings, urls: Iterable[str]) -> Settings:
    """Return the settings with these sources as their only cameras, named after files and hosts.

    Lists and outputs may name cameras and zones of the file, which are gone then; only the daemon uses them.

    Raises:
        UsageError: a source's text cannot be used.
    """
    shared = {name: getattr(settings, name) for name in CameraSettings.model_fields}
    cameras: dict[str, Camera] = {}
    for url in urls:
        cameras[_unused(_name(url), cameras)] = _camera(url, shared)
    return settings.model_copy(update={"cameras": cameras})


def split_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names of a comma-separated list."""
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())


def _put(data: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


def _camera(url: str, shared: Mapping[str, Any]) -> Camera:
    try:
        url.encode()
    except UnicodeEncodeError:
        raise UsageError(f"SOURCE {url!r}: this name is not UTF-8; rename the file") from None
    try:
        return Camera.model_validate({**shared, "url": url})
    except ValidationError as error:
        raise UsageError(f"SOURCE {url!r}: {_told(error)}") from error


def _first_fault(error: ValidationError) -> str:
    return f"--{error.errors()[0]['loc'][-1]}: {_told(error)}"


def _told(error: ValidationError) -> str:
    message = error.errors()[0]["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _name(url: str) -> str:
    """Return a camera's name for a source: the file's or folder's stem, the host, or the device."""
    name = _host(url) or Path(url.rstrip("/")).stem or "camera"
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).lstrip("_.-")[:60] or "camera"


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname if "://" in url else None
    except ValueError:  # told when it is opened
        return None


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    numbered = (f"{name}-{number}" for number in range(2, 10_000))
    return name if name not in taken else next(other for other in numbered if other not in taken)
