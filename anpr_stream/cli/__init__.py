"""The command line: parse, build, call. Data goes to standard output, all else to standard error."""

from __future__ import annotations

import sys

import typer

from anpr_stream.cli import check
from anpr_stream.errors import AnprError

INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("check")(check.check)


def main() -> None:
    """Run the command line; a user's mistake ends in one line and its exit code, never in a traceback."""
    try:
        app()
    except AnprError as error:
        sys.stderr.write(f"anpr-stream: {error}\n")
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
