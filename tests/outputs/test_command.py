from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from anpr_stream.outputs.command import CommandTransport
from anpr_stream.outputs.transport import Message, Verdict
from tests.outputs.messages import messages, verdicts

WRITE = (
    "import os, sys, json; print(json.dumps([sys.argv[2:], dict(os.environ), sys.stdin.read()]),"
    " file=open(sys.argv[1], 'a'))"
)


def command(*arguments: str, timeout_s: float = 60.0) -> CommandTransport:
    return CommandTransport([sys.executable, *arguments], "staff", timeout_s)


def test_the_event_comes_as_input_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    (message,) = messages("v1", camera="; rm -rf ~ $(id)")
    transport = command("-c", WRITE, str(tmp_path / "out"), "--open", "$ANPR_TEXT")
    assert verdicts(transport.send([message])) == [Verdict.DELIVERED]
    transport.close()
    arguments, environment, given = json.loads((tmp_path / "out").read_text())
    assert arguments == ["--open", "$ANPR_TEXT"]
    assert given == message.payload
    assert "SECRET_TOKEN" not in environment
    assert {name: text for name, text in environment.items() if name.startswith("ANPR_")} == {
        "ANPR_TEXT": "AB12CDE",
        "ANPR_CAMERA": "; rm -rf ~ $(id)",
        "ANPR_LIST": "staff",
        "ANPR_ENTRY": "AB12CDE",
        "ANPR_VISIT_ID": "v1",
    }


def test_a_program_that_fails_is_put_aside_with_what_it_said() -> None:
    script = "import sys; sys.exit('gate is stuck')"
    results = command("-c", script).send(messages("a", "b"))
    assert verdicts(results) == [Verdict.HOPELESS] * 2
    assert results[0].error == "exit status 1 gate is stuck"


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
    )
    (result,) = command("-c", script, timeout_s=0.5).send(messages("a"))
    assert (result.verdict, result.error) == (Verdict.HOPELESS, "ended after 0.5 s")


def test_what_a_program_leaves_running_is_neither_waited_for_nor_ended(tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    os.mkfifo(go)
    os.mkfifo(done)
    with open(os.open(go, os.O_RDWR), "w") as goes, open(os.open(done, os.O_RDWR)) as told:
        script = f"(read word <{go}; echo closed >{done}) & echo opened >&2"
        transport = CommandTransport(["/bin/sh", "-c", script], "staff", 60.0)
        assert verdicts(transport.send(messages("a"))) == [Verdict.DELIVERED]
        print("now", file=goes, flush=True)
        assert told.readline() == "closed\n"
        script = f"(read word <{go}) & echo stuck >&2; exit 3"
        (result,) = CommandTransport(["/bin/sh", "-c", script], "staff", 60.0).send(messages("b"))
    assert result.error == "exit status 3 stuck"


@pytest.mark.parametrize("program", ["/no/such/program", "/etc/passwd", "/tmp"])
def test_a_program_that_cannot_be_started_is_tried_again(program: str) -> None:
    (result,) = CommandTransport([program], "staff", 1.0).send(messages("a", "b"))
    assert result.verdict is Verdict.AWAY
    assert program in result.error


def test_an_event_without_text_or_hit_runs_too(tmp_path: Path) -> None:
    payload = json.loads(messages("a")[0].payload) | {"text": None, "lists": []}
    transport = command("-c", WRITE, str(tmp_path / "out"))
    assert verdicts(transport.send([Message("a", 2, json.dumps(payload))])) == [Verdict.DELIVERED]
