"""The command line: parse, build, call. Data goes to standard output, all else to standard error."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sqlite3
import sys
from typing import Annotated, Any

import typer

from anpr_stream import __version__
from anpr_stream.cli import (
    audit,
    bench,
    build,
    check,
    correct,
    doctor,
    install_service,
    lists,
    models,
    outbox,
    read,
    run,
    search,
    serve,
    status,
)
from anpr_stream.cli.printing import finish_printing, guard_printing
from anpr_stream.errors import AnprError, SinkError, StoreError, UsageError

INTERRUPTED = 130

M_ARENA_MAX = -8
"""Of `mallopt` (malloc.h of the GNU C library): the most heaps."""

WRONG_USE: type[Any] = typer.BadParameter.__bases__[0]
"""What Typer raises for wrong options; newer ones bring their own Click, so it has no import that lasts."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
app.command("run")(run.run)
app.command("read")(read.read)
app.command("check")(check.check)
app.command("doctor")(doctor.doctor)
app.command("models")(models.models)
app.command("bench")(bench.bench)
app.command("build")(build.build)
app.command("serve")(serve.serve)
app.command("status")(status.status)
app.command("search")(search.search)
app.command("export")(search.export)
app.command("correct")(correct.correct)
app.command("audit")(audit.audit)
app.add_typer(outbox.app, name="outbox")
app.add_typer(lists.app, name="list")
app.command("install-service")(install_service.install_service)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"anpr-stream {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")] = False,
) -> None:
    """Number plates out of live and recorded video: one fused event per vehicle visit."""
    # What a user must know is printed by the commands themselves; the log is for those who ask.
    level = logging.INFO if verbose else logging.CRITICAL
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def main() -> None:
    """Run the command line; a user's mistake ends in one line and its exit code, never in a traceback."""
    _share_heaps()
    guard_printing()
    try:
        exit_code = app(prog_name="anpr-stream", standalone_mode=False)
        if not finish_printing() and not exit_code:
            raise SinkError("standard output: cannot write all of it", "sink-write")
        raise SystemExit(exit_code)
    except AnprError as error:
        raise SystemExit(_tell(error)) from None
    except sqlite3.Error as error:
        told = StoreError(f"the store cannot be read or written: {error}; does another program hold it?")
        raise SystemExit(_tell(told)) from None
    except WRONG_USE as error:
        raise SystemExit(_tell_wrong_use(error)) from None
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(INTERRUPTED) from None


def _share_heaps() -> None:
    """Let threads share two heaps: with one each, what one freed no other used, and memory grew for hours."""
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def _tell(error: AnprError) -> int:
    finish_printing()
    sys.stderr.write(f"anpr-stream: {error}\n")
    return error.exit_code


def _tell_wrong_use(error: Any) -> int:
    message = error.format_message()
    if "\n" in message:  # a group named without a command: the message is its help
        sys.stderr.write(f"{message}\n")
        return UsageError.exit_code
    told = message.replace("Value error, ", "").rstrip(".")
    return _tell(UsageError(f"{told} (see '{error.ctx.command_path} --help')"))
