"""What the text of a camera's URL says, before anything is opened, and how it is shown."""

from __future__ import annotations

import difflib
import os
import re
from urllib.parse import urlsplit

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""Known schemes and the ports that they mean."""

_LOGIN = re.compile(r"://([^:@]*):.*@", re.DOTALL)
_VALUE = re.compile(r"((?:pas|pwd|psw|token|secret|key|auth|cred|sig)[\w.-]*=)[^&]*", re.IGNORECASE)
_ESCAPES = "write %2F for /, %3F for ?, %23 for # in a password, and %40 for an @ behind the host"


def hide_password(text: str) -> str:
    """Put `***` in the place of a URL's passwords: the one before the host, and those among its values.

    What may be a part of a password is hidden, too: all up to the last `@`, or up to the next `&`.
    """
    return _LOGIN.sub(r"://\1:***@", _VALUE.sub(r"\1***", text))


def is_live(text: str) -> bool:
    """Tell whether a source's text names a camera, not files."""
    scheme = text.partition(":")[0]
    if text.startswith(("test:", "usb:")) or is_device(text):
        return True
    return "://" in text and scheme.lower() != "file"


def is_device(text: str) -> bool:
    """Tell whether a path is a camera's, there or not; files and folders are not, say on a RAM disk."""
    if not text.startswith("/dev/") or text.startswith("/dev/shm/"):
        return False
    return not (os.path.isfile(text) or os.path.isdir(text))


def address_fault(text: str) -> str | None:
    """Return what is wrong with a source's text as the end of a sentence, None if nothing is.

    Holds no part of a URL beyond its scheme, for any other part may be one of a password. Whether something
    is there is not looked at.
    """
    if text.startswith("usb:") and not text[4:].isdecimal():
        return "is no device: a USB camera is usb:0, usb:1, ... or /dev/videoN"
    return _url_fault(text) if "://" in text and is_live(text) else None


def _url_fault(text: str) -> str | None:
    scheme = text.partition("://")[0].lower()
    if scheme not in PORTS:
        near = difflib.get_close_matches(scheme, PORTS, n=1, cutoff=0.6)
        known = ", ".join(f"{known}://" for known in PORTS)
        other = f"did you mean {near[0]}://?" if near else f"{known} and file paths are"
        return f"cannot be opened: {scheme}:// is not known; {other}"
    if _has_split_password(text):
        return f"is no valid URL: {_ESCAPES}"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "is no valid URL: is the host right? An IPv6 address stands in [ ]"
    try:
        _ = parts.port
    except ValueError:
        return "is no valid URL: its port is no number up to 65535"
    return None if parts.hostname else "names no host"


def _has_split_password(text: str) -> bool:
    """Tell whether a password may hold the character at which the host seems to end.

    `rtsp://admin:12/34@camera` would mean port 12 of a host named `admin`. With a dot it is a host's name.
    """
    login, _, behind = re.sub(r"[/?#]", "\n", text.partition("://")[2], count=1).partition("\n")
    name, colon, _ = re.sub(r"\[.*?\]", "", login).partition(":")
    return bool(name and colon) and "." not in name and "@" in behind
