"""Each reason that flow, outputs and command line give stands in the manual."""

import re
from pathlib import Path

from tests.cli.command import ROOT

SLUG = re.compile(r'"((?:bench|camera|config|picture|sink|video)-[a-z]+)"')


def test_every_reason_is_explained() -> None:
    folders = [ROOT / "anpr_stream" / name for name in ("cli", "pipeline", "outputs", "config")]
    code = "".join(path.read_text() for folder in folders for path in Path(folder).glob("*.py"))
    manual = (ROOT / "docs" / "messages.md").read_text()
    explained = {slug for line in re.findall(r"^### (.+)$", manual, re.M) for slug in line.split(", ")}
    assert set(SLUG.findall(code)) <= explained
