"""Where the files that come with the package lie: networks, plate formats, the manual of settings."""

from __future__ import annotations

from pathlib import Path


def packaged(folder: str) -> Path:
    """Return the folder of packaged data.

    Installed, `engines/` and `configs/` lie inside the package; in a checkout they stand beside it.

    Args:
        folder: `engines` or `configs`.
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder
