"""A clip as a camera sends it, over RTSP on the loopback: `python -m tools.benchmark.camera CLIP`.

A process of its own, so that its processor time is not the pipeline's. Prints its port.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gi

LAUNCH = (
    "( filesrc location={} ! parsebin ! h264parse config-interval=1 ! rtph264pay name=pay0 pt=96"
    " config-interval=1 )"
)


@contextmanager
def served(clip: Path) -> Iterator[str]:
    """Serve an H.264 clip at its own pace to each viewer; gives its address."""
    command = [sys.executable, "-m", "tools.benchmark.camera", str(clip.resolve())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            yield f"rtsp://127.0.0.1:{port}/clip"
        finally:
            process.terminate()


def main() -> None:
    """Serve until terminated."""
    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server, factory = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory()
    server.set_service("0")
    server.set_address("127.0.0.1")
    factory.set_launch(LAUNCH.format(sys.argv[1]))
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
