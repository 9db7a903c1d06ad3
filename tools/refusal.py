"""How a tool says that it cannot do what was asked: one line, and its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pydantic import ValidationError

from anpr_stream.errors import AnprError

REFUSED = 2


class ToolError(Exception):
    """Something that the user can mend; the message names the thing and what is wrong with it."""


def first_fault(error: ValidationError) -> str:
    """Where in a document what is wrong, of the first thing that is."""
    first = error.errors()[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))


def exit_code(program: str, work: Callable[[], int | None]) -> int:
    """Do the work; its code (0 for None), or `REFUSED` after one line on what is wrong."""
    try:
        return work() or 0
    except (ToolError, AnprError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return REFUSED
