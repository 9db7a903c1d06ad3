"""The command lines of the trainings: what cannot be meant is refused before any work."""

from importlib import import_module

import pytest

from tests.tools.command_line import check_names_wrong_option

TRAININGS = ("train_reader", "train_detector", "train_characters")
READER = "tools.train_reader --data r.pack --minutes 1"


@pytest.mark.parametrize(
    "line",
    [
        f"{READER} --workers -1",
        f"{READER} --threads -1",
        f"{READER} --batch 0",
        f"{READER} --seed -1",
        f"{READER} --rate 0",
        f"{READER} --minutes nan",
        f"{READER} --hard -2",
        f"{READER} --synthetic-share 2",
        "tools.train_detector --data data --minutes 1 --hard -1",
        "tools.train_characters --data chars --minutes 1 --plates-share 1.5",
    ],
)
def test_every_training_names_the_option_that_is_wrong(line, capsys):
    check_names_wrong_option(line, capsys)


@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.parametrize("kept", ["last.pt", "best.pt"])
def test_a_training_does_not_write_over_another_one(name, kept, tmp_path, capsys):
    (tmp_path / kept).write_bytes(b"hours of work")
    line = ["--data", "data", "--minutes", "1", "--out", str(tmp_path)]
    assert import_module(f"tools.{name}").main(line) == 2
    told = f"{tmp_path / kept} is there already: go on with --resume, or name another --out"
    assert capsys.readouterr().err == f"{name}: {told}\n"


@pytest.mark.parametrize("name", TRAININGS[:2])
def test_nothing_is_weighed_by_a_network_that_has_learned_nothing(name, tmp_path, capsys):
    line = ["--data", "data", "--minutes", "1", "--out", str(tmp_path), "--hard", "2"]
    assert import_module(f"tools.{name}").main(line) == 2
    assert f"{name}: --hard weighs by a trained network" in capsys.readouterr().err
