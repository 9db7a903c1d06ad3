"""`tools/setup.sh` up to where pip has its turn."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READ = ("tools/setup.sh", "setup.cfg", "tools/test-requirements.txt")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which no package is missing and pip finds no project."""
    for name in READ:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    asked = tmp_path / "bin" / "dpkg-query"
    asked.parent.mkdir()
    asked.write_text("#!/bin/sh\necho install ok installed\n")
    asked.chmod(0o755)
    return tmp_path


def set_up(checkout: Path) -> str:
    path = f"{checkout / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "tools/setup.sh"], cwd=checkout, env={"PATH": path}, capture_output=True, text=True
    )
    return done.stderr


def make(checkout: Path, *options: str) -> Path:
    """An environment that is marked as done; return its settings."""
    folder = checkout / ".venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", *options, folder], check=True)
    text = b"".join((checkout / name).read_bytes() for name in READ)
    stamp = subprocess.run(["sha256sum"], input=text, capture_output=True, check=True).stdout
    (folder / "anpr-stream.run.stamp").write_bytes(stamp)
    return folder / "pyvenv.cfg"


def test_an_environment_of_debians_python_that_is_done_stays(checkout: Path) -> None:
    make(checkout, "--system-site-packages")
    told = set_up(checkout)
    assert "making" not in told
    assert "installing" not in told


@pytest.mark.parametrize("fault", ["made by another Python", "made by an older Debian's"])
def test_an_environment_that_does_not_fit_is_made_anew(checkout: Path, fault: str) -> None:
    if fault == "made by another Python":
        settings = make(checkout)
        settings.write_text(settings.read_text().replace("home = ", "home = /opt"))
    else:
        settings = make(checkout, "--system-site-packages")
        (installed,) = settings.parent.glob("lib/python3*")
        installed.rename(installed.with_name("python3.1"))
    assert "making .venv with Python 3" in set_up(checkout)
    assert "include-system-site-packages = true" in settings.read_text().splitlines()
    assert not (settings.parent / "anpr-stream.run.stamp").exists()
