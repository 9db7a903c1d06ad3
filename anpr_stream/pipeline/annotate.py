"""The annotated video: every frame with the plates in view, their boxes and their texts so far; no breaks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread

import cv2

from anpr_stream.errors import AnprError, program_fault
from anpr_stream.outputs.video import VideoWriter
from anpr_stream.pipeline.follower import Mark
from anpr_stream.pipeline.played import PlayedTime
from anpr_stream.pipeline.queues import Channel, Closed
from anpr_stream.types import Frame, Image
from anpr_stream.vision.planes import full_bgr

log = logging.getLogger(__name__)

WAITING_FRAMES = 4
READ_BGR = (80, 200, 60)
UNREAD_BGR = (0, 200, 255)
TEXT_BGR = (0, 0, 0)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(image: Image, marks: Sequence[Mark]) -> None:
    """Draw plates into a picture (H, W, 3) BGR, in place: green with a text, yellow without, thin unseen."""
    scale = max(0.4, image.shape[0] / 1080)
    for mark in marks:
        colour = READ_BGR if mark.text else UNREAD_BGR
        x1, y1, x2, y2 = (round(edge) for edge in mark.box)
        cv2.rectangle(image, (x1, y1), (x2, y2), colour, max(1, round((3 if mark.is_seen else 1) * scale)))
        if mark.text:
            _label(image, mark.text, (x1, y1), scale)


def _label(image: Image, text: str, corner: tuple[int, int], scale: float) -> None:
    """Write a text on a bar above a corner, moved into the picture where need be."""
    thickness = max(1, round(2 * scale))
    (width, height), below = cv2.getTextSize(text, FONT, 1.2 * scale, thickness)
    bar = height + below + 2 * thickness
    x = min(max(0, corner[0]), max(0, image.shape[1] - width))
    y = max(bar, corner[1])
    cv2.rectangle(image, (x, y - bar), (x + width, y), READ_BGR, cv2.FILLED)
    cv2.putText(image, text, (x, y - below), FONT, 1.2 * scale, TEXT_BGR, thickness, cv2.LINE_AA)


class Annotator:
    """Writes the annotated video in a thread of its own; a context manager."""

    def __init__(self, path: Path, on_error: Callable[[AnprError], None]) -> None:
        """Open the video.

        Args:
            path: see `VideoWriter`.
            on_error: told once if the video cannot be written; frames are then passed over.

        Raises:
            SinkError: the video cannot be begun.
        """
        self._video = VideoWriter(path)
        self._on_error = on_error
        self._channel: Channel[tuple[Frame, Sequence[Mark]]] = Channel(WAITING_FRAMES)
        self._thread = Thread(target=self._run, name="anpr-video", daemon=True)
        self._thread.start()

    def __call__(self, frame: Frame, marks: Sequence[Mark]) -> None:
        """Take a frame; waits while the encoder is behind."""
        try:
            self._channel.put((frame, marks))
        except Closed:
            return

    def close(self) -> None:
        """Finish the video; may be called twice."""
        self._channel.close()
        self._thread.join()

    def __enter__(self) -> Annotator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._write_all()
        except AnprError as error:
            self._on_error(error)
        except Exception as error:
            log.exception("annotated video")
            self._on_error(program_fault("annotated video", error))
        finally:
            self._channel.abandon()  # else a camera would wait for ever for room in it

    def _write_all(self) -> None:
        time = PlayedTime()
        with self._video:
            for frame, marks in self._channel:
                image = full_bgr(frame.planes)
                draw(image, marks)
                self._video.write(image, time.see(frame))
