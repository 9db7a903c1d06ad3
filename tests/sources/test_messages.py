"""Each reason that a source may give stands in the manual."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_reason_of_a_source_is_explained() -> None:
    code = "".join(path.read_text() for path in (ROOT / "anpr_stream" / "sources").glob("*.py"))
    told = set(re.findall(r'"(source-[a-z0-9-]+)"', code))
    explained = set(re.findall(r"^### (source-\S+)$", (ROOT / "docs" / "messages.md").read_text(), re.M))
    assert told == explained
