"""Libraries that not everybody needs: loaded when the settings ask for them."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from anpr_stream.errors import ConfigError


def load_with_extra(module: str, extra: str, wanted_by: str) -> ModuleType:
    """Import a module of ours whose library comes with an extra.

    Raises:
        ConfigError: the library is missing; says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        message = f"{wanted_by}: {error.name} is missing; pip install 'anpr_stream[{extra}]'"
        raise ConfigError(message, "extra-missing") from error
