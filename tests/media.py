"""Small clips whose every picture says which one it is, rendered by GStreamer into any container."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anpr_stream.sources.gst_runtime import Gst
from anpr_stream.types import Frame, Image
from anpr_stream.vision.planes import full_bgr

WIDTH, HEIGHT, FPS = 192, 96, 10
BITS = 12
BAR_PX = WIDTH // BITS
LIMIT_NS = 60 * Gst.SECOND

ENCODERS = {
    "h264": "x264enc speed-preset=ultrafast key-int-max=10 bframes=0 ! video/x-h264,profile=baseline",
    "h264b": "x264enc speed-preset=faster key-int-max=20 bframes=2 b-adapt=false ! h264parse",
    "h264deep": "x264enc speed-preset=ultrafast ! h264parse",
    "h265": "x265enc speed-preset=ultrafast log-level=none ! h265parse",
    "mjpeg": "jpegenc quality=90",
    "mpeg4": "avenc_mpeg4 bitrate=2000000",
    "vp8": "vp8enc deadline=1 cpu-used=8 target-bitrate=2000000",
    "vp9": "vp9enc deadline=1 cpu-used=8 target-bitrate=2000000",
}
MUXERS = {
    ".mp4": "mp4mux faststart=true",
    ".mov": "qtmux",
    ".mkv": "matroskamux",
    ".webm": "webmmux",
    ".avi": "avimux",
    ".ts": "mpegtsmux",
    ".mjpeg": "identity",
}
SOUND = "audiotestsrc num-buffers=40 samplesperbuffer=4410 ! audioconvert ! avenc_aac ! queue ! mux."


def picture(index: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """A BGR picture: its number as bright bars below, a red field at the top left, blue at the right."""
    image = np.full((height, width, 3), 60, np.uint8)
    bar_px = width // BITS
    for bit in range(BITS):
        bright = 230 if index >> bit & 1 else 20
        image[height // 2 :, bit * bar_px : (bit + 1) * bar_px] = bright
    image[: height // 2, : width // 2] = (0, 0, 200)
    image[: height // 2, width // 2 :] = (200, 0, 0)
    return image


def number_in(frame: Frame) -> int:
    """The number that a frame's picture shows."""
    image = full_bgr(frame.planes)
    height, width = image.shape[:2]
    bar_px = width // BITS
    rows = image[height * 5 // 8 : height * 7 // 8]
    bars = [rows[:, bit * bar_px + 4 : (bit + 1) * bar_px - 4].mean() > 120 for bit in range(BITS)]
    return sum(1 << bit for bit, is_bright in enumerate(bars) if is_bright)


def render(
    path: Path,
    codec: str = "h264",
    frames: int = 20,
    fps: int = FPS,
    first: int = 0,
    times_s: Sequence[float] | None = None,
    sound: bool = False,
    form: str = "I420",
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Path:
    """Render numbered pictures into a file; container by the path's suffix.

    Args:
        path: of the file.
        codec: one of `ENCODERS`.
        frames: how many pictures.
        fps: of the stream; 0 for a variable rate, with `times_s`.
        first: number of the first picture.
        times_s: of each picture, instead of `fps`.
        sound: add a track of sound.
        form: pixel format given to the encoder.
        size: width and height of the pictures.
    """
    caps = f"video/x-raw,format=BGR,width={size[0]},height={size[1]},framerate={fps}/1"
    pipeline = Gst.parse_launch(
        f"appsrc name=in format=time caps={caps} ! videoconvert ! video/x-raw,format={form} "
        f"! {ENCODERS[codec]} ! queue max-size-buffers=0 "
        f'! {MUXERS[path.suffix]} name=mux ! filesink location="{path}" {SOUND if sound else ""}'
    )
    source = pipeline.get_by_name("in")
    pipeline.set_state(Gst.State.PLAYING)
    times = times_s or [number / fps for number in range(frames)]
    for number, time_s in enumerate(times):
        source.emit("push-buffer", timed_buffer(picture(first + number, *size), time_s, times, number))
    source.emit("end-of-stream")
    wait_for_end(pipeline)
    return path


def timed_buffer(image: Image, time_s: float, times: Sequence[float], number: int) -> Gst.Buffer:
    """A buffer that lasts until the next one."""
    buffer = Gst.Buffer.new_wrapped(image.tobytes())
    buffer.pts = round(time_s * Gst.SECOND)
    later_s = times[number + 1] if number + 1 < len(times) else 2 * time_s - times[max(0, number - 1)]
    buffer.duration = max(1, round((later_s - time_s) * Gst.SECOND))
    return buffer


def wait_for_end(pipeline: Gst.Pipeline) -> None:
    """Wait until all is written, then stop."""
    message = pipeline.get_bus().timed_pop_filtered(LIMIT_NS, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message is not None, "rendering took too long"
    if message.type == Gst.MessageType.ERROR:
        raise AssertionError(message.parse_error())


def turn_header(clip: Path, degrees: int) -> Path:
    """Write a phone's rotation into an mp4: the matrix of its track header (ISO 14496-12, 8.3.2)."""
    one, minus = (0x00010000).to_bytes(4, "big"), (0xFFFF0000).to_bytes(4, "big")
    zero = bytes(4)
    rows = {
        90: [zero, one, zero, minus, zero],
        180: [minus, zero, zero, zero, minus],
        270: [zero, minus, zero, one, zero],
    }[degrees]
    data = bytearray(clip.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 20] = b"".join(rows)
    clip.write_bytes(data)
    return clip


def stamp(clip: Path, created_s: int) -> Path:
    """Set an mp4's creation time (ISO 14496-12, 8.2.2: seconds from 1904)."""
    data = bytearray(clip.read_bytes())
    start = data.index(b"mvhd") + 8
    data[start : start + 4] = (created_s + 2_082_844_800).to_bytes(4, "big")
    clip.write_bytes(data)
    return clip


def tag_date(clip: Path, date: str) -> Path:
    """Write a date as iTunes does into a mov, whose index comes last, in place of its creation time."""
    day = _box(b"\xa9day", _box(b"data", bytes([0, 0, 0, 1]) + bytes(4) + date.encode()))
    handler = _box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    tags = _box(b"udta", _box(b"meta", bytes(4) + handler + _box(b"ilst", day)))
    undated = stamp(clip, -2_082_844_800).read_bytes()
    data = bytearray(undated.replace(b"udta", b"free"))  # the muxer's own tags would hide these
    start = data.index(b"moov") - 4
    size = int.from_bytes(data[start : start + 4], "big") + len(tags)
    data[start : start + 4] = size.to_bytes(4, "big")
    brand = data.index(b"ftyp") + 4
    data[brand : brand + 4] = b"isom"
    clip.write_bytes(data + tags)
    return clip


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def has_element(name: str) -> bool:
    """Whether an element is installed."""
    return Gst.ElementFactory.find(name) is not None


def can_encode(codec: str) -> bool:
    """Whether the encoder of a codec is installed."""
    return has_element(ENCODERS[codec].split()[0])
