"""`anpr-stream serve`: the daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from anpr_stream.service import serve as daemon


def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="Settings file (YAML).")],
) -> None:
    """Watch all cameras of a settings file as a daemon.

    SIGTERM ends it, SIGHUP has it read the file again.
    Exit code 78 if the settings are wrong: systemd then does not try again.
    """
    daemon.serve(config)
