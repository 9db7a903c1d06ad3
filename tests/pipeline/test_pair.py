"""A camera's two streams through a whole pipeline: seen in the small one, read from the large one."""

from pathlib import Path
from threading import Event as Flag

from pydantic import SecretStr

from anpr_stream.config.load import load_settings
from anpr_stream.config.schema import Camera
from anpr_stream.config.source import SourceSettings
from anpr_stream.pipeline.networks import load_networks
from anpr_stream.pipeline.supervisor import Pipeline
from anpr_stream.types import Event
from tests.rtsp_camera import Camera as RtspCamera
from tests.stubs import TEXT, write_networks


def test_a_plate_is_read_from_the_large_stream(tmp_path: Path) -> None:
    settings = load_settings(write_networks(tmp_path))
    read: list[Event] = []
    enough = Flag()

    def send(event: Event) -> None:
        # On a busy machine the large stream may come up too late for the first plate.
        if event.plate is not None and event.plate_height_px > 50:
            read.append(event)
            enough.set()

    with RtspCamera() as running, load_networks(settings) as networks:
        source = SourceSettings(main_url=SecretStr(running.url("gate-main")), pair_limit_s=0.4)
        with Pipeline(settings, networks, send) as pipeline:
            pipeline.start("gate", Camera(url=running.url("gate"), source=source))
            assert enough.wait(100)
            large = pipeline.statuses()["gate"].source
            pipeline.stop_all()
            assert pipeline.wait(60)
    event = read[0]
    assert event.plate is not None
    assert event.plate.text == TEXT
    assert event.plate_height_px < 80, "in pixels of the large picture"
    assert event.box[1] > 360, "likewise"
    assert large.reason == ""
