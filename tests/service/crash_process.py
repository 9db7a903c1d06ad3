"""A process that forks daemons which are killed: importing everything once makes a hundred of them quick.

Each line on standard input is one daemon: `RUN COUNT`. The fork writes `pid PID`, then `ok VISIT/REVISION`
for every event that it was told is accepted, and ends when `COUNT` visits are accepted and delivered.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Settings
from anpr_stream.service.depot import Depot
from anpr_stream.sources.clock import SystemClock
from anpr_stream.store.ledger import Entry
from anpr_stream.types import EventKind
from tests.service.fakes import event

KINDS = (EventKind.NEW, EventKind.UPDATE, EventKind.FINAL)


class TellingDepot(Depot):
    """Tells the test of every acceptance."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.ended = threading.Semaphore(0)
        super().__init__(settings, folder, SystemClock())

    def _accepted(self, entry: Entry) -> None:
        os.write(1, f"ok {entry.visit_id}/{entry.revision}\n".encode())
        super()._accepted(entry)
        if entry.kind == "final":
            self.ended.release()


def daemon(settings: Settings, folder: Path, run: str, count: int) -> None:
    with TellingDepot(settings, folder) as depot:
        for number in range(count):
            for revision, kind in enumerate(KINDS):
                lists = ("gate",) if revision else ()
                depot.write(event(f"{run}-{number}", revision, f"R{run}N{number}", lists, kind))
            depot.ended.acquire()
        deliver_all(depot)


def deliver_all(depot: Depot) -> None:
    """Return when nothing waits any more."""
    pause = threading.Event()
    depot._recorder.close()
    while any(state != "dead" for states in depot.depths().values() for state in states):
        pause.wait(0.05)


def main() -> None:
    folder = Path(sys.argv[1])
    settings = load_settings(folder / "config.yaml")
    for line in sys.stdin:
        run, count = line.split()
        child = os.fork()
        if child == 0:
            os.write(1, f"pid {os.getpid()}\n".encode())
            daemon(settings, folder / "store", run, int(count))
            os._exit(0)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
        os.write(1, b"end\n")


if __name__ == "__main__":
    main()
