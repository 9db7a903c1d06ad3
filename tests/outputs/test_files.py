import csv
import io
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from anpr_stream.config.files import FileOutput
from anpr_stream.errors import SinkError
from anpr_stream.outputs.files import CSV_COLUMNS, RotatingFile, file_sink, stream_sink
from tests.outputs.events import make_event


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_json_lines_hold_one_event_each(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.jsonl"
    with file_sink(FileOutput(path=path)) as sink:
        sink.write(make_event(revision=0))
        sink.write(make_event(revision=1))
    assert [json.loads(line)["revision"] for line in path.read_text().splitlines()] == [0, 1]


def test_an_event_is_on_disk_before_the_file_is_closed(tmp_path: Path) -> None:
    sink = file_sink(FileOutput(path=tmp_path / "events.jsonl"))
    sink.write(make_event())
    assert (tmp_path / "events.jsonl").read_text().endswith("}\n")
    sink.close()


def test_csv_has_a_header_once_and_one_row_an_event(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    for _ in range(2):
        with file_sink(FileOutput(path=path, format="csv")) as sink:
            sink.write(make_event())
    written = rows(path)
    assert len(written) == 2
    assert tuple(written[0]) == CSV_COLUMNS
    assert written[1]["text"] == "AB12CDE"
    assert written[1]["first_seen"] == "2023-11-14T22:13:21.000Z"
    assert written[1]["zones"] == "lane"
    assert written[1]["lists"] == "staff"
    assert written[1]["crop"] == "c.jpg"
    assert float(written[1]["x2"]) == 110.0


def test_csv_quotes_what_would_break_a_row(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    with file_sink(FileOutput(path=path, format="csv")) as sink:
        sink.write(replace(make_event(plate=None), camera='a,"b"\nc', zones=("x", "y")))
    (row,) = rows(path)
    assert row["camera"] == 'a,"b"\nc'
    assert row["zones"] == "x;y"
    assert row["text"] == ""
    assert row["reason"] == "too_small"


def test_a_csv_file_with_other_columns_is_not_spoilt(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SinkError, match="other columns"):
        file_sink(FileOutput(path=path, format="csv"))
    assert path.read_text() == "a,b\n1,2\n"


def test_a_full_file_moves_away_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    target = RotatingFile(path, max_bytes=10, keep=2, header="h")
    for number in range(5):
        target.write(f"line {number}")
    target.close()
    assert [file.read_text() for file in sorted(tmp_path.iterdir())] == [
        "h\nline 4\n",
        "h\nline 3\n",
        "h\nline 2\n",
    ]


def test_only_the_present_file_may_be_kept(tmp_path: Path) -> None:
    target = RotatingFile(tmp_path / "lines", max_bytes=10, keep=0)
    for number in range(4):
        target.write(f"line {number}")
    target.close()
    assert [file.name for file in tmp_path.iterdir()] == ["lines"]
    assert (tmp_path / "lines").read_text() == "line 3\n"


def test_a_line_longer_than_a_file_is_still_written_whole(tmp_path: Path) -> None:
    target = RotatingFile(tmp_path / "lines", max_bytes=4, keep=3)
    target.write("far too long")
    target.close()
    assert (tmp_path / "lines").read_text() == "far too long\n"


def test_an_existing_file_is_continued_and_its_size_counts(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("12345678\n")
    target = RotatingFile(path, max_bytes=10, keep=1)
    target.write("new")
    target.close()
    assert path.read_text() == "new\n"
    assert (tmp_path / "lines.1").read_text() == "12345678\n"


def test_a_full_disk_is_told_in_one_line() -> None:
    sink = file_sink(FileOutput(path=Path("/dev/full")))
    with pytest.raises(SinkError, match="/dev/full: cannot write events: No space left on device"):
        sink.write(make_event())
    sink.close()


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_disk_that_is_full_when_a_file_moves_away_costs_no_older_file_and_no_later_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lines"
    target = RotatingFile(path, max_bytes=10, keep=2, header="h")
    target.write("line 0")
    target.write("line 1")
    for _ in range(3):
        with full_disk(), pytest.raises(SinkError, match="File too large"):
            target.write("line 2")
    target.write("line 3")
    target.close()
    assert [file.read_text() for file in sorted(tmp_path.iterdir())] == [
        "h\nline 3\n",
        "h\nline 1\n",
        "h\nline 0\n",
    ]


def test_a_file_that_somebody_took_away_moves_no_older_one(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    target = RotatingFile(path, max_bytes=10, keep=1)
    target.write("line 0")
    target.write("line 1")
    path.unlink()
    target.write("line 2")
    target.close()
    assert path.read_text() == "line 2\n"
    assert (tmp_path / "lines.1").read_text() == "line 0\n"


def test_a_sink_keeps_why_its_last_event_was_not_written(tmp_path: Path) -> None:
    with file_sink(FileOutput(path=tmp_path / "events.jsonl")) as sink:
        with full_disk(), pytest.raises(SinkError):
            sink.write(make_event())
        assert sink.error.endswith("cannot write events: File too large")
        sink.write(make_event())
        assert sink.error == ""


def test_a_folder_that_takes_no_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="cannot write events: File exists"):
        file_sink(FileOutput(path=tmp_path / "file" / "events.jsonl"))
    with pytest.raises(SinkError, match="cannot write events: Is a directory"):
        file_sink(FileOutput(path=tmp_path))
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for a reader
    with pytest.raises(SinkError, match="is a pipe"):
        file_sink(FileOutput(path=tmp_path / "pipe"))


def test_a_closed_file_takes_no_events(tmp_path: Path) -> None:
    sink = file_sink(FileOutput(path=tmp_path / "events.jsonl"))
    sink.close()
    sink.close()
    with pytest.raises(SinkError, match="the file is closed"):
        sink.write(make_event())


def test_a_stream_gets_lines_and_stays_open() -> None:
    stream = io.StringIO()
    with stream_sink(stream, "standard output", "csv") as sink:
        sink.write(make_event())
    assert stream.getvalue().splitlines()[0] == ",".join(CSV_COLUMNS)
    assert not stream.closed


def test_a_stream_whose_reader_has_gone_is_told_in_one_line() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(SinkError, match="standard output: cannot write events"):
        stream_sink(stream, "standard output", "csv")
