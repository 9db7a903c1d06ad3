"""One text says where pictures come from: a URL, a device, a file, a folder or a pattern."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from anpr_stream.config.address import PORTS, address_fault, hide_password, is_device, is_live
from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError

PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Of an animated one the first picture counts: GStreamer plays a GIF without times, and for ever."""
CLIPS = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg"),
    *(".vob", ".flv", ".wmv", ".asf", ".ogv", ".dav", ".mjpeg", ".mjpg", ".h264", ".264", ".h265", ".265"),
)


class Kind(Enum):
    """How a source is opened."""

    CLIPS = "clips"
    PICTURES = "pictures"
    RTSP = "rtsp"
    HTTP = "http"
    USB = "usb"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Address:
    """Where pictures come from, taken apart.

    Attributes:
        kind: how it is opened.
        shown: for people; never holds a password.
        target: URL without user and password, or a device's path.
        host: of a URL.
        port: of a URL.
        user: for the camera.
        password: likewise.
        paths: files in the order they play.
    """

    kind: Kind
    shown: str
    target: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    paths: tuple[Path, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether it goes on for ever, by its own clock."""
        return self.kind not in (Kind.CLIPS, Kind.PICTURES)


def locate(text: str, settings: SourceSettings, rather: Kind = Kind.CLIPS) -> Address:
    """Take a source's text apart.

    Args:
        text: what the user wrote.
        settings: user and password that are not in a URL.
        rather: what is taken of folders and patterns that hold both, `CLIPS` or `PICTURES`.

    Raises:
        SourceError: nothing is there, or the text means nothing.
    """
    scheme, has_scheme, rest = text.partition(":")
    if fault := address_fault(text):
        raise SourceError(f"{hide_password(text)} {fault}", "source-url")
    if has_scheme and scheme == "test":
        return Address(Kind.TEST, text, rest)
    if has_scheme and scheme == "usb":
        return Address(Kind.USB, text, f"/dev/video{rest}")
    if is_device(text):
        return Address(Kind.USB, text, text)
    if is_live(text):
        return _url(text, settings)
    return _local(unquote(urlsplit(text).path) if "://" in text else text, rather)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts `clip2` before `clip10`."""
    parts = re.split(r"(\d+)", str(path))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part]


def _url(text: str, settings: SourceSettings) -> Address:
    parts = urlsplit(text)
    scheme = parts.scheme.lower()
    kind = Kind.RTSP if scheme.startswith("rtsp") else Kind.HTTP
    where = parts.netloc.rpartition("@")[2]
    address = Address(
        kind,
        hide_password(text),
        urlunsplit((scheme, where, parts.path, parts.query, "")),
        parts.hostname or "",
        parts.port or PORTS[scheme],
    )
    return _with_credentials(address, parts.username, parts.password, settings)


def _with_credentials(
    address: Address, user: str | None, password: str | None, settings: SourceSettings
) -> Address:
    """Those in the URL count before those apart."""
    apart = settings.password.get_secret_value() if settings.password else None
    return replace(
        address,
        user=unquote(user) if user else settings.user,
        password=unquote(password) if password else apart,
    )


def _local(text: str, rather: Kind) -> Address:
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise SourceError(f"{text} does not exist: ~ names nobody's folder here", "source-missing") from None
    try:
        if path.is_dir():
            return _several(text, [child for child in path.iterdir() if _is_seen(child)], rather)
        if not path.exists() and glob.has_magic(text):
            return _several(text, [Path(found) for found in glob.glob(str(path), recursive=True)], rather)
    except OSError as error:
        raise _unreadable(path, error) from None
    kind = Kind.PICTURES if path.suffix.lower() in PICTURES else Kind.CLIPS
    return Address(kind, text, paths=(check_file(path),))


def _is_seen(path: Path) -> bool:
    """Whether a folder's file counts: not the hidden ones, such as macOS's `._clip1.mp4` beside each clip."""
    return not path.name.startswith(".") and path.is_file()


def _several(text: str, found: list[Path], rather: Kind) -> Address:
    ordered = sorted(found, key=natural_key)
    suffixes = {Kind.CLIPS: CLIPS, Kind.PICTURES: PICTURES}
    for kind in sorted(suffixes, key=lambda kind: kind is not rather):
        paths = tuple(path for path in ordered if path.suffix.lower() in suffixes[kind])
        if paths:
            return Address(kind, text, paths=paths)
    raise SourceError(f"{text} holds no video and no picture", "source-missing")


def check_file(path: Path) -> Path:
    """Return the path of a file that can be read and is not empty.

    Raises:
        SourceError: it is not there, may not be read, is no file or is empty.
    """
    try:
        if not path.is_file():
            what = "is no file" if path.exists() else "does not exist"
            raise SourceError(f"{path} {what}: is the path right?", "source-missing")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"{path} is empty", "source-empty")
    except OSError as error:
        raise _unreadable(path, error) from None
    return path


def _unreadable(path: Path, error: OSError) -> SourceError:
    if isinstance(error, PermissionError):
        return SourceError(f"{path} may not be read: check its permissions", "source-permission")
    return SourceError(f"{path} cannot be read: {error.strerror}", "source-permission")
