"""The names by which settings choose plate formats: countries, and groups of them."""

from __future__ import annotations

from pathlib import Path

import yaml

GROUPS = "groups.yaml"


def format_files(folder: Path) -> dict[str, Path]:
    """Return the file of each country, in the order of their names."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml")) if path.name != GROUPS}


def format_names(folder: Path) -> dict[str, list[str]]:
    """Return the countries that each name stands for."""
    groups = folder / GROUPS
    members: dict[str, list[str]] = yaml.safe_load(groups.read_text("utf-8")) if groups.is_file() else {}
    return {**{country: [country] for country in format_files(folder)}, **members}
