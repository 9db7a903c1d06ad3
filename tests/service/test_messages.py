"""Every reason that the daemon, the store and the receivers can give stands in the manual of messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("service", "store", "outputs")
ERRORS = {"AddressError", "ConfigError", "StoreError", "SinkError", "UsageError"}


def slugs(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        is_error = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS
        if is_error and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):
            yield str(node.args[1].value)


def test_every_slug_is_explained() -> None:
    heads = re.findall(r"^### (.+)$", (ROOT / "docs" / "messages.md").read_text(), re.M)
    explained = {slug.strip() for head in heads for slug in head.split(",")}
    files = [path for folder in FOLDERS for path in (ROOT / "anpr_stream" / folder).glob("*.py")]
    files.remove(
        ROOT / "anpr_stream" / "outputs" / "video.py"
    )  # no receiver: the run's own picture of itself
    used = {slug for path in files for slug in slugs(path)} | {"store", "sink", "usage", "config"}
    assert len(used) > 10
    assert used <= explained, f"not in docs/messages.md: {sorted(used - explained)}"
