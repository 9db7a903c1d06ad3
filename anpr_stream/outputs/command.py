"""A program per list hit: started without a shell, at most once per visit."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from anpr_stream.outputs.transport import DELIVERED, Message, Result, Verdict, away

PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
"""All that a command sees of the daemon's environment: the rest may hold secrets."""

LOOK_AGAIN_S = 0.1
"""How soon the end of a program is noticed that left another one running."""


class CommandTransport:
    """One program (a `Transport`).

    A message that was handed to a started program is done with, whatever the program makes of it:
    running it again could open a gate twice. Only a program that could not be started is tried again.
    """

    def __init__(self, command: Sequence[str], list_name: str, timeout_s: float) -> None:
        self._command = tuple(command)
        self._list = list_name
        self._timeout_s = timeout_s

    def send(self, messages: Sequence[Message]) -> list[Result]:
        """Run the program for one message after the other; stop when it cannot be started."""
        results: list[Result] = []
        for message in messages:
            results.append(self._run(message))
            if results[-1].verdict is Verdict.AWAY:
                break
        return results

    def close(self) -> None:
        """Nothing is held between runs."""

    def _run(self, message: Message) -> Result:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self._environment(message),
                start_new_session=True,
            )
        except OSError as error:
            return away(error)
        with process:
            try:
                errors = self._watch(process, message.payload.encode())
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                return Result(Verdict.HOPELESS, f"ended after {self._timeout_s:g} s")
        if process.returncode == 0:
            return DELIVERED
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        return Result(Verdict.HOPELESS, " ".join([f"exit status {process.returncode}", *last])[:300])

    def _watch(self, process: subprocess.Popen[bytes], given: bytes | None) -> bytes:
        """Hand a program its input; return what it wrote to standard error until it ended.

        What it leaves running keeps standard error open, and is not waited for.

        Raises:
            subprocess.TimeoutExpired: it has not ended in time.
        """
        until_s = time.monotonic() + self._timeout_s
        while True:
            left_s = until_s - time.monotonic()
            try:
                return process.communicate(given, max(0.0, min(LOOK_AGAIN_S, left_s)))[1]
            except subprocess.TimeoutExpired as error:
                if process.poll() is not None:
                    return error.stderr or b""
                if left_s <= 0:
                    raise
            given = None

    def _environment(self, message: Message) -> dict[str, str]:
        event = message.document()
        hit = _hit_of(event, self._list)
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "ANPR_TEXT": event["text"] or "",
            "ANPR_CAMERA": event["camera"],
            "ANPR_LIST": self._list,
            "ANPR_ENTRY": hit.get("entry", ""),
            "ANPR_VISIT_ID": message.visit_id,
        }


def _hit_of(event: dict[str, Any], list_name: str) -> dict[str, Any]:
    return next((hit for hit in event["lists"] if hit["list"] == list_name), {})
