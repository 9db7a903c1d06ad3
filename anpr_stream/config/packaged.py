"""Where the files that come with the package lie: networks, plate formats, the manual of settings."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def packaged(folder: str) -> Path:
    """Return the folder of packaged data.

    Installed, `engines/` and `configs/` are packages below `anpr_stream`; in a checkout that is
    not installed they stand beside it.

    Args:
        folder: `engines` or `configs`.
    """
    spec = find_spec(f"anpr_stream.{folder}")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).resolve().parents[2] / folder
