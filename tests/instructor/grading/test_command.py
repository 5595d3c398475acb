"""What the command says when it cannot do its work."""

import errno
from argparse import ArgumentParser

import pytest

from course_utils.instructor.grading import command
from course_utils.instructor.grading.settings import Settings


def grade(*arguments):
    parser = ArgumentParser()
    command.add_options(parser)
    return command.grade(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def handed_in(tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    return folder


def test_a_folder_of_results_that_is_a_file_is_named(handed_in, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert grade(handed_in, "--out", tmp_path / "out") == command.WRONG_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / 'out'}: File exists. ")
    assert "choose another folder with --out" in line


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing_is_one_line(number, handed_in, tmp_path, capsys, monkeypatch):
    def stop(*arguments):
        raise OSError(number, "the disk says no")

    monkeypatch.setattr(command, "grade_here", stop)
    assert grade(handed_in, "--out", tmp_path / "out") == command.WRONG_USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / 'out'}: the disk says no. ")
    assert "the same command goes on" in line


def test_what_does_not_exist_is_named(tmp_path, capsys):
    nothing = tmp_path / "nothing.zip"
    assert grade(nothing, "--out", tmp_path / "out", "--no-sandbox") == command.WRONG_USAGE
    assert capsys.readouterr().err.endswith(f"there is no {nothing}\n")


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-10-01T23:30", "2026-10-01T23:30"),
        ("2026-10-01 08:00:59", "2026-10-01T08:00"),
        ("2026-10-01T00:00", "2026-10-01T00:00"),
        ("2026-10-01", "2026-10-01T23:59"),
    ],
)
def test_a_day_is_due_at_its_end(text, due):
    parser = ArgumentParser()
    command.add_options(parser)
    arguments = ["x", "--out=out", f"--due={text}", f"--due=3={text}", "--counts=03=latest"]
    options = Settings.from_options(parser.parse_args(arguments))
    assert (options.due, options.counts) == ([("", due), ("03", due)], [("03", "latest")])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-10-01T21:59+00:00", "has a time zone: write the time as it stands"),
        ("03=1 October", "is no time like 2026-10-01T23:59"),
    ],
)
def test_a_time_that_is_none_or_of_a_time_zone_is_refused(text, says, tmp_path, capsys):
    with pytest.raises(SystemExit):
        grade("x", "--out", tmp_path / "out", "--due", text)
    assert says in capsys.readouterr().err


def test_a_pattern_that_is_none_is_refused(handed_in, tmp_path, capsys):
    (handed_in / "a.ipynb").write_text("{}")
    arguments = (handed_in, "--out", tmp_path / "out", "--no-sandbox", "--names")
    assert grade(*arguments, "(?P<id>") == command.WRONG_USAGE
    assert "'(?P<id>' is no pattern" in capsys.readouterr().err
    assert grade(*arguments, "(.+)_02") == command.WRONG_USAGE
    assert "(?P<name>.+)" in capsys.readouterr().err


def test_only_a_missing_distributed_is_answered_with_its_installation(
    handed_in, tmp_path, capsys, monkeypatch
):
    def lacking(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(command, "_way", lambda settings: lacking("distributed"))
    assert grade(handed_in, "--out", tmp_path / "out") == command.WRONG_USAGE
    told = "distributed is missing: python -m pip install distributed\n"
    assert capsys.readouterr().err == told
    monkeypatch.setattr(command, "_way", lambda settings: lacking("jinja2"))
    with pytest.raises(ModuleNotFoundError, match="jinja2"):
        grade(handed_in, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--counts", "03=last", "'last' is neither best nor latest"),
        ("--workers", "-1", "'-1' is no whole number from 1 on"),  # it would wait for ever
        ("--workers", "0", "'0' is no whole number from 1 on"),
        ("--memory", "0", "'0' is no number above 0"),
        ("--cell-seconds", "-5", "'-5' is no number above 0"),
        ("--seconds", "nan", "'nan' is no number above 0"),
        ("--seconds", "inf", "'inf' is no number above 0"),
        ("--seconds", "a lot", "'a lot' is no number above 0"),
    ],
)
def test_a_number_that_leaves_nothing_to_grade_with_is_refused(
    option, value, problem, handed_in, tmp_path, capsys
):
    with pytest.raises(SystemExit, match="2"):
        grade(handed_in, "--out", tmp_path / "out", f"{option}={value}")
    assert f"argument {option}: {problem}" in capsys.readouterr().err
