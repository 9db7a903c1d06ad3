"""The first elements of a pipeline: where the bytes come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources.gst_runtime import Gio, GLib, Gst, make
from anpr_stream.sources.locate import Address, Kind

USER_AGENT = "anpr-stream"


def open_input(address: Address, settings: SourceSettings) -> list[Any]:
    """Create the elements of one input, to be linked in this order; the last one's pad may come later.

    Raises:
        SourceError: an element is missing or the address cannot be used.
    """
    if address.kind is Kind.RTSP:
        return [_rtsp(address, settings)]
    if address.kind is Kind.HTTP:
        return [_http(address, settings)]
    if address.kind is Kind.USB:
        return [make("v4l2src", device=address.target), _filter(_usb_caps(settings))]
    if address.kind is Kind.TEST:
        return _test(address)
    return [make("filesrc", location=str(address.paths[0]))]


def _rtsp(address: Address, settings: SourceSettings) -> Any:
    source = make(
        "rtspsrc",
        location=address.target,
        latency=settings.latency_ms,
        user_id=address.user,
        user_pw=address.password,
        user_agent=USER_AGENT,
    )
    if source.find_property("add-reference-timestamp-meta"):  # since GStreamer 1.22
        source.set_property("add-reference-timestamp-meta", True)
    is_tls = address.target.startswith("rtsps:")
    flags = f"{settings.transport}+tls" if is_tls else settings.transport
    Gst.util_set_object_arg(source, "protocols", flags)
    if not settings.tls_verify:
        Gst.util_set_object_arg(source, "tls-validation-flags", "0")
    if settings.tls_ca:
        source.set_property("tls-database", _authority(settings.tls_ca))
    source.connect("select-stream", _is_video)
    return source


def _is_video(_source: Any, _number: int, caps: Any) -> bool:
    """Sound and metadata are never asked for."""
    return bool(caps.get_structure(0).get_string("media") == "video")


def _authority(ca_file: Path) -> Any:
    try:
        return Gio.TlsFileDatabase.new(str(ca_file.absolute()))  # it takes no other
    except GLib.Error as error:
        raise SourceError(f"{ca_file} holds no certificates: {error}", "source-tls") from error


def _http(address: Address, settings: SourceSettings) -> Any:
    source = make(
        "souphttpsrc",
        location=address.target,
        user_id=address.user,
        user_pw=address.password,
        user_agent=USER_AGENT,
        is_live=True,
        do_timestamp=True,
        retries=0,
        ssl_strict=settings.tls_verify,
    )
    if settings.tls_ca:
        source.set_property("tls-database", _authority(settings.tls_ca))
    return source


def _filter(caps: str) -> Any:
    return make("capsfilter", caps=Gst.Caps.from_string(caps))


def _usb_caps(settings: SourceSettings) -> str:
    """The wished size in every form that USB cameras offer."""
    wishes = {
        "width": settings.capture_width_px,
        "height": settings.capture_height_px,
        "framerate": f"{settings.capture_fps}/1" if settings.capture_fps else None,
    }
    size = "".join(f", {name}={value}" for name, value in wishes.items() if value)
    return "; ".join(f"{name}{size}" for name in ("video/x-raw", "image/jpeg", "video/x-h264"))


def _test(address: Address) -> list[Any]:
    """`test:` or `test:pattern=ball&width=1280&height=720&fps=25`: a moving picture, live."""
    wishes = {"pattern": "ball", "width": "1280", "height": "720", "fps": "25"}
    wishes.update(parse_qsl(address.target))
    source = make("videotestsrc", is_live=True)
    Gst.util_set_object_arg(source, "pattern", wishes["pattern"])
    size = f"width={wishes['width']}, height={wishes['height']}, framerate={wishes['fps']}/1"
    return [source, _filter(f"video/x-raw, format=I420, {size}")]
