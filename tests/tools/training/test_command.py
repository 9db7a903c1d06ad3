"""The command lines of the trainings: what cannot be meant is refused before any work."""

from importlib import import_module

import pytest

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
    module, *words = line.split()
    with pytest.raises(SystemExit) as ended:
        import_module(module).main(words)
    assert ended.value.code == 2
    assert f"error: argument {words[-2]}: " in capsys.readouterr().err
