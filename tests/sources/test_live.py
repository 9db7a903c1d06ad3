"""Live cameras through real RTSP and HTTP on the loopback: they die, hang, refuse and come back."""

from __future__ import annotations

import gc
import os
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import pytest

from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.interfaces import Source
from anpr_stream.sources import open_source, probe
from anpr_stream.sources.clock import SystemClock
from anpr_stream.types import Frame, SourceState
from tests.certificates import expire, make_certificate
from tests.media import HEIGHT, WIDTH, can_encode, number_in, picture
from tests.rtsp_camera import FPS, Camera

pytestmark = pytest.mark.timeout(180)
NOBODY = 65534
QUICK = {"retry_min_s": 0.05, "retry_max_s": 0.3, "stall_min_s": 2.0, "connect_limit_s": 20.0}


@pytest.fixture(scope="module")
def camera() -> Iterator[Camera]:
    with Camera() as running:
        yield running


def settings(**more: object) -> SourceSettings:
    return SourceSettings(**{**QUICK, **more})  # type: ignore[arg-type]


def take(source: Source, count: int) -> list[Frame]:
    """The first frames of a source, which is then closed."""
    taken = []
    for frame in source.frames():
        taken.append(frame)
        if len(taken) == count:
            source.close()
    return taken


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_come_numbered_and_timed(camera: Camera, transport: str) -> None:
    source = open_source(camera.url(), settings(transport=transport), "cam")
    before_s = SystemClock().utc_s()
    frames = take(source, 20)
    assert [frame.index - frames[0].index for frame in frames] == [
        number_in(frame) - number_in(frames[0]) for frame in frames
    ], "a frame's number counts those that newer ones pushed out"
    assert all((frame.width, frame.height) == (WIDTH, HEIGHT) for frame in frames)
    assert all(one.pts_s < other.pts_s for one, other in pairwise(frames))
    assert all(before_s - 1 < frame.utc_s <= SystemClock().utc_s() for frame in frames)
    status = source.status()
    assert (status.state, status.frames, status.reconnects) == (SourceState.ENDED, 20, 0)
    assert frames[-1].index + 1 == 20 + status.dropped.get("newer_frame", 0)


@pytest.mark.parametrize(("path", "codec"), [("h265", "H.265"), ("jpeg", "MJPEG")])
def test_other_codecs_come_over_rtsp(camera: Camera, path: str, codec: str) -> None:
    if path == "h265" and not can_encode("h265"):
        pytest.skip("no encoder for H.265")
    assert probe(camera.url(path), settings()).codec == codec
    frames = take(open_source(camera.url(path), settings(), "cam"), 5)
    assert all(number_in(one) < number_in(other) for one, other in pairwise(frames))


def test_a_slow_consumer_gets_the_newest_frames(camera: Camera) -> None:
    source = open_source(camera.url(), settings(), "cam")
    frames = source.frames()
    first = next(frames)
    threading.Event().wait(1.5)
    next(frames)  # the one that waited in the sink
    newest = next(frames)
    assert newest.index - first.index == number_in(newest) - number_in(first) > FPS
    assert SystemClock().utc_s() - newest.utc_s < 1.0
    assert source.status().dropped["newer_frame"] >= FPS
    source.close()


def test_the_cameras_clock_is_told_by_its_sender_reports(camera: Camera) -> None:
    from anpr_stream.sources.gst_player import Player
    from anpr_stream.sources.locate import locate

    player = Player(locate(camera.url(), settings()), settings())
    while (shot := player.pull(1.0)) is None or shot.camera_utc_s is None:
        pass
    assert abs(shot.camera_utc_s - SystemClock().utc_s()) < 30
    player.close()


def test_names_and_passwords_open_a_camera() -> None:
    with Camera(user="anna", password="s3:cr@t") as locked:
        in_url = locked.url(login="anna:s3%3Acr%40t@")
        assert probe(in_url, settings()).width == WIDTH
        assert probe(locked.url(), settings(user="anna", password="s3:cr@t")).width == WIDTH
        for url in (locked.url(login="anna:wrong@"), locked.url()):
            with pytest.raises(SourceError, match="refuses user and password") as caught:
                probe(url, settings())
            assert caught.value.reason_slug == "source-auth"
            assert "wrong" not in str(caught.value)


def test_an_encrypted_camera_shows_its_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    authority, key = make_certificate(tmp_path)
    (tmp_path / "camera.pem").write_text(key.read_text() + authority.read_text())
    with Camera(certificate=tmp_path / "camera.pem") as encrypted:
        url = encrypted.url(scheme="rtsps")
        assert probe(url, settings(tls_verify=False)).width == WIDTH
        assert probe(url, settings(tls_ca=authority)).width == WIDTH
        assert probe(url, settings(tls_ca=authority.name)).width == WIDTH, "by a path from here"
        why = r"rtsps://.* cannot be trusted \(self.signed certificate\): set tls_ca"
        with pytest.raises(SourceError, match=why) as caught:
            probe(url, settings())
        assert caught.value.reason_slug == "source-tls"


