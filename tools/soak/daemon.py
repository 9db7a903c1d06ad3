"""The daemon as `anpr-stream serve` runs it, but on a clock that jumps when it is told to."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

from anpr_stream.config.load import load_settings
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.service.daemon import Order
from anpr_stream.service.logs import set_up_logs
from anpr_stream.service.serve import MEANING, run, take_orders
from anpr_stream.sources.clock import SystemClock

JUMP_S = 3600.0


class JumpingClock(SystemClock):
    """The wall clock is set an hour on by SIGUSR1 and back by SIGUSR2; the monotonic one goes on."""

    def __init__(self) -> None:
        self._offset_s = 0.0
        signal.signal(signal.SIGUSR1, self._jump)
        signal.signal(signal.SIGUSR2, self._jump)

    def utc_s(self) -> float:
        """Seconds since the Unix epoch, as the jumping clock has it."""
        return super().utc_s() + self._offset_s

    def _jump(self, number: int, frame: FrameType | None) -> None:
        self._offset_s = JUMP_S if number == signal.SIGUSR1 else 0.0


def main() -> None:
    """Run the settings file that is the only argument."""
    load = partial(load_settings, Path(sys.argv[1]))
    settings = load()
    set_up_logs("json")
    orders: SimpleQueue[Order] = SimpleQueue()
    take_orders(orders, *MEANING)
    run(settings, load_networks(settings), load, orders, os.environ, JumpingClock())


if __name__ == "__main__":
    main()
