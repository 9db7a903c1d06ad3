"""What a camera shows, for the doctor: how large and how sharp the plates in its first frames are."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from threading import Timer

from anpr_stream.config.schema import Camera
from anpr_stream.errors import SourceError
from anpr_stream.interfaces import PlateDetector, Source
from anpr_stream.sources.locate import locate
from anpr_stream.sources.open import open_source, probe
from anpr_stream.types import Crop, Frame, SourceInfo
from anpr_stream.vision.crops import cut_crop

GOOD_HEIGHT_PX = 20.0
"""Plates from here on are read well; makers of plate cameras ask for 16 to 30."""
GOOD_SHARPNESS = 0.4
STRONG = 0.45
LOOK_LIMIT_S = 30.0
"""How long a live camera is looked at, beside `connect_limit_s`; a lost one would be waited for for good."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen.

    Attributes:
        info: of the source.
        frames: frames looked at.
        heights_px: height of each plate found, in pixels of the frame.
        sharpness: of each, 0..1.
    """

    info: SourceInfo
    frames: int
    heights_px: tuple[float, ...]
    sharpness: tuple[float, ...]

    def advice(self) -> list[str]:
        """Return what should be better, a line each."""
        lines = []
        if not self.heights_px:
            lines.append("no plate in these frames: try again while a vehicle is in view")
            return lines
        if max(self.heights_px) < GOOD_HEIGHT_PX:
            lines.append(
                f"plates are at most {max(self.heights_px):.0f} px high, {GOOD_HEIGHT_PX:.0f} px read well: "
                "zoom in, or choose a larger picture"
            )
        if max(self.sharpness) < GOOD_SHARPNESS:
            lines.append("plates are blurred: shorten the exposure, clean and focus the lens")
        return lines


def inspect_camera(camera: Camera, detector: PlateDetector, frames: int) -> Inspection:
    """Look at the first frames of a source; at fewer where a live one does not give them in time.

    Raises:
        SourceError: it cannot be opened, or gave no frame.
        BackendError: the detector failed.
    """
    info = probe(camera.url, camera.source)
    source = open_source(camera.url, camera.source, "doctor")
    crops: list[Crop] = []
    count = 0
    with closing(_in_time(source, camera)) as given:
        for frame in islice(given, frames):
            count += 1
            (plates,) = detector.detect([frame])
            crops += [cut_crop(frame, plate) for plate in plates if plate.confidence >= STRONG]
    heights_px = tuple(crop.quality.height_px for crop in crops)
    return Inspection(info, count, heights_px, tuple(crop.quality.sharpness for crop in crops))


def _in_time(source: Source, camera: Camera) -> Generator[Frame, None, None]:
    """Yield a source's frames and close it; a live one is closed when its time is over.

    Raises:
        SourceError: no frame came.
    """
    address = locate(camera.url, camera.source)
    reasons: list[str] = []

    def end() -> None:
        reasons.append(source.status().reason)  # a closed source has none
        source.close()

    timer = Timer(camera.source.connect_limit_s + LOOK_LIMIT_S, end)
    timer.daemon = True
    if address.is_live:
        timer.start()
    try:
        yield from source.frames()
    finally:
        timer.cancel()
        source.close()
    if source.status().frames == 0:
        reason = "".join(reasons) or "it did not answer in time"
        raise SourceError(f"{address.shown} gave no picture: {reason}", "camera-silent")
