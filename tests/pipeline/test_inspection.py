"""The doctor's look at a camera ends, whatever the camera does meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from anpr_stream.config.schema import Camera
from anpr_stream.config.source import SourceSettings
from anpr_stream.errors import SourceError
from anpr_stream.pipeline import inspection
from anpr_stream.pipeline.inspection import inspect_camera
from anpr_stream.sources import probe
from anpr_stream.types import Detection, Frame, SourceInfo
from tests.mjpeg import MjpegServer


class Sees:
    """A detector that finds nothing and does something at every frame."""

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self._act = act

    def detect(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        self._act()
        return [[] for _ in frames]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MjpegServer]:
    monkeypatch.setattr(inspection, "LOOK_LIMIT_S", 1.0)
    with MjpegServer([np.zeros((48, 64, 3), np.uint8)], fps=20) as server:
        yield server


def camera(server: MjpegServer) -> Camera:
    return Camera(url=server.url("gate"), source=SourceSettings(connect_limit_s=2))


def test_a_camera_that_is_lost_after_the_first_look_is_told(
    server: MjpegServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(url: str, settings: SourceSettings) -> SourceInfo:
        info = probe(url, settings)
        server.dead.add("gate")
        return info

    monkeypatch.setattr(inspection, "probe", lose)
    with pytest.raises(SourceError, match=r"/gate gave no picture: .*503") as caught:
        inspect_camera(camera(server), Sees(), frames=50)
    assert caught.value.reason_slug == "camera-silent"


def test_what_a_camera_gave_before_it_was_lost_is_told(server: MjpegServer) -> None:
    seen = inspect_camera(camera(server), Sees(lambda: server.dead.add("gate")), frames=50)
    assert 1 <= seen.frames < 50
    assert (seen.info.width, seen.info.height) == (64, 48)


def test_a_camera_that_goes_on_is_looked_at_in_full(server: MjpegServer) -> None:
    assert inspect_camera(camera(server), Sees(), frames=5).frames == 5
