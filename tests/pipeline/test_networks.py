"""Loading the two networks together."""

from pathlib import Path

import pytest

from anpr_stream.config.load import load_settings
from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import ModelError
from anpr_stream.inference.select import LoadedNetwork, load_network
from anpr_stream.perception.again import SecondReading
from anpr_stream.perception.reader import CtcReader
from anpr_stream.pipeline import networks
from tests.stubs import write_networks


@pytest.mark.parametrize(
    ("closer", "straight", "kind"),
    [(0.9, 0.0, SecondReading), (0.0, 0.9, SecondReading), (0.0, 0.0, CtcReader)],
)
def test_second_readings_are_settings(tmp_path: Path, closer: float, straight: float, kind: type) -> None:
    settings = load_settings(write_networks(tmp_path))
    reader = settings.reader.model_copy(update={"closer_below": closer, "straighten_below": straight})
    with networks.load_networks(settings.model_copy(update={"reader": reader})) as loaded:
        assert type(loaded.reader) is kind


def test_warming_up_runs_what_a_doubtful_plate_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with networks.load_networks(load_settings(write_networks(tmp_path))) as loaded:
        shapes: list[tuple[int, ...]] = []
        for network in loaded.loaded:
            run = network.backend.run
            spied = lambda images, run=run: shapes.append(images.shape) or run(images)  # noqa: E731
            monkeypatch.setattr(network.backend, "run", spied)
        loaded.warm_up()
    assert shapes[0] == (1, 3, 192, 256)
    assert (2, 3, 64, 128) in shapes


def test_a_reader_that_cannot_be_loaded_leaves_no_detector_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    def watched(model: str, settings: InferenceSettings) -> LoadedNetwork:
        loaded = load_network(model, settings)
        close = loaded.backend.close
        monkeypatch.setattr(loaded.backend, "close", lambda: (closed.append(loaded.model.name), close()))
        return loaded

    monkeypatch.setattr(networks, "load_network", watched)
    settings = load_settings(write_networks(tmp_path))
    missing = settings.reader.model_copy(update={"model": "nosuch"})
    with pytest.raises(ModelError, match="nosuch"):
        networks.load_networks(settings.model_copy(update={"reader": missing}))
    assert closed == ["stub-detector"]
