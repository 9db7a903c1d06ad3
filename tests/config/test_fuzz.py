"""Whatever stands in a settings file, the user is told in lines of the known form."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anpr_stream.config.load import parse_settings
from anpr_stream.config.schema import Settings
from anpr_stream.errors import ConfigError

WORDS = st.sampled_from(
    [
        *Settings.model_fields,
        "url",
        "name",
        "type",
        "mqtt",
        "webhook",
        "redis",
        "host",
        "port",
        "file",
        "http",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS | st.dates()
TREES = st.recursive(
    SCALARS, lambda tree: st.lists(tree, max_size=3) | st.dictionaries(WORDS | SCALARS, tree, max_size=4)
)


def faults(text: str) -> list[str]:
    try:
        parse_settings(text, "f", {})
    except ConfigError as error:
        return error.message.splitlines()
    return []


@given(st.text(max_size=120))
@settings(deadline=None)
def test_any_text(text: str) -> None:
    assert all(line.startswith("f:") for line in faults(text))


@given(st.dictionaries(WORDS, TREES, max_size=5))
@settings(deadline=None)
def test_any_tree(tree: dict[str, object]) -> None:
    assert all(line.startswith("f:") for line in faults(yaml.safe_dump(tree)))


@given(st.text(max_size=30), st.text(st.characters(categories=["L", "N", "P", "Z"]), max_size=20))
@settings(deadline=None)
def test_any_name_and_address_of_a_camera(name: str, url: str) -> None:
    faults(yaml.safe_dump({"cameras": {name: {"url": url}}}))
