"""Curves survive a restart and take new columns."""

from tools.training.curves import Curves, read_rows


def test_rows_are_kept_over_a_restart_and_columns_may_come_later(tmp_path):
    Curves(tmp_path).add({"samples": 10, "loss": 2.0})
    Curves(tmp_path).add({"samples": 20, "loss": 1.0, "score": 0.5})
    assert read_rows(tmp_path / "curves.csv") == [
        {"samples": 10.0, "loss": 2.0},
        {"samples": 20.0, "loss": 1.0, "score": 0.5},
    ]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_no_file_means_no_rows(tmp_path):
    assert read_rows(tmp_path / "curves.csv") == []
