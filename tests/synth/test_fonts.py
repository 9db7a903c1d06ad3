import numpy as np
import pytest

from anpr_stream.plates.formats import load_formats
from anpr_stream.synth import fonts
from anpr_stream.types import ALPHABET


@pytest.fixture
def bare_machine(monkeypatch):
    """No font is installed."""
    caches = (fonts.installed, fonts.family, fonts.word)
    monkeypatch.setattr(fonts, "FOLDERS", ())
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_formats_name_known_families():
    named = {
        name
        for plate_format in load_formats().formats
        for name in (*plate_format.appearance.fonts, plate_format.appearance.foreign_font)
    }
    assert named <= fonts.FAMILIES.keys()


@pytest.mark.parametrize("name", ["din", "helvetica"])
def test_glyphs_fill_the_rows_of_a_capital(name):
    for glyphs in fonts.family(name):
        for char in ALPHABET:
            mask = glyphs[char]
            assert mask.shape[0] == fonts.CAP_PX + 2 * fonts.PAD_PX
            assert mask[:, 0].max() > 40
            assert mask[:, -1].max() > 40
        rows = np.flatnonzero(glyphs["H"].max(axis=1) > 128)
        assert rows[0] == pytest.approx(fonts.PAD_PX, abs=3)
        assert np.ptp(rows) == pytest.approx(fonts.CAP_PX, abs=4)


def test_a_bare_machine_draws_its_letters(bare_machine):
    (drawn,) = fonts.family("fe")
    assert drawn.name == "drawn"
    assert set(ALPHABET) <= drawn.masks.keys()
    assert fonts.word("京", "chinese") is None


def test_missing_packages_are_named(bare_machine):
    assert "fonts-opendin" in fonts.missing_packages()


def test_every_file_belongs_to_a_package():
    starts = tuple(start for names in fonts.PACKAGES.values() for start in names.split())
    assert all(file.startswith(starts) for files in fonts.FAMILIES.values() for file in files)
