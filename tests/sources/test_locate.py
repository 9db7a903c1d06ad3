"""What a source's text means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr

from anpr_stream.config.address import hide_password
from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.sources.locate import Kind, check_file, locate, natural_key

PLAIN = SourceSettings()


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


@pytest.mark.parametrize(
    ("text", "kind", "target", "host", "port"),
    [
        ("rtsp://cam/live", Kind.RTSP, "rtsp://cam/live", "cam", 554),
        ("RTSP://cam:8554/a?b=c", Kind.RTSP, "rtsp://cam:8554/a?b=c", "cam", 8554),
        ("rtsps://[fe80::1]:322/x", Kind.RTSP, "rtsps://[fe80::1]:322/x", "fe80::1", 322),
        ("http://cam/mjpg", Kind.HTTP, "http://cam/mjpg", "cam", 80),
        ("https://cam/mjpg", Kind.HTTP, "https://cam/mjpg", "cam", 443),
        ("usb:0", Kind.USB, "/dev/video0", "", 0),
        ("/dev/video3", Kind.USB, "/dev/video3", "", 0),
        ("test:pattern=ball", Kind.TEST, "pattern=ball", "", 0),
    ],
)
def test_live_sources(text: str, kind: Kind, target: str, host: str, port: int) -> None:
    address = locate(text, PLAIN)
    assert (address.kind, address.target, address.host, address.port) == (kind, target, host, port)
    assert address.is_live


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        ("rtsp://anna:s%40t@cam/x", PLAIN, ("anna", "s@t")),
        ("rtsp://cam/x", SourceSettings(user="bob", password=SecretStr("pw")), ("bob", "pw")),
        ("rtsp://anna:1@cam/x", SourceSettings(user="bob", password=SecretStr("pw")), ("anna", "1")),
        ("rtsp://anna@cam/x", SourceSettings(password=SecretStr("pw")), ("anna", "pw")),
        ("rtsp://cam/x", PLAIN, (None, None)),
    ],
)
def test_names_and_passwords(
    url: str, settings: SourceSettings, expected: tuple[str | None, str | None]
) -> None:
    address = locate(url, settings)
    assert (address.user, address.password) == expected
    assert "@" not in address.target


@pytest.mark.parametrize("word", ["geheim", "a:b", "p%40ss"])
def test_passwords_are_never_shown(word: str) -> None:
    address = locate(f"rtsp://anna:{word}@cam/x", PLAIN)
    assert word not in repr(address)
    assert address.shown == hide_password(f"rtsp://anna:{word}@cam/x") == "rtsp://anna:***@cam/x"
    assert "pw" not in repr(locate("rtsp://cam/x", SourceSettings(password=SecretStr("pw"))))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://cam/v.cgi?user=anna&pwd=geheim&fps=5", "http://cam/v.cgi?user=anna&pwd=***&fps=5"),
        ("http://cam/v.cgi?loginuse=anna&loginpas=ge#heim", "http://cam/v.cgi?loginuse=anna&loginpas=***"),
        ("http://cam/v?Password=geheim&PASS=geheim", "http://cam/v?Password=***&PASS=***"),
        ("http://cam/v?passwd=geheim;x", "http://cam/v?passwd=***"),
        ("http://cam/v?access_token=geheim", "http://cam/v?access_token=***"),
        ("rtsp://cam/user=anna&password=geheim&channel=1", "rtsp://cam/user=anna&password=***&channel=1"),
        ("http://anna:geheim@cam/v?pwd=geheim", "http://anna:***@cam/v?pwd=***"),
        ("http://cam:8080/v?size=640x360&compass=1", "http://cam:8080/v?size=640x360&compass=***"),
    ],
)
def test_passwords_among_a_urls_values_are_never_shown(url: str, shown: str) -> None:
    address = locate(url, PLAIN)
    assert address.shown == shown
    assert "geheim" not in repr(address)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://anna:ge/heim@cam/1", "rtsp://anna:***@cam/1"),
        ("rtsp://anna:ge#heim@cam/1", "rtsp://anna:***@cam/1"),
        ("rtsp://anna:ge?heim@cam/1", "rtsp://anna:***@cam/1"),
        ("rtsp://anna:12/34@cam/1", "rtsp://anna:***@cam/1"),
        ("rtsp://anna:g@e/heim@cam/1", "rtsp://anna:***@cam/1"),
        ("rtsp://anna:ge heim/1@cam/1", "rtsp://anna:***@cam/1"),
    ],
)
def test_a_password_that_seems_to_end_the_host_is_refused_and_never_shown(url: str, shown: str) -> None:
    with pytest.raises(SourceError) as caught:
        locate(url, PLAIN)
    assert caught.value.message.startswith(f"{shown} is no valid URL: write %2F for /, %3F for ?, %23 for #")
    assert caught.value.reason_slug == "source-url"


@pytest.mark.parametrize("host", ["192.168.1.10", "cam.example.org", "[fe80::1]"])
def test_an_at_sign_behind_a_host_with_a_port_is_no_password(host: str) -> None:
    address = locate(f"rtsp://{host}:8554/live@2", PLAIN)
    assert (address.host, address.port) == (host.strip("[]"), 8554)


def test_an_at_sign_behind_a_host_without_a_port_is_no_password() -> None:
    assert locate("http://cam/v?mail=a@b", PLAIN).host == "cam"
    assert locate("rtsp://[fe80::1]/a@b", PLAIN).host == "fe80::1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://cam/x", "ftp:// is not known"),
        ("rtsp:///x", "names no host"),
        ("rtsp://cam:port/x", "is no valid URL"),
        ("rtsp://anna:geheim@cam:99999/x", r"rtsp://anna:\*\*\*@cam:99999/x is no valid URL"),
        ("rtsp://anna:geheim@[fe80::1/x", r"rtsp://anna:\*\*\*@\[fe80::1/x is no valid URL: is the host"),
        ("usb:front", r"a USB camera is usb:0"),
        ("nowhere.mp4", "does not exist"),
        ("/dev/shm/nowhere.mp4", "does not exist"),
        ("~nobody-of-this-name/a.mp4", "a.mp4 does not exist: ~ names nobody's folder"),
        ("a" * 300, "cannot be read: File name too long"),
        ("/".join(["a" * 200] * 30), "cannot be read: File name too long"),
        ("no*where/*.mp4", "holds no video and no picture"),
    ],
)
def test_texts_that_mean_nothing(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        locate(text, PLAIN)


def test_a_folder_plays_its_clips_in_natural_order(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "clip10.mp4",
        "clip2.mp4",
        "Clip1.MP4",
        "notes.txt",
        "thumb.jpg",
        "deep/clip3.mp4",
        "._clip2.mp4",
    )
    address = locate(str(tmp_path), PLAIN)
    assert address.kind is Kind.CLIPS
    assert [path.name for path in address.paths] == ["Clip1.MP4", "clip2.mp4", "clip10.mp4"]
    assert not address.is_live


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no RAM disk under /dev")
def test_a_file_on_a_ram_disk_is_no_usb_camera() -> None:
    with TemporaryDirectory(dir="/dev/shm") as folder:
        touch(Path(folder), "clip.mp4")
        for text in (folder, f"{folder}/clip.mp4", f"{folder}/*.mp4"):
            address = locate(text, PLAIN)
            assert (address.kind, address.paths) == (Kind.CLIPS, (Path(folder) / "clip.mp4",))


@pytest.mark.parametrize("pattern", ["", "*"])
def test_pictures_may_count_more_than_clips(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "video.mp4", "1.jpg", "2.JFIF")
    address = locate(str(tmp_path / pattern), PLAIN, Kind.PICTURES)
    assert (address.kind, [path.name for path in address.paths]) == (Kind.PICTURES, ["1.jpg", "2.JFIF"])


def test_patterns_choose(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.mp4", "b/2.mp4", "b/3.mkv", "b/4.jpg")
    assert [p.name for p in locate(f"{tmp_path}/**/*.mp4", PLAIN).paths] == ["1.mp4", "2.mp4"]
    assert locate(f"{tmp_path}/b/*.jpg", PLAIN).kind is Kind.PICTURES


def test_a_file_with_a_patterns_letters_in_its_name_is_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "drive [1].mp4")
    assert locate(str(tmp_path / "drive [1].mp4"), PLAIN).paths == (tmp_path / "drive [1].mp4",)


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.TIFF", "readme.md")
    address = locate(str(tmp_path), PLAIN)
    assert (address.kind, [path.name for path in address.paths]) == (Kind.PICTURES, ["a.TIFF", "b.png"])


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    touch(tmp_path, "my clip.mp4")
    assert locate(f"file://{tmp_path}/my%20clip.mp4", PLAIN).paths == (tmp_path / "my clip.mp4",)


def test_an_unknown_suffix_is_left_to_gstreamer(tmp_path: Path) -> None:
    touch(tmp_path, "export.dat")
    assert locate(str(tmp_path / "export.dat"), PLAIN).kind is Kind.CLIPS


def test_empty_and_forbidden_files_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty, locked = tmp_path / "empty.mp4", tmp_path / "locked.mp4"
    empty.touch()
    locked.write_bytes(b"x")
    with pytest.raises(SourceError, match=r"empty\.mp4 is empty"):
        check_file(empty)
    with pytest.raises(SourceError, match="is no file"):
        check_file(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)  # the tests may run as root, whom no mode stops
    with pytest.raises(SourceError, match=r"locked.mp4 may not be read: check its permissions"):
        check_file(locked)


@contextmanager
def without_root() -> Iterator[None]:
    """Run as a user whom a folder's mode stops."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.parametrize("name", ["", "clip.mp4", "*.mp4"])
def test_a_forbidden_folder_and_what_is_in_it_is_told(tmp_path: Path, name: str) -> None:
    locked = tmp_path / "locked"
    touch(locked, "clip.mp4")
    locked.chmod(0)
    try:
        with without_root(), pytest.raises(SourceError, match=r"locked.* may not be read: check its perm"):
            locate(str(locked / name), PLAIN)
    finally:
        locked.chmod(0o700)


def test_natural_order_of_mixed_names() -> None:
    names = ["x", "10", "9", "a2b10", "a2b9", "A1"]
    assert sorted(names, key=lambda name: natural_key(Path(name))) == ["9", "10", "A1", "a2b9", "a2b10", "x"]
