"""How a tool refuses the value of an option."""

from importlib import import_module

import pytest


def check_names_wrong_option(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run `MODULE WORDS`, whose last option has a wrong value: it ends with 2, and names that option."""
    module, *words = line.split()
    with pytest.raises(SystemExit) as ended:
        import_module(module).main(words)
    option = next(word for word in reversed(words) if word.startswith("--"))
    assert ended.value.code == 2
    assert f"error: argument {option}: " in capsys.readouterr().err
