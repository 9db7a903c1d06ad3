"""Each reason that flow, outputs and command line give stands in the manual."""

import re
import signal
from pathlib import Path

from anpr_stream.errors import AnprError
from tests.cli.command import ROOT

MANUAL = (ROOT / "docs" / "messages.md").read_text()
SLUG = re.compile(r'"((?:bench|camera|config|picture|sink|video)-[a-z]+)"')


def test_every_exit_code_is_explained() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", MANUAL, re.M)
    ours = {error.exit_code for error in (AnprError, *AnprError.__subclasses__())}
    signals = {128 + number for number in (signal.SIGINT, signal.SIGTERM)}
    assert {int(code) for row in rows for code in row.split(", ")} == {0, *ours, *signals}


def test_every_reason_is_explained() -> None:
    folders = [ROOT / "anpr_stream" / name for name in ("cli", "pipeline", "outputs", "config")]
    code = "".join(path.read_text() for folder in folders for path in Path(folder).glob("*.py"))
    explained = {slug for line in re.findall(r"^### (.+)$", MANUAL, re.M) for slug in line.split(", ")}
    assert set(SLUG.findall(code)) <= explained
