from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anpr_stream.service.writer import Writer
from anpr_stream.store.database import open_database


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with Writer(open_database(tmp_path)) as found:
        yield found
