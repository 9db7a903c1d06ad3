import pytest

from anpr_stream.errors import UsageError
from tools.refusal import REFUSED, ToolError, exit_code


@pytest.mark.parametrize(("done", "code"), [(None, 0), (0, 0), (1, 1)])
def test_the_code_is_that_of_the_work(done: int | None, code: int) -> None:
    assert exit_code("tool", lambda: done) == code


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ToolError("reader.pack: not a data pack"), "tool: reader.pack: not a data pack"),
        (UsageError("name a folder"), "tool: name a folder [usage]"),
        (FileNotFoundError(2, "No such file", "x.pt"), "tool: [Errno 2] No such file: 'x.pt'"),
    ],
)
def test_what_the_user_can_mend_is_one_line(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        raise error

    assert exit_code("tool", work) == REFUSED
    assert capsys.readouterr() == ("", f"{line}\n")


def test_a_fault_of_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code("tool", lambda: 1 // 0)
