"""The unit as systemd itself judges it."""

from __future__ import annotations

import grp
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from anpr_stream.config.packaged import packaged
from anpr_stream.service.unit import NAME, quote, unit_text

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    path = tmp_path / NAME
    path.write_text(unit_text(["/bin/true", "serve", "-c", "/etc/a b.yaml"], {"GATE": secret}))
    return path


@needs_systemd
def test_systemd_accepts_the_unit(unit: Path) -> None:
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert found.stderr == ""
    assert found.returncode == 0


@needs_systemd
def test_the_unit_is_hardened(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    level = re.search(r"Overall exposure level for .*: ([\d.]+)", found)
    assert level is not None
    assert float(level[1]) < 2.0


def test_engines_and_devices_still_work(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    assert not [
        line for line in lines if line.startswith(("MemoryDenyWriteExecute", "PrivateDevices", "ProcSubset"))
    ]


def test_what_a_daemon_needs(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    for line in (
        "Type=notify",
        "RestartPreventExitStatus=78",
        "LimitNOFILE=65536",
        "LimitMEMLOCK=infinity",
        "ExecReload=/bin/kill -HUP $MAINPID",
        'ExecStart=/bin/true serve -c "/etc/a b.yaml"',
        f"LoadCredential=GATE:{unit.parent}/secret",
    ):
        assert line in lines
    assert "s3cret" not in unit.read_text()


def test_groups_that_this_machine_lacks_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grp, "getgrall", lambda: [grp.struct_group(("video", "x", 44, []))])
    assert "\nSupplementaryGroups=video\n" in unit_text(["/bin/true"], {})


def test_a_program_in_a_home_folder_stays_reachable() -> None:
    assert "ProtectHome=read-only" in unit_text(["/home/me/.venv/bin/anpr-stream"], {})
    assert "ProtectHome=read-only" in unit_text(["/bin/true"], {}, [Path("/home/me/ca.pem")])
    assert "ProtectHome=yes" in unit_text(["/opt/anpr/bin/anpr-stream"], {})


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/etc/a.yaml", "/etc/a.yaml"),
        ("a b", '"a b"'),
        ("100%n", "100%%n"),
        ("$HOME", '"$$HOME"'),
        ('say "x"\\', '"say \\"x\\"\\\\"'),
        ("", '""'),
    ],
)
def test_words_mean_themselves(word: str, expected: str) -> None:
    assert quote(word) == expected


def test_no_line_can_be_smuggled_in() -> None:
    with pytest.raises(ValueError, match="line break"):
        quote("a\nExecStartPre=/bin/evil")


def test_the_template_is_packaged() -> None:
    assert (packaged("configs") / NAME).is_file()