def test_a_camera_whose_certificate_has_expired_comes_back_with_a_new_one(tmp_path: Path) -> None:
    authority, key = make_certificate(tmp_path)
    expire(authority, key)
    pem = tmp_path / "camera.pem"
    pem.write_text(key.read_text() + authority.read_text())
    with Camera(certificate=pem) as expired:
        url, port = expired.url(scheme="rtsps"), expired.port
        source = open_source(url, settings(tls_ca=authority), "cam")
        told = threading.Event()
        thread = threading.Thread(target=lambda: [told.set() for _ in source.frames()])
        thread.start()
        while not source.status().reason:
            thread.join(0.02)
        assert "(certificate has expired): renew it in the camera" in source.status().reason
    make_certificate(tmp_path)
    pem.write_text(key.read_text() + authority.read_text())
    with Camera(port, certificate=pem):
        assert told.wait(60)
        source.close()
        thread.join(10)


def test_an_authority_that_goes_while_a_camera_is_asked_is_told(tmp_path: Path) -> None:
    authority, _ = make_certificate(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def leave() -> None:
            connection, _ = server.accept()
            authority.unlink()
            connection.close()

        threading.Thread(target=leave).start()
        with pytest.raises(SourceError, match=r"cannot be checked: .*cert\.pem: No such file") as caught:
            probe(f"rtsps://127.0.0.1:{server.getsockname()[1]}/x", settings(tls_ca=authority))
        assert caught.value.reason_slug == "source-tls"


def test_a_certificate_of_another_name_is_told(tmp_path: Path) -> None:
    authority, key = make_certificate(tmp_path, "camera.example")
    with ThreadingHTTPServer(("127.0.0.1", 0), MjpegCamera) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None  # who refuses a certificate leaves in the middle of a handshake
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://anna:geheim@127.0.0.1:{server.server_port}/mjpg"
        with pytest.raises(SourceError, match=r"cannot be trusted \(IP address mismatch"):
            probe(url, settings(tls_ca=authority))
        assert probe(url, settings(tls_ca=authority, tls_verify=False)).width == WIDTH
        server.shutdown()


def test_a_camera_without_tls_is_told(mjpeg: str) -> None:
    with pytest.raises(SourceError, match=r"cannot be spoken to by TLS \(wrong version number\)"):
        probe(f"https://anna:geheim@{mjpeg}/mjpg", settings())


def test_certificates_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SourceError, match=r"ca\.pem holds no certificates"):
        probe("rtsps://127.0.0.1:1/x", settings(tls_ca=tmp_path / "ca.pem"))


def test_a_wrong_path_and_a_closed_port_are_told_apart() -> None:
    with Camera() as running:
        with pytest.raises(SourceError, match="has no such stream") as caught:
            probe(running.url("other"), settings())
        assert caught.value.reason_slug == "source-not-found"
        closed = running.url()
    with pytest.raises(SourceError, match="refuses the connection") as caught:
        probe(closed, settings())
    assert caught.value.reason_slug == "source-refused"


def test_what_answers_but_is_no_camera_is_told(mjpeg: str) -> None:
    with pytest.raises(SourceError, match="answers, but gives no video: ") as caught:
        probe(f"rtsp://{mjpeg}/live", settings())
    assert caught.value.reason_slug == "source-protocol"


def test_usb_cameras_are_asked_for_the_wished_size() -> None:
    from anpr_stream.sources.gst_inputs import open_input
    from anpr_stream.sources.locate import locate

    wished = settings(capture_width_px=640, capture_height_px=480, capture_fps=25)
    source, wish = open_input(locate("usb:3", wished), wished)
    assert source.get_property("device") == "/dev/video3"
    forms = wish.get_property("caps").to_string().split("; ")
    assert [form.split(",")[0] for form in forms] == ["video/x-raw", "image/jpeg", "video/x-h264"]
    assert all("width=(int)640, height=(int)480, framerate=(fraction)25/1" in form for form in forms)


