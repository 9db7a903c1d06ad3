"""Loading the two networks together."""

from pathlib import Path

import pytest

from anpr_stream.config.load import load_settings
from anpr_stream.config.models import InferenceSettings
from anpr_stream.errors import ModelError
from anpr_stream.inference.select import LoadedNetwork, load_network
from anpr_stream.pipeline import networks
from tests.stubs import write_networks


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
