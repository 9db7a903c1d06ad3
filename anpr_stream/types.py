"""The words of the project: frozen values that pass between the stages of a frame's way.

`Frame -> Detection -> Track -> Crop -> Read -> FusedRead -> Event`

Pictures are `uint8`, boxes are `x1 y1 x2 y2` and points are `x y`, both in pixels of the source
frame (origin top left, x to the right, y down), unless a docstring says otherwise. Times with
`_s` are seconds: `pts_s` on the stream's own clock, `utc_s` since the Unix epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The 36 characters that a plate may hold, in the order of every network's classes."""

Image: TypeAlias = npt.NDArray[np.uint8]
"""A picture: (H, W, 3) BGR or (H, W) grey, uint8."""

FloatArray: TypeAlias = npt.NDArray[np.float32]
"""Any float32 array; the docstring beside it gives the shape."""

Box: TypeAlias = tuple[float, float, float, float]
"""`x1 y1 x2 y2` in pixels of the source frame."""

Point: TypeAlias = tuple[float, float]
"""`x y` in pixels of the source frame."""

Quad: TypeAlias = tuple[Point, Point, Point, Point]
"""Four corners of a plate, clockwise from its own top left."""

Placement: TypeAlias = tuple[int, int, int, int]
"""`left top width height`: where a whole frame lies in a network's input, in its pixels."""


class PixelFormat(Enum):
    """How the planes of a frame hold its pixels."""

    I420 = "I420"
    """Y (H, W), U (ceil(H/2), ceil(W/2)), V likewise."""
    NV12 = "NV12"
    """Y (H, W), UV interleaved (ceil(H/2), ceil(W/2), 2)."""
    BGR = "BGR"
    """One plane (H, W, 3)."""
    GRAY8 = "GRAY8"
    """One plane (H, W)."""


class ColorMatrix(Enum):
    """Which weights turn luma and chroma into colour (ITU-R BT.601 and BT.709)."""

    BT601 = "bt601"
    BT709 = "bt709"


@dataclass(frozen=True, slots=True)
class Planes:
    """A frame's pixels as the decoder left them.

    Attributes:
        format: what the arrays mean.
        arrays: uint8 views into the decoder's memory; rows may be padded (strides).
        full_range: True for luma 0..255, False for 16..235.
        matrix: colour matrix of YUV formats.
        owner: whatever keeps the memory alive; dropped with this object.
    """

    format: PixelFormat
    arrays: tuple[Image, ...]
    full_range: bool = False
    matrix: ColorMatrix = ColorMatrix.BT601
    owner: object = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture of one source.

    Attributes:
        camera: name of the source.
        index: number of the frame in its stream, from 0, counting dropped ones.
        pts_s: the stream's own time of the frame.
        utc_s: when the picture was taken (camera's clock where known, else arrival;
            recordings: start of the recording plus `pts_s`).
        width: pixels.
        height: pixels.
        planes: the pixels.
        segment: grows by one when the stream breaks in time (reconnect, clip that does not
            follow on), so that a tracker knows that nothing continues.
        preview: a smaller picture of the same moment and view, where the camera sends one.
    """

    camera: str
    index: int
    pts_s: float
    utc_s: float
    width: int
    height: int
    planes: Planes
    segment: int = 0
    preview: Planes | None = None

    @property
    def moment(self) -> Moment:
        """When the picture was taken, on both clocks."""
        return Moment(self.pts_s, self.utc_s)

    @property
    def search_planes(self) -> Planes:
        """Where to look for plates: the preview where there is one, whose size is its own.

        Touching `planes` of a frame with a preview may have the large picture decoded.
        """
        return self.planes if self.preview is None else self.preview


@dataclass(frozen=True, slots=True)
class Detection:
    """A plate found in one frame.

    Attributes:
        box: in pixels of the source frame.
        confidence: probability that this is a plate, 0..1.
        quad: the plate's corners where the network gives them.
    """

    box: Box
    confidence: float
    quad: Quad | None = None


class TrackState(Enum):
    """Life of a track (tentative -> confirmed <-> lost -> ended)."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Track:
    """One plate followed over frames, as it stands after a frame.

    Attributes:
        track_id: unique for its camera, never used again.
        state: where in its life the track is.
        box: filtered box in this frame.
        velocity_px_s: of the box's centre.
        detection: this frame's detection, None when only predicted.
        first_pts_s: time of its first detection.
        last_pts_s: time of its last detection.
        hits: number of detections so far.
    """

    track_id: int
    state: TrackState
    box: Box
    velocity_px_s: Point
    detection: Detection | None
    first_pts_s: float
    last_pts_s: float
    hits: int


