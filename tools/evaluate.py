"""Judge the networks on labelled data: `python -m tools.evaluate reading --data DATA --split val`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tools.options import ToolParser
from tools.refusal import exit_code


@dataclass(frozen=True)
class Command:
    """One sub-command: a module with `add_arguments(parser)` and `run(options)`, which gives lines."""

    module: str
    help: str


COMMANDS = {
    "video": Command("tools.evaluation.video", "clips through the whole pipeline, visit by visit"),
    "scenes": Command("tools.evaluation.scenes", "whole photos, searched and read"),
    "detection": Command("tools.evaluation.finding", "plates of labelled scenes, found or not"),
    "characters": Command("tools.evaluation.naming", "single characters, named or not"),
    "reading": Command("tools.evaluation.crops", "texts of labelled plates, cut by their labels"),
}


def tell(report: Iterable[str]) -> None:
    """Print a report as far as it comes."""
    for line in report:
        print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Parse, judge, print; 0, or 2 after one line on what is wrong."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = ToolParser("tools.evaluate", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs: dict[str, Callable[[argparse.Namespace], Iterable[str]]] = {}
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=command.help)
        if words[:1] == [name]:
            module = importlib.import_module(command.module)
            module.add_arguments(added)
            runs[name] = module.run
    options = parser.parse_args(words)
    return exit_code("evaluate", lambda: tell(runs[options.command](options)))


if __name__ == "__main__":
    sys.exit(main())
