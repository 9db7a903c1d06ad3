"""The clip that the pipeline is timed on: a rendered street, two vehicles, 1080p, 30 frames a second."""

from __future__ import annotations

from pathlib import Path

from anpr_stream.outputs.video import VideoWriter
from anpr_stream.synth.traffic import traffic_clip

SIZE = (1920, 1080)
FPS = 30.0
VEHICLES = 2


def write_clip(path: Path, seconds: float, seed: int = 3) -> list[str]:
    """Render the clip as H.264; return the texts on its plates."""
    texts: set[str] = set()
    with VideoWriter(path) as video:
        frames = traffic_clip(seed, SIZE, FPS, seconds, VEHICLES)
        for number, (image, plates) in enumerate(frames):
            video.write(image, number / FPS)
            texts |= {plate.text for plate in plates}
    return sorted(texts)
