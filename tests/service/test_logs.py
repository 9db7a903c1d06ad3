from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from anpr_stream.service.logs import set_up_logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def logged(form: str) -> str:
    stream = io.StringIO()
    set_up_logs(form, stream, {})  # type: ignore[arg-type]
    try:
        raise ValueError("inner")
    except ValueError:
        logging.getLogger("anpr").exception("what %s", "broke")
    return stream.getvalue()


def test_json_lines() -> None:
    (line,) = logged("json").splitlines()
    found = json.loads(line)
    assert (found["level"], found["logger"], found["message"]) == ("error", "anpr", "what broke")
    assert "ValueError: inner" in found["exception"]


def test_every_line_for_journald_has_its_priority() -> None:
    lines = logged("journal").splitlines()
    assert lines[0] == "<3>anpr: what broke"
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


def test_text() -> None:
    assert "ERROR   anpr: what broke" in logged("text")


def test_auto_takes_json_where_nobody_is_known_to_read() -> None:
    assert logged("auto").startswith("{")


def test_auto_knows_journald_by_its_stream(tmp_path: Path) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        set_up_logs("auto", stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        logging.getLogger("anpr").warning("hello")
        assert (tmp_path / "journal").read_text() == "<4>anpr: hello\n"


def test_the_http_clients_addresses_are_not_logged() -> None:
    logged("text")
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
