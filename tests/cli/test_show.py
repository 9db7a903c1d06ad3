import io
from dataclasses import replace

import pytest
from rich.console import Console

from anpr_stream.cli.show import VisitTable
from anpr_stream.types import EventKind
from tests.outputs.events import make_event

ALWAYS = ("11-14 22:13:21", "AB12CDE", "98.8%")


def printed(camera: str, width: int) -> str:
    """Print two visits, one of them in view and without a plate, as on a screen of that width."""
    visits = VisitTable()
    visits.write(replace(make_event(), camera=camera))
    unread = replace(make_event(plate=None, kind=EventKind.NEW), visit_id="gate-2", camera=camera)
    visits.write(unread)
    console = Console(file=io.StringIO(), width=width)
    console.print(visits.table())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def columns(camera: str, width: int) -> list[str]:
    return printed(camera, width).splitlines()[0].split()


@pytest.mark.parametrize("width", [45, 50, 60, 80, 100, 120, 200])
@pytest.mark.parametrize("camera", ["gate", "loading-bay-of-the-northern-warehouse", "[red]", "停車場入口"])
def test_time_plate_and_confidence_are_whole_on_any_screen(camera: str, width: int) -> None:
    text = printed(camera, width)
    assert all(cell in text.splitlines()[1] for cell in ALWAYS), text
    assert "(too_small)" in text.splitlines()[2]
    assert len(text.splitlines()) == 3


def test_the_cameras_name_shrinks_before_a_column_is_left_out() -> None:
    name = "loading-bay-of-the-northern-warehouse"
    everything = ["UTC", "camera", "plate", "sure", "reads", "country", "way", "seen"]
    assert columns(name, 120) == columns(name, 100) == everything
    assert name in printed(name, 120)
    assert "loading-bay-of" in printed(name, 100)
    assert columns(name, 80) == [column for column in everything if column != "country"]
    assert all(cell in printed(name, 80) for cell in ("loading…", "4/5", "2.5 s", "in view"))
    assert columns(name, 45) == everything[:4]
