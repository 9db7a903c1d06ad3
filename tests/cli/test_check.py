from pathlib import Path

import pytest

from tests.cli.command import ROOT, anpr_stream


def test_a_right_file_names_its_cameras(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("cameras: {gate: {url: a.mp4}, yard: {url: b.mp4}}\n")
    answer = anpr_stream("check", path)
    assert answer.returncode == 0
    assert answer.stderr == f"{path}: right; cameras: gate, yard\n"
    assert answer.stdout == ""


def test_a_wrong_file_gives_every_fault_and_exit_code_78(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("camras: {}\nflow: {frames_waiting: 0}\n")
    answer = anpr_stream("check", path)
    assert answer.returncode == 78
    assert f"{path}:1: camras: unknown key; did you mean 'cameras'?" in answer.stderr
    assert f"{path}:2: flow.frames_waiting: " in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_files_that_ship_are_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATE_PASSWORD", "STREET_PASSWORD", "MQTT_PASSWORD", "PRIVACY_KEY", "WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "x" * 32)
    answer = anpr_stream("check", path)
    assert answer.returncode == 0, answer.stderr
