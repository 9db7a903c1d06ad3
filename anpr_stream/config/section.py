"""The base of every part of the configuration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationInfo


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys.

    Every field carries its unit in the name, a default, and a description that says what too
    high and too low a value does; `configs/default.yaml` is checked against them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def has_secrets(info: ValidationInfo) -> bool:
    """Tell whether the values that come from outside are real, not stand-ins; see `load_settings`."""
    return info.context is None or bool(info.context["needs_secrets"])
