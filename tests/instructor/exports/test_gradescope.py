"""The autograder runs as Gradescope would run it, and writes what Gradescope reads.

The layout of the zip, the folders and results.json are those of "Autograder Specifications",
https://gradescope-autograders.readthedocs.io/en/latest/specs/.
"""

import dataclasses
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from corpus import answered
from export_class import graded_into, person, result, without_points

from course_utils.__main__ import main
from course_utils.instructor.reports.results import INFRASTRUCTURE, UNREADABLE
from course_utils.instructor.sandbox.sandbox import sandbox_problem

ANA = person("ana", "Ana")
VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}
# What is documented for the whole, and for each test: names and types.
WHOLE = {
    "score": float,
    "execution_time": float,
    "output": str,
    "visibility": str,
    "stdout_visibility": str,
    "extra_data": dict,
    "tests": list,
    "leaderboard": list,
}
TEST = {
    "score": float,
    "max_score": float,
    "name": str,
    "number": str,
    "output": str,
    "tags": list,
    "visibility": str,
    "extra_data": dict,
}


def read_results(text):
    """Return results.json; it fails where this is not what the specification says."""
    found = json.loads(text)
    check(found, WHOLE)
    assert "score" in found or all("score" in test for test in found["tests"])
    for test in found.get("tests", ()):
        check(test, TEST)
        assert 0 <= test["score"] <= test["max_score"]
    return found


def check(found, names):
    for name, value in found.items():
        kinds = (int, float) if names[name] is float else names[name]
        assert isinstance(value, kinds), (name, value)
    assert found.get("visibility", "visible") in VISIBILITY


def printed(capsys, out):
    assert main(["export", "gradescope-results", str(out)]) == 0
    return read_results(capsys.readouterr().out)


def test_each_exercise_is_a_test_with_its_points_and_hint(tmp_path, capsys):
    graded = result(ANA, (4, 1.5))
    hinted = dataclasses.replace(graded.exercises[1], hint="add the bias", failing_case="size=4")
    graded = dataclasses.replace(graded, exercises=(graded.exercises[0], hinted))
    found = printed(capsys, graded_into(tmp_path / "out", [ANA], [graded]))
    assert found["score"] == 5.5
    assert [(t["number"], t["name"], t["score"], t["max_score"]) for t in found["tests"]] == [
        ("02.1", "size_after", 4, 4),
        ("02.2", "convolve", 1.5, 6),
    ]
    assert found["tests"][0]["output"] == "Every case is right."
    assert "First failing case: size=4\nHint: add the bias" in found["tests"][1]["output"]


def test_files_of_several_names_are_one_students(tmp_path, capsys):
    other = person("other", "Other")
    results = [
        result(ANA, (1, 1)),
        result(other, (4, 0), file="02 (1).ipynb"),
        result(other, lecture="05"),
    ]
    found = printed(capsys, graded_into(tmp_path / "out", [ANA, other], results))
    assert found["score"] == 4 + 5.5
    assert len(found["tests"]) == 4


def test_what_is_not_graded_says_why_and_a_failure_has_no_score(tmp_path, capsys):
    out = graded_into(tmp_path / "a", [ANA], [without_points(ANA, UNREADABLE, file="<b>.ipynb")])
    found = printed(capsys, out)
    assert (found["score"], found["tests"]) == (0, [])
    assert found["output"] == "Not graded: <b>.ipynb: not JSON"
    assert "No notebook was found" in printed(capsys, graded_into(tmp_path / "b", [], []))["output"]
    failed = [result(ANA), without_points(ANA, INFRASTRUCTURE, file="b.ipynb", reason="no disk")]
    out = graded_into(tmp_path / "c", [ANA], failed)
    assert main(["export", "gradescope-results", str(out)]) == 2
    assert "the grader failed on b.ipynb: no disk: grade it again" in capsys.readouterr().err
    assert main(["export", "gradescope-results", str(tmp_path)]) == 2
    assert "holds no results" in capsys.readouterr().err


