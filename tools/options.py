"""What options take and mean: a wrong value ends in one line, code 2, before any work."""

from __future__ import annotations

from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError, HelpFormatter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")
Number = TypeVar("Number", int, float)
Parser = Callable[[str], Value]

LARGEST = 2**63 - 1
"""What every random generator takes as a seed."""

MEANINGS = {
    "--backend": "engine that runs the network",
    "--fps": "frames a second",
    "--name": "network to train",
    "--out": "where to write",
    "--precision": "kind of its numbers",
    "--seconds": "how long",
    "--seed": "the same number gives the same result",
    "--split": "part of the data set",
    "--threads": "of the processor",
}
"""Of options that say nothing else themselves."""

PLOTS = (".png", ".jpg", ".svg", ".pdf")


def whole(least: int = 0, most: int = LARGEST) -> Parser[int]:
    """A whole number from `least` to `most`."""
    return _number(int, f"a whole number {_range(least, most)}", lambda value: least <= value <= most)


def real(least: float = 0.0, most: float = LARGEST) -> Parser[float]:
    """A finite number from `least` to `most`."""
    return _number(float, f"a number {_range(least, most)}", lambda value: least <= value <= most)


def _range(least: float, most: float) -> str:
    return f"from {least:g} on" if most == LARGEST else f"from {least:g} to {most:g}"


def _number(kind: Callable[[str], Number], wanted: str, fits: Callable[[Number], bool]) -> Parser[Number]:
    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is not {wanted}") from None
        if not fits(value):
            raise ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return parse


positive = _number(float, "a number over 0", lambda value: 0 < value <= LARGEST)
share = real(0, 1)


def size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT in pixels, each from 16 to 8192."""
    width, _, height = text.partition("x")
    side = whole(16, 8192)
    try:
        return side(width), side(height)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{text!r} is no WIDTHxHEIGHT: {error}") from None


def one_of(names: tuple[str, ...]) -> Parser[str]:
    """One of `names`."""

    def parse(text: str) -> str:
        if text not in names:
            raise ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return parse


def several(each: Parser[Value]) -> Parser[tuple[Value, ...]]:
    """What `each` takes, any number of them with commas between."""
    return lambda text: tuple(each(part) for part in text.split(","))


def plot(text: str) -> Path:
    """A file that a plot can be written to."""
    path = Path(text)
    if path.suffix.lower() not in PLOTS:
        raise ArgumentTypeError(f"{text!r}: name a {', '.join(PLOTS[:-1])} or {PLOTS[-1]} file")
    return path


class ToolParser(ArgumentParser):
    """A tool's command line, whose help tells what options mean and what they are by default."""

    def __init__(self, prog: str, description: str | None = None, **more: Any) -> None:
        super().__init__(prog=prog, description=description, formatter_class=_Help, **more)


class _Help(HelpFormatter):
    def add_argument(self, action: Action) -> None:
        name = next(iter(action.option_strings), "")
        if action.help is not SUPPRESS:
            action.help = _with_default(action, action.help or MEANINGS.get(name, ""))
        super().add_argument(action)


def _with_default(action: Action, text: str) -> str:
    value = action.default
    if value is None or value is False or value in ([], SUPPRESS) or "default" in text:
        return text
    if isinstance(value, list | tuple):
        between = "x" if action.type is size else " " if action.nargs else ","
        value = between.join(map(str, value))
    shown = f"default: {value}".replace("%", "%%")
    return f"{text} ({shown})" if text else shown