def test_a_usb_camera_that_is_pulled_out_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from anpr_stream.sources import gst_inputs
    from anpr_stream.sources.gst_runtime import GLib, Gst, make

    plugged: list[Any] = []  # stands for the device: no camera is here

    def make_source(factory: str, **properties: object) -> Any:
        if factory != "v4l2src" or not is_there.is_set():
            return make(factory, **properties)
        plugged.append(make("videotestsrc", is_live=True))
        return plugged[-1]

    monkeypatch.setattr(gst_inputs, "make", make_source)
    is_there, segments = threading.Event(), queue.SimpleQueue[int]()
    is_there.set()
    source = open_source("usb:77", settings(), "cam")
    thread = threading.Thread(target=lambda: [segments.put(frame.segment) for frame in source.frames()])
    thread.start()
    first = segments.get(timeout=60)
    is_there.clear()
    gone = GLib.Error.new_literal(Gst.ResourceError.quark(), "Could not read", int(Gst.ResourceError.READ))
    plugged[0].post_message(Gst.Message.new_error(plugged[0], gone, "No such device"))
    plugged[0].send_event(Gst.Event.new_eos())
    while "usb:77 is not there: is the camera plugged in" not in source.status().reason:
        thread.join(0.02)
    is_there.set()
    while segments.get(timeout=60) == first:
        pass
    assert source.status().state is SourceState.RUNNING
    source.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_host_that_is_none_and_a_usb_camera_that_is_not_there() -> None:
    with pytest.raises(SourceError, match=r"no host is named camera\.invalid|does not answer"):
        probe("rtsp://camera.invalid/x", settings())
    with pytest.raises(SourceError, match="usb:77 is not there"):
        probe("usb:77", settings())


@pytest.mark.skipif(not os.path.exists("/dev/console"), reason="no device to be refused")
def test_a_usb_camera_that_may_not_be_opened_says_who_may() -> None:
    probe("test:", settings())  # GStreamer is loaded with all rights
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        with pytest.raises(
            SourceError, match=r"not be opened by this user.* group video.* Supplement"
        ) as caught:
            probe("/dev/console", settings())
    finally:
        os.seteuid(user)
    assert caught.value.reason_slug == "source-permission"


def test_a_camera_that_dies_twice_comes_back_twice() -> None:
    running = Camera()
    source = open_source(running.url(), settings(), "cam")
    seen: list[tuple[int, int, float]] = []
    for frame in source.frames():
        is_new_life = not seen or frame.segment > seen[-1][0]
        seen.append((frame.segment, frame.index, frame.pts_s))
        if is_new_life and frame.segment > 0:
            assert source.status().reconnects == frame.segment
        if is_new_life and len({segment for segment, _, _ in seen}) == 3:
            source.close()
        elif is_new_life:
            running.die()
            running = Camera(running.port)
    running.die()
    assert seen == sorted(seen), "segments, numbers and times never go back"
    assert source.status().reason == ""


def test_a_camera_that_hangs_is_noticed_and_rebuilt() -> None:
    running = Camera()
    source = open_source(running.url(), settings(), "cam")
    frames = source.frames()
    first = next(frames)
    running.hang()
    reasons = follow_reasons(source)
    replacement = threading.Thread(target=lambda: revive(running, source, reasons))
    replacement.start()
    after = next(frame for frame in frames if frame.segment > first.segment)
    assert after.pts_s > first.pts_s
    assert any("hangs: no frame for" in reason for reason in reasons)
    source.close()
    replacement.join()
    running.die()


def follow_reasons(source: Source) -> set[str]:
    """Collect what the status says, in a thread of its own, until the source is closed."""
    reasons: set[str] = set()

    def follow() -> None:
        while source.status().state is not SourceState.ENDED:
            reasons.add(source.status().reason)
            threading.Event().wait(0.005)

    threading.Thread(target=follow, daemon=True).start()
    return reasons


def revive(running: Camera, source: Source, reasons: set[str]) -> None:
    while not any("hangs" in reason for reason in reasons):
        threading.Event().wait(0.02)
    running.resume()


def test_a_hung_camera_never_slows_another(camera: Camera) -> None:
    with Camera() as hung:
        bad = open_source(hung.url(), settings(connect_limit_s=1.0), "bad")
        hung.hang()
        thread = threading.Thread(target=lambda: list(bad.frames()))
        thread.start()
        good = open_source(camera.url(), settings(), "good")
        frames = take(good, 3 * FPS)
        assert frames[-1].pts_s - frames[0].pts_s < 2 * len(frames) / FPS
        assert good.status().reconnects == 0
        assert bad.status().frames == 0
        bad.close()
        thread.join(30)
        assert not thread.is_alive()


def reason_after(url: str, reconnects: int) -> str:
    """Watch a camera that is lost so often; return the reason that its status gives then."""
    source = open_source(url, settings(), "cam")
    thread = threading.Thread(target=lambda: list(source.frames()))
    thread.start()
    while source.status().reconnects < reconnects:
        thread.join(0.02)
    reason = source.status().reason
    source.close()
    thread.join(10)
    assert not thread.is_alive()
    return reason