@pytest.fixture(scope="module")
def autograder(tmp_path_factory):
    """Return the zip of an autograder for lecture 02."""
    path = tmp_path_factory.mktemp("zip") / "autograder.zip"
    assert main(["export", "gradescope", "--lectures=02", f"--to={path}"]) == 0
    return path


@pytest.fixture
def container(autograder, tmp_path):
    """Return /autograder as Gradescope makes it from the zip, in another place."""
    root = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(autograder) as archive:
        archive.extractall(root / "source")
        for entry in archive.infolist():  # extractall forgets modes
            os.chmod(root / "source" / entry.filename, entry.external_attr >> 16)
    script = (root / "source/run_autograder").read_bytes()
    (root / "run_autograder").write_bytes(script)
    (root / "run_autograder").chmod(0o755)
    return root


def run(root, python=sys.executable):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHON"))}
    return subprocess.run(
        [root / "run_autograder"],
        cwd=root,
        env=environment | {"AUTOGRADER": str(root), "COURSE_PYTHON": str(python)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_zip_is_an_autograder(autograder):
    with zipfile.ZipFile(autograder) as archive:
        names = archive.namelist()
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert {"setup.sh", "run_autograder"} <= set(names)
    assert all(modes[name] & stat.S_IXUSR for name in ("setup.sh", "run_autograder"))
    assert [n for n in names if n.endswith(".ipynb")] == ["course/notebooks/02_convolution.ipynb"]
    plain = {"requirements.txt", "constraints.txt", "pyproject.toml"}
    assert {f"course/{name}" for name in plain} <= set(names)
    assert not [n for n in names if "__pycache__" in n or "/cache/" in n or "/." in n]
    assert len(names) == len(set(names))
    assert autograder.stat().st_size < 50_000_000


@pytest.mark.parametrize("script", ["setup.sh", "run_autograder"])
def test_scripts_are_bash(container, script):
    path = container / "source" / script
    assert path.read_text().startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.skipif(bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}")
def test_a_submission_is_graded_in_its_container(container):
    size = "def size_after(size, kernel_size, stride=1, padding=0, dilation=1):\n    return 3\n"
    (container / "submission/my work.ipynb").write_bytes(answered(_1=size))
    (container / "submission/course_utils.py").write_text("raise SystemExit('it ran')")
    done = run(container)
    found = read_results((container / "results/results.json").read_text())
    assert done.returncode == 0, done.stderr
    points = {test["number"]: (test["score"], test["max_score"]) for test in found["tests"]}
    assert points["02.1"][0] < points["02.1"][1] == 4
    assert all(score == most for number, (score, most) in points.items() if number != "02.1")
    assert found["score"] == sum(score for score, _ in points.values())
    assert "preview" not in done.stdout


# A Python that notes how it was called, and has no sandbox.
FAKE = """#!/bin/bash
case "$1" in
  -c) exit 1;;
esac
echo "$@" >> "{log}"
case "$3" in
  grade) exit {status};;
  export) echo '{{"score": 1, "tests": []}}';;
esac
"""


@pytest.mark.parametrize("status", [0, 1, 2])
def test_without_a_sandbox_it_says_so_and_a_failure_writes_no_score(container, tmp_path, status):
    log, python = tmp_path / "log", tmp_path / "python"
    python.write_text(FAKE.format(log=log, status=status))
    python.chmod(0o755)
    done = run(container, python)
    assert "There is no sandbox: the points are a preview" in done.stdout
    assert "--no-sandbox" in log.read_text().splitlines()[0]
    written = [path.name for path in Path(container / "results").iterdir()]
    assert written == ([] if status == 1 else ["results.json"])
    assert (done.returncode != 0) == (status == 1)


def test_an_unknown_lecture_is_named(tmp_path, capsys):
    assert main(["export", "gradescope", "--lectures=02,77", f"--to={tmp_path / 'a.zip'}"]) == 2
    assert "there is no lecture 77" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
