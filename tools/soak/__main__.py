"""Watch many simulated cameras for a long time while cameras, brokers, disk and clock fail at random.

`python -m tools.soak --cameras 24 --minutes 30 --folder FOLDER` (as root: it mounts a small disk) writes
`faults.md`, `memory.csv` and `result.json` into the folder, and ends with 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.options import ToolParser, positive, whole
from tools.refusal import exit_code
from tools.soak.books import MqttListener, commands, counters, received, stored
from tools.soak.faults import Fault, faults
from tools.soak.house import House, house

LOOK_S = 0.5
NOTICE_LIMIT_S = 60.0
MEND_LIMIT_S = 120.0
CALM_S = 8.0
"""Between faults, so that each is seen alone."""
SETTLED_S = 180.0
"""Memory counts as flat from here on."""


@dataclass
class Row:
    """One fault and what became of it."""

    at_s: float
    fault: Fault
    noticed_s: float | None
    mended_s: float | None
    line: str


@dataclass
class Soak:
    """Runs the faults and keeps what was seen."""

    house: House
    minutes: float
    seed: int
    with_kills: bool = False
    is_calm: bool = False
    rows: list[Row] = field(default_factory=list)
    memory: list[tuple[float, float, int]] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)
    life: int = 0

    def run(self) -> None:
        """Let things fail until the time is over."""
        self.house.start_daemon()
        self._wait(self._is_well, MEND_LIMIT_S)
        kinds = faults(self.house, random.Random(self.seed), self.with_kills)
        for fault in () if self.is_calm else kinds:
            if self._now_s() > self.minutes * 60 - 90:
                break
            self.rows.append(self._play(fault))
            self._pass(CALM_S)
        self._pass(self.minutes * 60 - self._now_s())

    def settle(self) -> None:
        """Wait until every receiver has what waited for it."""
        self._wait(lambda: not any(output["waiting"] for output in self._outputs()), 300)

    def stop(self) -> float:
        """End the daemon as systemd does; return how long it took."""
        began_s = time.monotonic()
        self.house.signal(signal.SIGTERM)
        assert self.house.daemon is not None
        self.house.daemon.wait(60)
        return time.monotonic() - began_s

    def _play(self, fault: Fault) -> Row:
        at_s, line = self._now_s(), ""
        fault.begin()
        noticed_s: float | None = None
        if fault.is_seen is not None:
            noticed_s = self._wait(
                lambda: fault.is_seen is None or fault.is_seen(self._status()), NOTICE_LIMIT_S
            )
            line = self._status().get("summary", "no answer")
        self._pass(fault.length_s - (self._now_s() - at_s))
        fault.end()
        self.life += fault.name == "kill -9"
        mended_s = self._wait(self._is_well, MEND_LIMIT_S)
        row = Row(at_s, fault, noticed_s, mended_s, line)
        sys.stderr.write(f"{at_s:6.0f} s {fault.name} ({fault.what}): {noticed_s} {mended_s} {line}\n")
        return row

    def _status(self) -> dict[str, Any]:
        return self.house.status() or {}

    def _outputs(self) -> list[dict[str, Any]]:
        return list(self._status().get("outputs", {"none yet": {"waiting": 1}}).values())

    def _is_well(self) -> bool:
        """Tell whether all is well; commands that a kill interrupted stay put aside."""
        status = self._status()
        if not status or not status["ready"] or not self._all_run(status):
            return False
        return all("put aside" in fault for fault in status["faults"])

    def _all_run(self, status: dict[str, Any]) -> bool:
        cameras = status["cameras"]
        return len(cameras) == len(self.house.names) and all(
            camera["state"] == "running" for camera in cameras.values()
        )

    def _now_s(self) -> float:
        return time.monotonic() - self.began_s

    def _wait(self, condition: Callable[[], bool], limit_s: float) -> float | None:
        """Return the seconds until something holds, None if it does not in time."""
        began_s = self._now_s()
        for now_s in self._ticks():
            if condition():
                return round(now_s - began_s, 1)
            if now_s - began_s > limit_s:
                return None
        return None

    def _pass(self, seconds: float) -> None:
        until_s = self._now_s() + seconds
        for now_s in self._ticks():
            if now_s >= until_s:
                return

    def _ticks(self) -> Iterator[float]:
        """Yield the time again and again; note the memory on the way."""
        while True:
            yield self._now_s()
            time.sleep(LOOK_S)
            if not self.memory or self._now_s() - self.memory[-1][0] > 5:
                self._note_memory()

    def _note_memory(self) -> None:
        try:
            self.memory.append((self._now_s(), self.house.memory_mib(), self.life))
        except (OSError, IndexError):
            return  # between a kill and the next start there is none


def judge(soak: Soak, listener: MqttListener, stop_s: float, before_stop: str) -> dict[str, Any]:
    """Compare what was accepted with what came."""
    events, running, dead = stored(soak.house)
    got = received(soak.house, listener)
    ran = commands(soak.house)
    asked = {key.split("/")[0] for key, payload in events.items() if json.loads(payload)["lists"]}
    wrong = {
        name: sum(json.loads(found[key]) != json.loads(events[key]) for key in found.keys() & events.keys())
        for name, found in got.items()
    }
    return {
        "events_in_store": len(events),
        "visits": len({key.split("/")[0] for key in events}),
        "visits_without_final": running,
        "missing_at": {name: len(events.keys() - found.keys()) for name, found in got.items()},
        "other_content_at": wrong,
        "content_changed": soak.house.webhook.changed + listener.changed,
        "commands_twice": sum(count > 1 for count in ran.values()),
        "commands_missing": len(asked - ran.keys()) - dead,
        "put_aside": dead,
        "stop_s": round(stop_s, 1),
        "counters_of_last_life": counters(before_stop),
        "memory_growth_mib": growth(soak.memory),
        "faults": len(soak.rows),
        "not_noticed": [
            f"{row.fault.name} {row.fault.what}"
            for row in soak.rows
            if row.fault.is_seen and row.noticed_s is None
        ],
        "not_mended": [f"{row.fault.name} {row.fault.what}" for row in soak.rows if row.mended_s is None],
    }


def growth(memory: list[tuple[float, float, int]]) -> dict[str, float]:
    """Return the change of memory in the longest life of the daemon, without its first minutes."""
    lives = {life: [(at, mib) for at, mib, which in memory if which == life] for _, _, life in memory}
    longest = max(lives.values(), key=lambda points: points[-1][0] - points[0][0])
    settled = [(at, mib) for at, mib in longest if at - longest[0][0] > SETTLED_S] or longest
    fifth = max(1, len(settled) // 5)
    first = sum(mib for _, mib in settled[:fifth]) / fifth
    last = sum(mib for _, mib in settled[-fifth:]) / fifth
    minutes = (settled[-1][0] - settled[0][0]) / 60
    return {"first_mib": round(first, 1), "last_mib": round(last, 1), "over_minutes": round(minutes, 1)}


def is_good(result: dict[str, Any]) -> bool:
    """Tell whether nothing was lost, changed, doubled or left unmended."""
    zeros = ("visits_without_final", "content_changed", "commands_twice", "commands_missing")
    nothing = ("not_noticed", "not_mended")
    return (
        result["events_in_store"] > 0
        and not any(result[name] for name in (*zeros, *nothing))
        and not any((*result["missing_at"].values(), *result["other_content_at"].values()))
    )


def table(rows: list[Row]) -> str:
    """Return the faults as a Markdown table, kinds together."""
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(row.fault.name, []).append(row)
    lines = [
        "| fault | times | shown after (s) | well again after (s) | what the status said |",
        "|---|--:|---|---|---|",
    ]
    for name, found in kinds.items():
        seen = [row.noticed_s for row in found if row.noticed_s is not None]
        mended = [row.mended_s for row in found if row.mended_s is not None]
        lines.append(f"| {name} | {len(found)} | {_range(seen)} | {_range(mended)} | {found[0].line} |")
    return "\n".join(lines) + "\n"


def _range(values: list[float]) -> str:
    return f"{min(values):g} to {max(values):g}" if values else "-"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; 0, 1 if something was lost, 2 after one line on what is wrong."""
    parser = ToolParser("python -m tools.soak", __doc__)
    parser.add_argument("--cameras", type=whole(1), default=24)
    parser.add_argument("--minutes", type=positive, default=30.0)
    parser.add_argument("--seed", type=whole(), default=1)
    parser.add_argument(
        "--kill", action="store_true", help="kill -9 the daemon, too; breaks the memory curve"
    )
    parser.add_argument("--calm", action="store_true", help="let nothing fail: for the memory curve alone")
    parser.add_argument("--disk-mb", type=whole(1), default=64)
    parser.add_argument("--folder", type=Path, required=True, help="must not be there yet")
    options = parser.parse_args(arguments)
    return exit_code("soak", lambda: run(options))


def run(options: argparse.Namespace) -> int:
    """Run the soak that `options` ask for and write what came of it; 1 if something was lost.

    Raises:
        ToolError, OSError: the folder is there already, or no disk can be mounted in it.
    """
    with house(options.folder.absolute(), options.cameras, options.disk_mb) as found:
        listener = MqttListener(found.brokers["mqtt"].port)
        soak = Soak(found, options.minutes, options.seed, options.kill, options.calm)
        soak.run()
        soak.settle()
        metrics = found.metrics()
        stop_s = soak.stop()
        # What the stop itself accepted goes out with the next start.
        soak.life += 1
        found.start_daemon()
        soak.settle()
        soak.stop()
        result = judge(soak, listener, stop_s, metrics)
        listener.close()
    (options.folder / "faults.md").write_text(table(soak.rows))
    (options.folder / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    with (options.folder / "memory.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("second", "mib", "life"), *soak.memory])
    sys.stdout.write(table(soak.rows) + json.dumps(result, indent=1) + "\n")
    return 0 if is_good(result) else 1


if __name__ == "__main__":
    sys.exit(main())
