"""Everything that only a GPU can show, in one command: one table for people, one JSON line for programs.

    python -m tools.gpu_check [--clip FILE] [--seconds S] [--minutes M]

It says first what is missing and measures the rest. Without a GPU it stops at once.
"""

from __future__ import annotations

import importlib
import sys

INCOMPLETE = 4


def main(arguments: list[str] | None = None) -> int:
    """Run `tools.gpu.check`; the exit code is 4 where a package is missing that nothing runs without."""
    try:
        check = importlib.import_module("tools.gpu.check")
    except ImportError as error:
        print(f"gpu_check: {error}: pip install -e . installs what is needed", file=sys.stderr)
        return INCOMPLETE
    return int(check.main(arguments))


if __name__ == "__main__":
    sys.exit(main())
