from pathlib import Path

import pytest

from tests.cli.command import ROOT, Command, in_own_process


def test_a_right_file_names_its_cameras(anpr_stream: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("cameras: {gate: {url: a.mp4}, yard: {url: b.mp4}}\n")
    answer = anpr_stream("check", path)
    assert answer.exit_code == 0
    assert answer.err == f"{path}: right; cameras: gate, yard\n"
    assert answer.out == ""


def test_a_wrong_file_gives_every_fault_and_exit_code_78(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("camras: {}\nflow: {frames_waiting: 0}\n")
    answer = in_own_process("check", path)
    assert answer.exit_code == 78
    assert f"{path}:1: camras: unknown key; did you mean 'cameras'?" in answer.err
    assert f"{path}:2: flow.frames_waiting: " in answer.err
    assert "Traceback" not in answer.err


def test_an_unknown_plate_format_is_a_fault(anpr_stream: Command, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("cameras: {gate: {url: a.mp4, formats: [tw, atlantis]}}\n")
    answer = anpr_stream("check", path)
    assert answer.is_one_line_error(78, f"{path}:1: cameras.gate.formats[1]: no plate format called atlantis")


def test_a_missing_file_is_told_in_one_line(anpr_stream: Command, tmp_path: Path) -> None:
    answer = anpr_stream("check", tmp_path / "none.yaml")
    assert answer.is_one_line_error(78, "cannot read this settings file")


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_files_that_ship_are_right(
    anpr_stream: Command, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GATE_PASSWORD", "STREET_PASSWORD", "MQTT_PASSWORD", "PRIVACY_KEY", "WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "x" * 32)
    assert anpr_stream("check", path).exit_code == 0
