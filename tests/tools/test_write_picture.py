from pathlib import Path

import numpy as np
import pytest

from tools.write_picture import write_picture

SHEET = np.zeros((4, 4, 3), np.uint8)


def test_a_sheet_is_a_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "sheet.png", SHEET)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["missing/sheet.png", "sheet.unknown"])
def test_a_sheet_that_cannot_be_written_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="cannot be written"):
        write_picture(tmp_path / name, SHEET)
