from __future__ import annotations

from pathlib import Path

import pytest

from anpr_stream.store.reserve import NAME, Reserve


def test_space_is_held_until_it_is_given_up(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, 100_000)
    reserve.hold()
    assert (tmp_path / NAME).stat().st_blocks * 512 >= 100_000
    reserve.hold()
    reserve.release()
    assert not (tmp_path / NAME).exists()
    reserve.release()


def test_a_disk_without_that_much_space_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Reserve(tmp_path, 2**60).hold()
    assert not (tmp_path / NAME).exists()
    assert "no space could be set aside" in caplog.text
