"""`anpr-stream models`: the networks that ship, and what they are."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from anpr_stream.inference.models import ShippedModel, shipped_models


def models(
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """List the networks that ship.

    With kind, version, input, size and hash. Exit code 1 if one is damaged.
    """
    shipped = shipped_models()
    rows = [_row(model) for model in shipped]
    if as_json:
        sys.stdout.write(json.dumps(rows) + "\n")
    else:
        _print_table(rows)
    if any(model.fault for model in shipped):
        raise typer.Exit(1)


def _row(shipped: ShippedModel) -> dict[str, Any]:
    name, model = shipped.path.stem, shipped.model
    if model is None:
        return {"name": name, "fault": shipped.fault}
    contract = model.contract
    int8 = model.int8_path
    return {
        "name": contract.name,
        "kind": type(contract).__name__.removesuffix("Contract").lower(),
        "version": contract.version,
        "input": [contract.width, contract.height],
        "mb": round(shipped.path.stat().st_size / 1e6, 2),
        "int8_mb": None if int8 is None else round(int8.stat().st_size / 1e6, 2),
        "sha256": model.sha256,
        "path": str(shipped.path),
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = Table("name", "kind", "version", "input", "MB", "INT8 MB", "SHA-256", box=None, pad_edge=False)
    for row in rows:
        if "fault" in row:
            table.add_row(row["name"], row["fault"])
            continue
        width, height = row["input"]
        int8 = "" if row["int8_mb"] is None else str(row["int8_mb"])
        table.add_row(
            row["name"],
            row["kind"],
            row["version"],
            f"{width}x{height}",
            str(row["mb"]),
            int8,
            row["sha256"],
        )
    Console().print(table)
