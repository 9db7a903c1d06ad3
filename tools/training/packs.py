"""One file that holds a data set: WebP pictures and one JSON record for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
import numpy.typing as npt

from tools.refusal import ToolError

Picture = npt.NDArray[np.uint8]
"""(height, width, 3) uint8, BGR."""

Record = dict[str, Any]
"""What is known of a picture; its keys depend on the kind of the pack (see `tools.pack_data`)."""

SCHEMA = 1
MAX_LENGTH = 12
"""Characters of the longest text that the plate reader learns."""


class PackError(ToolError):
    """A file is no pack, or a pack of another kind than asked for."""


@dataclass(frozen=True)
class Pack:
    """An opened pack; `picture(i)` belongs to `records[i]`."""

    kind: str
    records: list[Record]
    data: npt.NDArray[np.uint8] = field(repr=False)
    offsets: npt.NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.records)

    def picture(self, index: int) -> Picture:
        """Decode picture `index` to (height, width, 3) uint8 BGR."""
        encoded = self.data[self.offsets[index] : self.offsets[index + 1]]
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)

    def pictures(self) -> Iterator[Picture]:
        """All pictures in the order of the records."""
        return (self.picture(index) for index in range(len(self)))


def encode(picture: Picture, quality: int) -> bytes:
    """`picture` as WebP at `quality` 1..100 (101: lossless)."""
    _, encoded = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
    return bytes(encoded)


def encode_jpeg(picture: Picture, quality: int) -> bytes:
    """`picture` as JPEG at `quality` 1..100."""
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(encoded)


def write_pack(path: Path, kind: str, items: Iterable[tuple[Record, bytes]]) -> Pack:
    """Write `items` (record, encoded picture) to `path` and return the pack."""
    listed = list(items)
    records = [record for record, _ in listed]
    offsets = np.cumsum([0, *(len(encoded) for _, encoded in listed)], dtype=np.int64)
    data = np.frombuffer(b"".join(encoded for _, encoded in listed), np.uint8)
    head = json.dumps({"schema": SCHEMA, "kind": kind, "records": records}, separators=(",", ":")).encode()
    with path.open("wb") as file:
        np.savez(file, head=np.frombuffer(head, np.uint8), data=data, offsets=offsets)
    return Pack(kind, records, data, offsets)


def read_pack(path: Path, kind: str) -> Pack:
    """Open the pack at `path`.

    Raises:
        PackError: the file cannot be read, or is not a pack of this `kind`.
    """
    try:
        with np.load(path) as file:
            head = json.loads(file["head"].tobytes())
            data, offsets = file["data"], file["offsets"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise PackError(f"{path}: not a data pack ({error}); make one with tools.pack_data") from error
    if (head.get("schema"), head.get("kind")) != (SCHEMA, kind):
        found = f"a {head.get('kind')} pack of schema {head.get('schema')}"
        raise PackError(f"{path}: {found}, not a {kind} pack of schema {SCHEMA}")
    return Pack(kind, head["records"], data, offsets)
