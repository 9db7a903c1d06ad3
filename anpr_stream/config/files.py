"""Settings of event files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from anpr_stream.config.section import FilePath, Section


class FileOutput(Section):
    """Events as lines of a file."""

    path: FilePath
    """The file; missing folders are made, an existing file is continued."""

    format: Literal["jsonl", "csv"] = "jsonl"
    """`jsonl`: one JSON object a line, schema 1; `csv`: one row, the columns of a spreadsheet."""

    max_mb: float = Field(default=100.0, gt=0)
    """A file that would grow beyond this many 10^6 bytes is renamed to `NAME.1` and begun anew. Higher:
    files that editors cannot open; lower: many small files."""

    keep: int = Field(default=9, ge=0, le=999)
    """How many renamed files are kept. Higher: more disk; 0: only the present file."""