@dataclass(frozen=True, slots=True)
class CropQuality:
    """How much a read of a crop is worth.

    Attributes:
        height_px: height of the plate (not of the crop) in the source frame.
        sharpness: 0 (blurred) .. 1 (crisp), comparable between sizes.
        truncated: the plate touches the picture's edge.
    """

    height_px: float
    sharpness: float
    truncated: bool


@dataclass(frozen=True, slots=True)
class Crop:
    """A plate cut out of a frame, ready for a reader.

    Attributes:
        image: (H, W, 3) BGR, the plate with its margin or rectified by its quad.
        detection: what it was cut by.
        quality: what a read of it is worth.
        frame: the very frame it was cut from.
        track_id: whose plate it is; 0 for single pictures.
    """

    image: Image = field(repr=False)
    detection: Detection
    quality: CropQuality
    frame: Frame = field(repr=False)
    track_id: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible text with its probability (0..1)."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader makes of one crop.

    Attributes:
        text: A-Z0-9 without separators, first line first; may be empty.
        confidence: calibrated probability that the whole text is right.
        character_probabilities: (len(text), 36) float32, one distribution over `ALPHABET` per
            character (a row sums to at most 1; what is missing is "no character here").
        line_lengths: number of characters of each line, one or two entries.
        candidates: best first, `text` included.
    """

    text: str
    confidence: float
    character_probabilities: FloatArray = field(repr=False)
    line_lengths: tuple[int, ...] = ()
    candidates: tuple[Candidate, ...] = ()

    def __post_init__(self) -> None:
        shape = self.character_probabilities.shape
        if shape != (len(self.text), len(ALPHABET)):
            raise ValueError(
                f"character_probabilities: expected ({len(self.text)}, {len(ALPHABET)}), got {shape}"
            )


@dataclass(frozen=True, slots=True)
class FusedRead:
    """What all reads of one track say together.

    Attributes:
        text: the fused text after the soft prior of the plate formats.
        raw_text: the fused text without any format.
        confidence: calibrated probability that `text` is right.
        char_confidences: one probability per character of `text`.
        candidates: best first, `text` included.
        format: name of the plate format that fits, e.g. `tw.private_2014`, or None.
        country: ISO 3166-1 alpha-2 in lower case where the format tells it.
        reads: number of reads that took part.
        agreeing_reads: number of them whose own text is `text`, or `raw_text` before its repair.
        line_lengths: number of characters of each line of `text`, one or two entries.
        surest_read: confidence of the surest of the agreeing reads.
    """

    text: str
    raw_text: str
    confidence: float
    char_confidences: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    format: str | None
    country: str | None
    reads: int
    agreeing_reads: int
    line_lengths: tuple[int, ...] = ()
    surest_read: float = 1.0


class EventKind(Enum):
    """Which of a visit's events this is."""

    NEW = "new"
    UPDATE = "update"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time on both clocks: the stream's (`pts_s`) and the world's (`utc_s`)."""

    pts_s: float
    utc_s: float


@dataclass(frozen=True, slots=True)
class ListHit:
    """A plate list's entry that matches a text.

    Attributes:
        list_name: name of the list.
        action: `allow`, `deny` or `watch`.
        entry: the entry's normalised text.
        distance: 0 for an exact match, else the weighted edit distance.
        ambiguous: another entry of the list matches about as well.
        note: free text of the entry.
    """

    list_name: str
    action: str
    entry: str
    distance: float
    ambiguous: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture on disk, bound to its event by the hash of the file's bytes."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Remembered:
    """A plate that a camera need not tell of again where it was, noted to outlive the camera's flow.

    Attributes:
        text: fused.
        box: where it was last seen, in pixels.
        velocity_px_s: of its centre.
        seen_utc_s: when it was last seen.
        is_parked: it stood there.
        confidence: of the text, 0..1.
        frame_px: width and height of the picture that has these pixels; None: as the next one's.
    """

    text: str
    box: Box
    velocity_px_s: Point
    seen_utc_s: float
    is_parked: bool
    confidence: float = 0.0
    frame_px: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One message about one visit; `visit_id` and `revision` together are its idempotency key.

    Attributes:
        visit_id: the same for all events of a visit, unique over cameras and restarts.
        revision: 0 for `new`, then counting up.
        kind: new, update or final.
        camera: name of the camera.
        track_id: track that the plate was read on.
        plate: the fused read; None for a visit that could not be read.
        reason: why a visit has no plate; None when it has one.
        first_seen: first detection of the visit.
        last_seen: last detection so far.
        dwell_s: time between them.
        direction: `approaching`, `leaving`, `left`, `right`, a line's name, or None.
        zones: names of the zones that the plate was in, in order of entry.
        box: in the frame that was read best.
        quad: likewise, where known.
        plate_height_px: height of the plate in that frame.
        frame_index: number of that frame.
        read_at: time of that frame.
        list_hits: lists that the text is on.
        images: pictures by role: `crop`, `frame`.
        backend: engines that ran detector and reader.
        models: name of each network to the SHA-256 (first 12 digits) of its file.
        other_boxes: the other plates seen in that frame, so that a stored frame can hide them.
        crop: the crop that was read best with its frame, so that a store can keep the pictures;
            in memory only, never part of a message.
    """

    visit_id: str
    revision: int
    kind: EventKind
    camera: str
    track_id: int
    plate: FusedRead | None
    reason: str | None
    first_seen: Moment
    last_seen: Moment
    dwell_s: float
    direction: str | None
    zones: tuple[str, ...]
    box: Box
    quad: Quad | None
    plate_height_px: float
    frame_index: int
    read_at: Moment
    list_hits: tuple[ListHit, ...] = ()
    images: dict[str, StoredImage] = field(default_factory=dict)
    backend: str = ""
    models: dict[str, str] = field(default_factory=dict)
    other_boxes: tuple[Box, ...] = ()
    crop: Crop | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Clip:
    """The camera's own video around a visit.

    Attributes:
        visit_id: the visit's.
        camera: name of the camera.
        utc_s: when the visit began.
        data: an MP4 file.
    """

    visit_id: str
    camera: str
    utc_s: float
    data: bytes = field(repr=False)


