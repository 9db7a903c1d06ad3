"""Every error that a user may meet: a class, a slug and an exit code.

    AnprError                 1
    ├── ConfigError          78  (EX_CONFIG: systemd does not restart)
    ├── UsageError            2
    ├── SourceError          66  (EX_NOINPUT)
    ├── ModelError           65  (EX_DATAERR)
    ├── BackendError         69  (EX_UNAVAILABLE)
    ├── AddressError         71  (EX_OSERR)
    ├── SinkError            73  (EX_CANTCREAT)
    └── StoreError           74  (EX_IOERR)

The message is one line that names the thing and says what to do. The slug stands in
`docs/messages.md` with a paragraph. Exit codes follow BSD's sysexits.h.
"""

from __future__ import annotations

from typing import ClassVar


def reason_of(error: Exception) -> str:
    """Return why a file or an address failed: the system's own words without number and path."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return getattr(error, "strerror", None) or str(error)


class AnprError(Exception):
    """Base of all errors that are told to the user in one line."""

    exit_code: ClassVar[int] = 1
    slug: ClassVar[str] = "error"

    def __init__(self, message: str, slug: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason_slug = slug or self.slug

    def __str__(self) -> str:
        return f"{self.message} [{self.reason_slug}]"


def program_fault(where: str, error: Exception) -> AnprError:
    """Return what a user is told of an exception that nobody expected."""
    return AnprError(f"{where}: fault of the program: {error!r}", "internal")


class UsageError(AnprError):
    """A wrong argument on the command line."""

    exit_code = 2
    slug = "usage"


class ConfigError(AnprError):
    """A configuration that cannot be used; the message may hold several lines, one per fault."""

    exit_code = 78
    slug = "config"


class SourceError(AnprError):
    """A source that cannot be opened or played."""

    exit_code = 66
    slug = "source"


class ModelError(AnprError):
    """A network's file that is missing, damaged or of another contract."""

    exit_code = 65
    slug = "model"


class BackendError(AnprError):
    """An inference engine that is missing, fails or disagrees with the golden sample."""

    exit_code = 69
    slug = "backend"


class AddressError(AnprError):
    """An address of this machine that the daemon wants to listen on and cannot now, but perhaps soon."""

    exit_code = 71
    slug = "address"


class SinkError(AnprError):
    """A receiver or an output file that takes no events."""

    exit_code = 73
    slug = "sink"


class StoreError(AnprError):
    """The local store cannot be read or written."""

    exit_code = 74
    slug = "store"
