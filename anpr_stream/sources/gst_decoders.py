"""Which decoder takes a stream, and why not another."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anpr_stream.errors import SourceError
from anpr_stream.sources.gst_runtime import DECODERS_PACKAGE, Gst, make

log = logging.getLogger(__name__)

CODECS = {
    "video/x-h264": "H.264",
    "video/x-h265": "H.265",
    "video/x-vp8": "VP8",
    "video/x-vp9": "VP9",
    "video/x-av1": "AV1",
    "video/mpeg": "MPEG",
    "image/jpeg": "MJPEG",
    "video/x-raw": "raw",
}
PARSERS = {"video/x-h264": "h264parse", "video/x-h265": "h265parse"}
"""Some decoders take only one form of these streams; a parser gives them theirs and costs nothing."""
THREADS = ("max-threads", "threads", "n-threads")
"""Names under which decoders offer a number of threads."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """A decoder that is ready to be linked.

    Attributes:
        elements: to be linked in this order.
        description: its name and why it was chosen.
        is_hardware: whether a video engine does the work.
    """

    elements: tuple[Any, ...]
    description: str
    is_hardware: bool


def codec_name(caps: Any) -> str:
    """Name of a stream's codec for people."""
    name = str(caps.get_structure(0).get_name())
    return CODECS.get(name, name)


def choose_decoder(caps: Any, wish: str, threads: int) -> Decoder:
    """Take the first decoder that takes the stream and starts here.

    Args:
        caps: of the compressed stream.
        wish: `auto`, `software` or the name of an element.
        threads: for software decoders, 0 for their own choice.

    Raises:
        SourceError: no decoder for this codec; names the package that has one.
    """
    refused: list[str] = []
    for factory in _candidates(caps, wish, refused):
        element = factory.create(None)
        if not _starts(element):
            refused.append(f"{factory.get_name()} does not start")
            continue
        _set_threads(element, threads)
        return _ready(element, factory, caps, wish, refused)
    reasons = f" ({'; '.join(refused)})" if refused else ""
    raise SourceError(
        f"no decoder for {codec_name(caps)}{reasons}: sudo apt install {DECODERS_PACKAGE}", "source-codec"
    )


def decoder_name(media: str, wish: str) -> str:
    """Return the decoder that would take a codec (a key of `CODECS`), and why it.

    Raises:
        SourceError: as `choose_decoder`.
    """
    decoder = choose_decoder(Gst.Caps.new_empty_simple(media), wish, 0)
    decoder.elements[-1].set_state(Gst.State.NULL)
    return decoder.description


def _starts(element: Any) -> bool:
    """Bring a decoder to where it has opened its device, or leave it."""
    if element is None:
        return False
    if element.set_state(Gst.State.READY) != Gst.StateChangeReturn.FAILURE:
        return True
    element.set_state(Gst.State.NULL)
    return False


def _candidates(caps: Any, wish: str, refused: list[str]) -> Iterator[Any]:
    """Decoders of this codec, hardware first, then by GStreamer's own rank."""
    if wish not in ("auto", "software"):
        factory = Gst.ElementFactory.find(wish)
        if factory is None or not _takes(factory, caps):
            refused.append(f"{wish} is not installed or does not take it")
            return
        yield factory
        return
    every = Gst.ElementFactory.list_get_elements(Gst.ELEMENT_FACTORY_TYPE_DECODER, Gst.Rank.NONE)
    taking = [factory for factory in every if _takes(factory, caps)]
    hardware = [factory for factory in taking if _is_hardware(factory)]
    software = [f for f in taking if not _is_hardware(f) and f.get_rank() > Gst.Rank.NONE]
    if wish == "auto":
        yield from sorted(hardware, key=_by_rank)
        if not hardware:
            refused.append("no hardware decoder here")
    yield from sorted(software, key=_by_rank)


def _takes(factory: Any, caps: Any) -> bool:
    """Whether a decoder takes a stream, be it in another form that a parser can give it."""
    name = caps.get_structure(0).get_name()
    if name in PARSERS:
        return bool(factory.can_sink_any_caps(Gst.Caps.new_empty_simple(name)))
    return bool(factory.can_sink_all_caps(caps))


def _by_rank(factory: Any) -> tuple[int, str]:
    return -factory.get_rank(), factory.get_name()


def _is_hardware(factory: Any) -> bool:
    return "Hardware" in factory.get_metadata(Gst.ELEMENT_METADATA_KLASS)


def _set_threads(element: Any, threads: int) -> None:
    name = next((name for name in THREADS if element.find_property(name)), None)
    if name and threads:
        element.set_property(name, threads)


def _ready(element: Any, factory: Any, caps: Any, wish: str, refused: list[str]) -> Decoder:
    is_hardware = _is_hardware(factory)
    parser = PARSERS.get(caps.get_structure(0).get_name())
    elements = (make(parser), element) if parser else (element,)
    reasons = "; ".join(refused) if wish == "auto" else "as configured"
    kind = "hardware" if is_hardware else "software"
    description = f"{factory.get_name()} ({kind}{': ' + reasons if reasons else ''})"
    return Decoder(elements, description, is_hardware)
