"""Every reason that an engine or a network can give stands in the manual of messages."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "anpr_stream"
SOURCES = [*(PACKAGE / "inference").glob("*.py"), PACKAGE / "vision" / "contract.py"]
CALLS = {"ModelError", "BackendError", "Rejection"}


def slugs(path):
    for node in ast.walk(ast.parse(path.read_text())):
        is_reason = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS
        if is_reason and len(node.args) >= 2 and isinstance(node.args[1], ast.Constant):
            yield node.args[1].value


def test_every_slug_is_explained():
    heads = re.findall(r"^### (.+)$", (ROOT / "docs" / "messages.md").read_text(), re.M)
    explained = {slug.strip() for head in heads for slug in head.split(",")}
    used = {slug for path in SOURCES for slug in slugs(path)} | {"backend", "model"}
    assert len(used) > 10
    assert used <= explained, f"not in docs/messages.md: {sorted(used - explained)}"
