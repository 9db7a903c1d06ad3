"""Every file in `tests/scenarios` is a case: what came of it must be what it expects."""

from pathlib import Path
from typing import Any

import pytest

from anpr_stream.testing import Player, Scenario, summary

FILES = sorted((Path(__file__).parents[1] / "scenarios").glob("*.yaml"))


def differences(told: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """What an event tells otherwise than expected; `before` and `after` bound its time."""
    wrong = {
        key: told[key] for key in expected if key not in {"before", "after"} and told[key] != expected[key]
    }
    if not expected.get("after", 0.0) <= told["at"] <= expected.get("before", float("inf")):
        wrong["at"] = told["at"]
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    scenario = Scenario.load(path)
    played = Player(scenario).play()
    told = [summary(time_s, event) for time_s, event in played.events]
    assert len(told) == len(scenario.expect), told
    for event, expected in zip(told, scenario.expect, strict=True):
        assert not differences(event, expected), event
    assert {key: played.counts.get(key, 0) for key in scenario.counts} == scenario.counts


def test_the_same_scenario_gives_the_same_events() -> None:
    scenario = Scenario.load(FILES[0])
    assert Player(scenario).play() == Player(scenario).play()
