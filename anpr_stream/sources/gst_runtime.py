"""GStreamer itself: is it there, which of its parts are missing, and calls that may block.

Importing this module needs PyGObject and GStreamer's introspection data and starts GStreamer; so only
modules named `gst_*` import it, and those are imported when the first such source is opened.
"""

from __future__ import annotations

import logging
from typing import Any

from anpr_stream.errors import SourceError
from anpr_stream.sources.offthread import within

log = logging.getLogger(__name__)

INSTALL = (
    "sudo apt install python3-gi python3-gst-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav"
)

try:
    import gi

    for namespace in ("Gst", "GstApp", "GstVideo"):
        gi.require_version(namespace, "1.0")
    from gi.repository import Gio, GLib, Gst, GstApp, GstVideo
except (ImportError, ValueError) as missing:
    raise SourceError(
        f"GStreamer for Python is missing ({missing}), and video needs it: {INSTALL}", "source-gstreamer"
    ) from missing

Gst.init(None)

NO_TIME = Gst.CLOCK_TIME_NONE
SECOND = Gst.SECOND
"""PyGObject looks such names up anew each time, which the way of a frame can do without."""

__all__ = ["NO_TIME", "SECOND", "GLib", "Gio", "Gst", "GstApp", "GstVideo", "change_state", "make"]

PACKAGES = {
    "gstreamer1.0-plugins-base": "appsink appsrc giostreamsink parsebin tee videoconvert videotestsrc",
    "gstreamer1.0-plugins-good": "rtspsrc souphttpsrc v4l2src videoflip capssetter mp4mux",
    "gstreamer1.0-plugins-bad": "h264parse h265parse jpegparse",
}
"""Debian and Ubuntu packages by the elements that are made by name."""
DECODERS_PACKAGE = "gstreamer1.0-libav"


def package_of(element: str) -> str:
    """Debian package that brings an element."""
    found = (package for package, elements in PACKAGES.items() if element in elements.split())
    return next(found, DECODERS_PACKAGE)


def make(factory: str, **properties: Any) -> Any:
    """Create an element and set its properties (underscores stand for dashes).

    Raises:
        SourceError: the element is not installed; names its package.
    """
    element = Gst.ElementFactory.make(factory)
    if element is None:
        raise SourceError(
            f"GStreamer's element {factory} is missing: sudo apt install {package_of(factory)}",
            "source-plugin",
        )
    for name, value in properties.items():
        element.set_property(name.replace("_", "-"), value)
    return element


def change_state(element: Any, state: Any, limit_s: float) -> bool:
    """Change an element's state off this thread, for that may block on a dead camera or disk.

    Returns:
        False where it failed or was not done within `limit_s`; it then goes on by itself.
    """
    result = within(limit_s, lambda: element.set_state(state))
    if result is None:
        log.warning("GStreamer did not reach the state %s within %.1f s", state.value_nick, limit_s)
    return result is not None and result != Gst.StateChangeReturn.FAILURE