class SourceState(Enum):
    """What a source is doing."""

    CONNECTING = "connecting"
    RUNNING = "running"
    WAITING = "waiting"
    """Lost; waits before it tries again."""
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source's state for people and monitors.

    Attributes:
        state: what it is doing.
        reason: one line that says why, empty while all is well.
        decoder: name of the decoder and why it was chosen.
        frames: number of frames handed over.
        dropped: number of frames dropped, by reason.
        fps: frames a second of the stream, 0 where unknown.
        reconnects: number of times that it was rebuilt.
        retry_in_s: seconds until the next try while waiting.
    """

    state: SourceState
    reason: str = ""
    decoder: str = ""
    frames: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    fps: float = 0.0
    reconnects: int = 0
    retry_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source is, as far as its first frame tells.

    Attributes:
        width: pixels.
        height: pixels.
        fps: frames a second, 0 where unknown or variable.
        codec: e.g. `H.264`, `JPEG`, `raw`.
        decoder: name of the decoder and why it was chosen.
        duration_s: of the whole recording, None for live sources; of several clips estimated
            by their sizes.
        frames: estimated number of frames of the whole recording, None where unknown.
        start_utc_s: when the first frame was taken, None where unknown.
    """

    width: int
    height: int
    fps: float
    codec: str
    decoder: str
    duration_s: float | None = None
    frames: int | None = None
    start_utc_s: float | None = None