def test_the_reason_stays_visible_while_a_camera_is_gone() -> None:
    with Camera() as running:
        url = running.url(login="anna:geheim@")
    reason = reason_after(url, reconnects=3)
    assert "refuses the connection" in reason
    assert "geheim" not in reason
    assert "rtsp://anna:***@127.0.0.1" in reason


class MjpegCamera(BaseHTTPRequestHandler):
    """An old network camera: pictures one after the other, behind basic authentication."""

    def do_GET(self) -> None:
        if self.path.startswith("/unchanged"):
            return self.send_error(304)
        if self.path == "/snapshot":
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.end_headers()
            self.wfile.write(cv2.imencode(".jpg", picture(1))[1].tobytes())
            return None
        if self.path == "/login":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html><body>Please log in</body></html>")
            return None
        if self.path not in ("/mjpg", "/misnamed"):
            return self.send_error(404)
        if self.headers.get("Authorization") != "Basic YW5uYTpnZWhlaW0=":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return None
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
        self.end_headers()
        for number in range(40):
            jpeg = cv2.imencode(".jpg", picture(number))[1].tobytes()
            kind = "image/jpeg" if self.path == "/mjpg" else "image/jpg"
            head = f"--cut\r\nContent-Type: {kind}\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")
            threading.Event().wait(0.04)
        return None

    def log_message(self, *_: object) -> None:
        """Keep the tests quiet."""


@pytest.fixture
def mjpeg() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), MjpegCamera) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_http_cameras_send_jpegs(mjpeg: str) -> None:
    source = open_source(f"http://anna:geheim@{mjpeg}/mjpg", settings(), "cam")
    frames = take(source, 10)
    numbers = [number_in(frame) for frame in frames]
    assert numbers == sorted(set(numbers))
    assert frames[0].planes.full_range, "JPEG's luma is 0..255"
    assert frames[-1].pts_s > frames[0].pts_s
    with pytest.raises(SourceError, match="refuses user and password"):
        probe(f"http://anna:wrong@{mjpeg}/mjpg", settings())
    with pytest.raises(SourceError, match="404"):
        probe(f"http://anna:geheim@{mjpeg}/other", settings())


def test_pictures_that_are_called_jpg_are_jpegs(mjpeg: str) -> None:
    assert probe(f"http://anna:geheim@{mjpeg}/misnamed", settings()).codec == "MJPEG"


def test_the_address_of_a_still_picture_is_told() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), MjpegCamera) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/snapshot"
        why = "/snapshot gives one picture and ends, but a stream is wanted"
        assert why in reason_after(url, reconnects=1)
        server.shutdown()


def test_a_page_is_told_at_once(mjpeg: str) -> None:
    with pytest.raises(SourceError, match=r"has no video track \(it holds text/html\)"):
        probe(f"http://{mjpeg}/login", settings())


@pytest.mark.parametrize("path", ["mjpg", "misnamed"])
def test_a_jpeg_tells_its_size_before_it_is_decoded(mjpeg: str, path: str) -> None:
    from anpr_stream.sources.gst_gate import GatedPlayer
    from anpr_stream.sources.locate import locate

    address = locate(f"http://anna:geheim@{mjpeg}/{path}", settings())
    player = GatedPlayer(address, settings(), lambda: False)
    while (shot := player.pull(1.0)) is None:
        pass
    player.close()
    assert (shot.width, shot.height, shot.planes.arrays) == (WIDTH, HEIGHT, ())


def test_a_password_among_the_urls_values_is_not_shown_by_gstreamers_own_words(mjpeg: str) -> None:
    with pytest.raises(SourceError, match=r"Not Modified.*pwd=\*\*\*") as caught:
        probe(f"http://{mjpeg}/unchanged?user=anna&pwd=geheim", settings())
    assert "geheim" not in caught.value.message


def test_an_http_camera_that_ends_is_asked_again(mjpeg: str) -> None:
    source = open_source(f"http://anna:geheim@{mjpeg}/mjpg", settings(), "cam")
    segments = set()
    for frame in source.frames():
        segments.add(frame.segment)
        if len(segments) == 2:
            source.close()
    assert segments == {0, 1}


def test_a_test_picture_needs_no_camera() -> None:
    source = open_source("test:width=320&height=240&fps=50", settings(), "cam")
    frames = take(source, 5)
    assert [(frame.width, frame.height) for frame in frames] == [(320, 240)] * 5


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_files_and_threads_do_not_pile_up(camera: Camera, tmp_path: Path) -> None:
    def cycle() -> None:
        take(open_source(camera.url(), settings(), "cam"), 2)
        with pytest.raises(SourceError):
            probe(camera.url("other"), settings())

    cycle()
    gc.collect()
    files, threads = open_files(), threading.active_count()
    for _ in range(6):
        cycle()
    gc.collect()
    assert open_files() <= files + 3
    assert threading.active_count() <= threads + 2
