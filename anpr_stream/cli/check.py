"""`anpr-stream check`: is a settings file right?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from anpr_stream.config.load import load_settings
from anpr_stream.plates.formats import load_formats


def check(
    config: Annotated[Path, typer.Argument(metavar="FILE", help="Settings file (YAML).", show_default=False)],
) -> None:
    """Check a settings file and tell all its faults at once.

    Each fault stands with its line, its key and what to do.
    Exit code 0 if the file is right, 78 if not.
    """
    settings = load_settings(config)
    for camera in (settings, *settings.cameras.values()):
        load_formats(camera.formats or None)
    cameras = ", ".join(settings.cameras) or "none"
    sys.stderr.write(f"{config}: right; cameras: {cameras}\n")
