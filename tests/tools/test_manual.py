from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from anpr_stream.config.load import parse_settings
from anpr_stream.config.schema import Settings
from anpr_stream.config.section import Section
from tools.manual import TARGET, manual


def sections(section: type[Section], seen: set[type[Section]]) -> Iterator[type[Section]]:
    """Yield a section and all that it may hold, by pydantic's own schema."""
    if section in seen:
        return
    seen.add(section)
    yield section
    for field in section.model_fields.values():
        for found in in_annotation(field.annotation):
            yield from sections(found, seen)


def in_annotation(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from in_annotation(argument)


ALL = list(sections(Settings, set()))


def test_the_manual_is_up_to_date() -> None:
    assert TARGET.read_text() == manual(), "run: python -m tools.manual"


def test_the_manual_holds_the_defaults() -> None:
    assert parse_settings(TARGET.read_text(), "default.yaml") == Settings()


def test_the_manual_shows_every_key_of_every_section() -> None:
    keys = {line.strip(" #-").partition(":")[0] for line in TARGET.read_text().splitlines()}
    assert {name for section in ALL for name in section.model_fields} <= keys


@pytest.mark.parametrize("section", ALL, ids=lambda section: section.__name__)
def test_every_key_is_explained(section: type[Section]) -> None:
    unexplained = [name for name, field in section.model_fields.items() if not field.description]
    assert unexplained == []


def test_the_examples_in_the_manual_are_valid_yaml_once_uncommented() -> None:
    lines = TARGET.read_text().splitlines()
    examples = [line[1:] for line in lines if line.startswith("#") and not line.startswith("# ")]
    assert {"cameras", "outputs", "lists", "files"} <= set(yaml.safe_load("\n".join(examples)))
