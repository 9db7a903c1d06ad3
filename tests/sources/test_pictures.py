"""Pictures of every kind that people hand in."""

from __future__ import annotations

import os
import struct
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources import open_source, probe
from anpr_stream.sources.pictures import load_picture
from anpr_stream.types import Image, PixelFormat, SourceState

PLAIN = SourceSettings()


def scene(width: int = 64, height: int = 48) -> Image:
    image = np.full((height, width, 3), (40, 90, 160), np.uint8)
    image[: height // 2, : width // 2] = (200, 30, 30)
    return image


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"])
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"p{suffix}"), scene())
    (frame,) = open_source(str(tmp_path / f"p{suffix}"), PLAIN, "cam").frames()
    assert (frame.width, frame.height, frame.planes.format) == (64, 48, PixelFormat.BGR)
    pixels = frame.planes.arrays[0].astype(int)
    nearest = 48 if suffix == ".gif" else 30  # OpenCV writes GIFs in 256 fixed colours
    assert np.abs(pixels[8, 8] - (200, 30, 30)).max() < nearest
    assert np.abs(pixels[40, 50] - (40, 90, 160)).max() < nearest


def test_grey_sixteen_bit_transparent_and_cmyk_become_bgr(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((9, 7), 130, np.uint8))
    cv2.imwrite(str(tmp_path / "deep.png"), np.full((9, 7, 3), 130 << 8, np.uint16))
    cv2.imwrite(str(tmp_path / "deep.tif"), np.full((9, 7), 130 << 8, np.uint16))
    cv2.imwrite(str(tmp_path / "clear.png"), np.full((9, 7, 4), 130, np.uint8))
    Pillow.new("CMYK", (7, 9), (0, 0, 0, 125)).save(tmp_path / "print.jpg", quality=95)
    for path in tmp_path.iterdir():
        image = load_picture(path)
        assert (image.shape, image.dtype) == ((9, 7, 3), np.uint8), path
        assert np.abs(image.astype(int) - 130).max() <= 3, path


def photo(path: Path, orientation: int) -> Path:
    """Save the scene as a telephone does that was held so."""
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    rgb = np.ascontiguousarray(scene()[..., ::-1])
    Pillow.fromarray(rgb).save(path, quality=95, exif=exif)
    return path


@pytest.mark.parametrize(
    ("rotate", "corner"), [("0", (0, 0)), ("90", (0, -1)), ("180", (-1, -1)), ("270", (-1, 0))]
)
def test_the_settings_turn_a_picture_instead_of_its_tag(
    tmp_path: Path, rotate: Literal["0", "90", "180", "270"], corner: tuple[int, int]
) -> None:
    path, turned = photo(tmp_path / "p.jpg", orientation=6), SourceSettings(rotate=rotate)
    (frame,) = open_source(str(path), turned, "cam").frames()
    size = (64, 48) if rotate in ("0", "180") else (48, 64)
    info = probe(str(path), turned)
    assert (frame.width, frame.height) == (info.width, info.height) == size
    assert np.abs(frame.planes.arrays[0][corner].astype(int) - (200, 30, 30)).max() < 40


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_exif_rotation_is_honoured(tmp_path: Path, orientation: int, corner: tuple[int, int]) -> None:
    image = load_picture(photo(tmp_path / "p.jpg", orientation))
    assert image.shape[:2] == ((48, 64) if orientation in (1, 3) else (64, 48))
    assert np.abs(image[corner].astype(int) - (200, 30, 30)).max() < 40


def test_the_smallest_and_a_very_large_picture(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "dot.png"), scene(1, 1))
    assert load_picture(tmp_path / "dot.png").shape == (1, 1, 3)
    Pillow.new("L", (12_000, 8_000), 99).save(tmp_path / "wide.bmp")
    info = probe(str(tmp_path / "wide.bmp"), PLAIN)
    assert (info.width, info.height, info.frames) == (12_000, 8_000, 1)


@pytest.mark.parametrize(
    "content", [b"", b"not a picture\n" * 9, b"\xff\xd8\xff\xe0 cut", b"\x89PNG\r\n\x1a\n"]
)
def test_damaged_pictures_are_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.jpg").write_bytes(content)
    source = open_source_or_error(tmp_path / "p.jpg")
    assert str(tmp_path / "p.jpg") in source
    assert ("is empty" in source) == (not content)


def open_source_or_error(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        list(open_source(str(path), PLAIN, "cam").frames())
    return caught.value.message


def test_a_picture_too_large_for_memory_is_told(tmp_path: Path) -> None:
    header = (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 90_000, 90_000, 1, 24, *[0] * 6)
    )
    (tmp_path / "p.bmp").write_bytes(header + bytes(100))
    assert "p.bmp" in open_source_or_error(tmp_path / "p.bmp")


def test_a_folder_is_read_in_order_and_bad_ones_are_counted(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        cv2.imwrite(str(tmp_path / f"p{number}.png"), np.full((8, 8, 3), number, np.uint8))
    (tmp_path / "p5.png").write_bytes(b"nothing")
    source = open_source(str(tmp_path), PLAIN, "cam")
    frames = list(source.frames())
    assert [int(frame.planes.arrays[0][0, 0, 0]) for frame in frames] == [1, 9, 10]
    assert [(frame.index, frame.segment) for frame in frames] == [(0, 0), (2, 2), (3, 3)]
    status = source.status()
    assert (status.state, status.frames, status.dropped) == (SourceState.ENDED, 3, {"unreadable_picture": 1})
    assert "p5.png" in status.reason


def test_a_folder_of_bad_pictures_fails(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "b.png").write_bytes(b"x")
    source = open_source(str(tmp_path), PLAIN, "cam")
    with pytest.raises(SourceError, match=r"b\.png is no picture"):
        list(source.frames())
    assert source.status().state is SourceState.FAILED


def test_time_is_the_files_or_as_told(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), scene())
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    (first, _) = open_source(str(tmp_path), PLAIN, "cam").frames()
    assert first.utc_s == 1_700_000_000
    told = SourceSettings(start_time=datetime(2024, 1, 1, tzinfo=timezone.utc), every=1)
    (first, second) = open_source(str(tmp_path), told, "cam").frames()
    assert (first.utc_s, second.utc_s - first.utc_s) == (1_704_067_200, second.pts_s)


def test_every_nth_and_close(tmp_path: Path) -> None:
    for number in range(7):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene())
    source = open_source(str(tmp_path), SourceSettings(every=3), "cam")
    frames = source.frames()
    assert next(frames).index == 0
    assert next(frames).index == 3
    source.close()
    assert list(frames) == []
