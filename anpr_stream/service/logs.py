"""Log lines for journald, for machines (JSON) or for people."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Literal, TextIO

from anpr_stream.outputs.schema import utc_text

Form = Literal["auto", "text", "json", "journal"]
_JOURNAL_LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


def set_up_logs(form: Form, stream: TextIO = sys.stderr, environ: Mapping[str, str] = os.environ) -> None:
    """Send the log of the whole program to a stream.

    Args:
        form: `auto` takes journald's where it reads the stream, text on a terminal, else JSON.
        stream: standard error.
        environ: `JOURNAL_STREAM` tells that journald reads.
    """
    if form == "auto":
        form = "journal" if _is_journal(stream, environ) else "text" if stream.isatty() else "json"
    handler = logging.StreamHandler(stream)
    formatters: dict[str, logging.Formatter] = {
        "text": logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"),
        "json": JsonFormatter(),
        "journal": JournalFormatter("%(name)s: %(message)s"),
    }
    handler.setFormatter(formatters[form])
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # These tell every request, and with it what stands in addresses.
    for chatty in ("httpx", "httpcore", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": utc_text(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class JournalFormatter(logging.Formatter):
    """Lines that begin with their priority, as sd-daemon(3) has it; journald adds time and unit."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        level = _JOURNAL_LEVELS.get(record.levelno, 2)
        return "\n".join(f"<{level}>{line}" for line in super().format(record).splitlines())


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether the stream is the one that journald says it reads."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
