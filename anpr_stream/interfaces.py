"""The borders: one small Protocol per stage, so that every stage has a fake and a replacement."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from types import TracebackType
from typing import Protocol, runtime_checkable

from anpr_stream.types import (
    Crop,
    Detection,
    Event,
    FloatArray,
    Frame,
    FusedRead,
    ListHit,
    Placement,
    Read,
    Remembered,
    SourceStatus,
    Track,
)


class Clock(Protocol):
    """Where time comes from; only flow and service hold one, the rules get times as arguments."""

    def utc_s(self) -> float:
        """Seconds since the Unix epoch."""

    def monotonic_s(self) -> float:
        """Seconds that never go back."""


@runtime_checkable
class Source(Protocol):
    """Frames of one camera or recording."""

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends or `close` is called from another thread.

        Raises:
            SourceError: the source cannot be opened or played (recordings and pictures only;
                live sources reconnect for ever and show why in `status`).
        """

    def status(self) -> SourceStatus:
        """Return the present state; may be called from any thread."""

    def close(self) -> None:
        """End `frames` soon and free what it holds; may be called twice."""


@runtime_checkable
class Backend(Protocol):
    """A network, loaded and ready on some engine."""

    @property
    def description(self) -> str:
        """Engine, precision and device in a few words, e.g. `openvino int8 cpu`."""

    @property
    def streams(self) -> int:
        """How many threads at once may call `run` to gain by it; with one, batches do more."""

    def run(self, images: FloatArray) -> dict[str, FloatArray]:
        """Run a batch; may be called from any thread.

        Args:
            images: (N, 3, H, W) float32, BGR, 0..1.

        Returns:
            Output name to array, first axis N.

        Raises:
            BackendError: the engine failed.
        """

    def close(self) -> None:
        """Free the engine; may be called twice."""


@runtime_checkable
class FrameBackend(Backend, Protocol):
    """A backend that makes its own input out of frames, where they lie (on a GPU)."""

    def run_frames(
        self, frames: Sequence[Frame], placements: Sequence[Placement], size: tuple[int, int]
    ) -> dict[str, FloatArray]:
        """Fit each frame into an input of `size` (height, width) on grey (114) and run the batch."""

    def run_quads(
        self, frames: Sequence[Frame], quads: FloatArray, size: tuple[int, int]
    ) -> dict[str, FloatArray]:
        """Stretch a part of each frame over an input of `size` (height, width) and run the batch.

        Args:
            frames: N frames, the same one as often as plates are read in it.
            quads: (N, 4, 2) float32 corners in pixels of the frame, clockwise from the part's
                top left; a box's edges count, so the first pixel's centre is at 0.5.
            size: of the network's input.
        """


@runtime_checkable
class PlateDetector(Protocol):
    """Finds plates in frames."""

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """Return the plates of each frame, most confident first."""


@runtime_checkable
class PlateReader(Protocol):
    """Reads cut-out plates."""

    def read(self, crops: Sequence[Crop]) -> list[Read]:
        """Return one read per crop, in order; an illegible crop gives an empty text."""


@runtime_checkable
class PlateTracker(Protocol):
    """Follows plates over frames."""

    def update(self, pts_s: float, detections: Sequence[Detection]) -> list[Track]:
        """Take one frame's detections; return all live tracks and those that ended just now."""

    def cut(self) -> list[Track]:
        """End all tracks (hard cut, time jump, end of stream) and return them."""


@runtime_checkable
class ListMatcher(Protocol):
    """Knows the plate lists as they stand now; may be called from any thread."""

    def hits(
        self, camera: str, plate: FusedRead, utc_s: float, zones: Collection[str] = ()
    ) -> tuple[ListHit, ...]:
        """Return the lists that a plate is on at this camera, time and place, best match first.

        Args:
            camera: its name.
            plate: its fused text.
            utc_s: when it was seen.
            zones: names of the camera's zones that it has been in.
        """


@runtime_checkable
class Notebook(Protocol):
    """Keeps what cameras remember of plates beyond their own lives; may be called from any thread."""

    def recall(self, camera: str) -> tuple[Remembered, ...]:
        """Return what was noted last for a camera, oldest plate first."""

    def note(self, camera: str, plates: tuple[Remembered, ...]) -> None:
        """Put this in the place of what was noted for a camera; never waits."""


@runtime_checkable
class Sink(Protocol):
    """Takes events; a context manager. `write` never blocks on a network."""

    def write(self, event: Event) -> None:
        """Accept one event.

        Raises:
            SinkError: the event could not be accepted (disk full, file gone).
        """

    def close(self) -> None:
        """Flush and free; may be called twice."""

    def __enter__(self) -> Sink:
        """Return the sink itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the sink."""
