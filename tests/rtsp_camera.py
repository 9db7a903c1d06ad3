"""A camera on the loopback: an RTSP server in a process of its own, which may die or hang.

python -m tests.rtsp_camera --port 0 [--user NAME --password WORD] [--certificate FILE.pem]
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
import numpy as np  # noqa: E402
from gi.repository import Gio, GLib, Gst, GstRtspServer  # noqa: E402

from anpr_stream.types import Image  # noqa: E402
from tests.media import HEIGHT, WIDTH, picture, timed_buffer  # noqa: E402

FPS = 15
ROOT = Path(__file__).parents[1]
LAUNCH = (
    "( appsrc name=in is-live=true format=time caps=video/x-raw,format=BGR,width={},height={},"
    f"framerate={FPS}/1 ! videoconvert ! video/x-raw,format=I420 ! {{}} name=pay0 pt=96 )"
)
FAST = f"tune=zerolatency speed-preset=ultrafast key-int-max={FPS}"
H264 = f"x264enc {FAST} ! rtph264pay config-interval=1"
STREAMS = {
    "/live": (WIDTH, HEIGHT, H264),
    "/main": (2 * WIDTH, 2 * HEIGHT, H264),
    "/h265": (WIDTH, HEIGHT, f"x265enc log-level=none {FAST} ! rtph265pay config-interval=1"),
    "/jpeg": (WIDTH, HEIGHT, "jpegenc ! rtpjpegpay"),
    "/gate": (640, 360, H264),
    "/gate-main": (1280, 720, H264),
    "/visit": (640, 360, H264),
    "/visit-main": (1280, 720, H264),
    "/visit-h265": (640, 360, f"x265enc log-level=none {FAST} ! rtph265pay config-interval=1"),
}
"""Streams of one scene, small and large: pictures of one moment have one number in all of them. At the
gate a magenta plate passes instead, again and again; a visit is such a plate now and then, numbered."""
PASS_PICTURES = 90
VISIT_EVERY, VISIT_PICTURES = 128, 30


def passing(number: int, width: int, height: int) -> Image:
    """A still grey scene that a magenta plate of a tenth of its width crosses."""
    image = np.full((height, width, 3), 110, np.uint8)
    image[:, :: width // 20] = 60
    left = (40 + 6 * (number % PASS_PICTURES)) * width // 640
    top, tall, wide = 200 * height // 360, 32 * height // 360, 64 * width // 640
    image[top : top + tall, left : left + wide] = (255, 0, 255)
    return image


def visiting(number: int, width: int, height: int) -> Image:
    """A numbered picture; in the first of each `VISIT_EVERY` a magenta plate crosses its upper half."""
    image = picture(number, width, height)
    image[: height // 2] = 110
    if number % VISIT_EVERY < VISIT_PICTURES:
        left = (40 + 8 * (number % VISIT_EVERY)) * width // 640
        top, tall, wide = 60 * height // 360, 32 * height // 360, 64 * width // 640
        image[top : top + tall, left : left + wide] = (255, 0, 255)
    return image


class Camera:
    """Starts and ends the server's process; a context manager."""

    def __init__(
        self, port: int = 0, user: str = "", password: str = "", certificate: Path | None = None
    ) -> None:
        command = [sys.executable, "-m", "tests.rtsp_camera", "--port", str(port)]
        if user:
            command += ["--user", user, "--password", password]
        if certificate:
            command += ["--certificate", str(certificate)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        word, self.port = self._process.stdout.readline().split()
        assert word == "ready"
        self.port = int(self.port)

    def url(self, path: str = "live", scheme: str = "rtsp", login: str = "") -> str:
        """Where a player finds it."""
        return f"{scheme}://{login}127.0.0.1:{self.port}/{path}"

    def hang(self) -> None:
        """Stop it in the middle: connections stay open, nothing comes."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `hang`."""
        os.kill(self._process.pid, signal.SIGCONT)

    def die(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.die()


DRAWN = {"/gate": passing, "/visit": visiting}


def feed(_factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia, path: str) -> None:
    """Give each new viewer numbered pictures, at the camera's pace."""
    width, height, _ = STREAMS[path]
    draw = next((each for name, each in DRAWN.items() if path.startswith(name)), picture)
    source = media.get_element().get_by_name("in")

    def push() -> None:
        first = int(time.monotonic() * FPS) + 1
        for number in range(first, first + (1 << 12)):
            time.sleep(max(0.0, number / FPS - time.monotonic()))
            time_s = (number - first) / FPS
            image = draw(number % (1 << 12), width, height)
            buffer = timed_buffer(image, time_s, [time_s], 0)
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return

    threading.Thread(target=push, daemon=True).start()


def login(
    server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory, args: argparse.Namespace
) -> None:
    """Ask for a name and password, over TLS where a certificate is given."""
    auth = GstRtspServer.RTSPAuth()
    if args.certificate:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(args.certificate))
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if args.user:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(args.user, args.password), token)
    else:
        auth.set_default_token(token)
    factory.add_role_from_structure(
        Gst.Structure.from_string("viewer, media.factory.access=true, media.factory.construct=true")[0]
    )
    server.set_auth(auth)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--certificate", default="")
    args = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_service(args.port)
    server.set_address("127.0.0.1")
    for path, (width, height, encode) in STREAMS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(LAUNCH.format(width, height, encode))
        factory.set_latency(0)
        factory.connect("media-configure", feed, path)
        if args.user or args.certificate:
            login(server, factory, args)
        server.get_mount_points().add_factory(path, factory)
    loop = GLib.MainLoop()
    assert server.attach(None)
    print("ready", server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
