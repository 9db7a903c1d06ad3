"""Where the time of a program goes: stages measured apart from the stages inside them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch


class Meter:
    """Adds up processor time by stage; a stage inside another counts for itself alone.

    For programs with one thread at work: time is that of the whole process, so that threads inside an
    engine count too.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._stages: list[str] = []
        self._since_s = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside for a stage."""
        self._turn()
        self._stages.append(name)
        self.calls[name] += 1
        try:
            yield
        finally:
            self._turn()
            self._stages.pop()

    def watching(self, places: dict[str, tuple[Any, str]]) -> ExitStack:
        """Measure functions wherever they are called from, until the stack is closed.

        Args:
            places: stage to (module or class, name of its function).
        """
        stack = ExitStack()
        for stage, (owner, name) in places.items():
            stack.enter_context(patch.object(owner, name, self._watched(stage, getattr(owner, name))))
        return stack

    def _watched(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def watched(*arguments: Any, **named: Any) -> Any:
            with self.stage(stage):
                return function(*arguments, **named)

        return watched

    def _turn(self) -> None:
        now_s = time.process_time()
        if self._stages:
            self.seconds[self._stages[-1]] += now_s - self._since_s
        self._since_s = now_s
