"""The base of every part of the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys.

    Every field carries its unit in the name, a default, and a description that says what too
    high and too low a value does; `configs/default.yaml` is checked against them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def has_secrets(info: ValidationInfo) -> bool:
    """Tell whether the values that come from outside are real, not stand-ins; see `load_settings`."""
    return info.context is None or bool(info.context["needs_secrets"])


def beside_file(path: str, info: ValidationInfo) -> str:
    """Let a relative path begin at the settings file's folder: services and people are called in others."""
    folder = Path() if info.context is None else info.context["folder"]
    return os.path.join(*folder.parts, path)


FilePath: TypeAlias = Annotated[Path, AfterValidator(lambda path, info: Path(beside_file(str(path), info)))]
"""A path as it is meant in a settings file."""
