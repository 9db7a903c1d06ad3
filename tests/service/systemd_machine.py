"""A real systemd in a container over this machine's own files, to try the unit in.

`systemd-nspawn` boots it on an overlay: it sees what is installed here, and what it writes is gone with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

LIMIT_S = 60.0
SYSTEMD = Path("/lib/systemd/systemd")
SEEN = (Path(sys.prefix), Path(__file__).resolve().parents[2])
"""Where program and code lie."""
RIGHTS = "CAP_BPF,CAP_IPC_LOCK"
"""What a machine's first process may beyond a container's: filter devices, lock memory."""


class CannotBootError(Exception):
    """Containers do not boot here, whatever the reason."""


class Machine:
    """A booted container; `root` is its file system as seen from outside."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        self._enter = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in it."""
        found = subprocess.run(
            [*self._enter, *words], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert not (check and found.returncode), f"{words} ended with {found.returncode}: {found.stderr}"
        return found

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).stdout.strip()

    @contextmanager
    def expecting(self, words: str) -> Iterator[None]:
        """Leave only when the journal tells of what was done inside."""
        last = self.run("journalctl", "-n", "1", "-o", "cat", "--show-cursor").stdout
        cursor = last.rpartition("-- cursor: ")[2].strip()
        yield
        limit, after = f"{LIMIT_S:g}", f"--after-cursor={cursor}"
        follow = ["timeout", limit, "journalctl", "--follow", after, "-o", "cat"]
        with subprocess.Popen([*self._enter, *follow], stdout=subprocess.PIPE, text=True) as journal:
            assert journal.stdout is not None
            is_told = any(words in line for line in journal.stdout)
            journal.terminate()
        assert is_told, f"no {words!r} in the journal"


def why_not() -> str:
    """Return what is missing here to boot a machine, or an empty text."""
    missing = [name for name in ("systemd-nspawn", "nsenter", "mount") if not shutil.which(name)]
    if missing or not SYSTEMD.exists():
        return f"needs {', '.join(missing) or SYSTEMD}: apt install systemd-container"
    if closed := _closed_to_others():
        return f"the unit's user cannot reach {closed}"
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    is_able = subprocess.run(probe, capture_output=True, check=False).returncode == 0
    return "" if is_able else "mounting needs root"


def _closed_to_others() -> Path | None:
    """Return a folder on the way to the program or its code that the unit hides or others may not enter."""
    for path in SEEN:
        for folder in (path, *path.parents):
            if folder in (Path("/tmp"), Path("/var/tmp")) or not folder.stat().st_mode & 0o001:
                return folder
    return None


@contextmanager
def boot(folder: Path) -> Iterator[Machine]:
    """Boot a machine whose files lie below `folder`; it is powered off in the end.

    Raises:
        CannotBootError: it does not come up.
    """
    root = folder / "root"
    with ExitStack() as stack:
        _mount(stack, folder, "tmpfs", "size=256m")
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()
        layers = f"lowerdir=/,upperdir={folder / 'upper'},workdir={folder / 'work'}"
        _mount(stack, root, "overlay", layers)
        for enabled in (root / "etc/systemd/system/multi-user.target.wants").glob("*.service"):
            enabled.unlink()
        nspawn = stack.enter_context(_started(_command(root)))
        machine = Machine(root, _leader(nspawn))
        machine.run("systemctl", "is-system-running", "--wait", check=False)
        yield machine


def _command(root: Path) -> list[str]:
    binds = [f"--bind-ro={path}" for path in SEEN]
    quiet = ["--quiet", "--register=no", "--keep-unit", "--console=pipe", "--link-journal=no"]
    names = ["--machine=anpr-stream-test", f"--uuid={uuid.uuid4().hex}"]
    rights = [f"--capability={RIGHTS}", "--system-call-filter=bpf"]
    return ["systemd-nspawn", "--boot", f"--directory={root}", *quiet, *names, *rights, *binds]


@contextmanager
def _started(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    # Only the unified hierarchy of control groups filters devices for a container's units.
    environ = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    none = subprocess.DEVNULL
    with subprocess.Popen(command, env=environ, stdin=none, stdout=none) as process:
        try:
            yield process
        finally:
            process.terminate()


def _leader(nspawn: subprocess.Popen[bytes]) -> int:
    """Wait for the container's first process: nspawn tells nobody when it starts it."""
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    end_s = time.monotonic() + LIMIT_S
    while nspawn.poll() is None and time.monotonic() < end_s:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.05)
    raise CannotBootError(f"systemd-nspawn boots nothing here (exit code {nspawn.poll()})")


def _mount(stack: ExitStack, at: Path, kind: str, options: str) -> None:
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(at)], check=True)
    stack.callback(subprocess.run, ["umount", "--lazy", str(at)], check=True)
