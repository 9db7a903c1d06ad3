"""Judge the networks on labelled data: `python -m tools.evaluate reading --data DATA --split val`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

from anpr_stream.errors import AnprError
from tools.training.detector_data import DataError
from tools.training.packs import PackError


@dataclass(frozen=True)
class Command:
    """One sub-command: a module with `add_arguments(parser)` and `run(options)` giving lines of text."""

    module: str
    help: str


COMMANDS = {
    "video": Command("tools.evaluation.video", "clips through the whole pipeline, visit by visit"),
    "scenes": Command("tools.evaluation.scenes", "whole photos, searched and read"),
    "detection": Command("tools.evaluation.finding", "plates of labelled scenes, found or not"),
    "characters": Command("tools.evaluation.naming", "single characters, named or not"),
    "reading": Command("tools.evaluation.crops", "texts of labelled plates, cut by their labels"),
}


def main(arguments: list[str] | None = None) -> int:
    """Parse, judge, print; 0, or 2 after one line on what is wrong."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="tools.evaluate", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs: dict[str, Callable[[argparse.Namespace], list[str]]] = {}
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=command.help)
        if words[:1] == [name]:
            module = importlib.import_module(command.module)
            module.add_arguments(added)
            runs[name] = module.run
    options = parser.parse_args(words)
    try:
        print("\n".join(runs[options.command](options)))
    except (AnprError, PackError, DataError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
