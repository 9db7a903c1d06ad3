import subprocess
import sys
from pathlib import Path

import pytest

from anpr_stream.config.packaged import packaged

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("folder", ["engines", "configs"])
def test_a_checkout_finds_its_own_files(folder: str) -> None:
    assert packaged(folder).resolve() == ROOT / folder


def test_an_installed_package_finds_the_files_installed_with_it(tmp_path: Path) -> None:
    for source, target in (("anpr_stream", "anpr_stream"), ("configs", "anpr_stream/configs")):
        (tmp_path / target).parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-r", str(ROOT / source), str(tmp_path / target)], check=True)
    code = "from anpr_stream.config.packaged import packaged; print(packaged('configs'))"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert Path(answer.stdout.strip()) == tmp_path / "anpr_stream" / "configs"
