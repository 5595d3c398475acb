"""The workflow is one that GitHub runs, and its summary is Markdown that shows what was meant.

What is checked: "Workflow syntax for GitHub Actions",
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax; "Workflow
commands for GitHub Actions", section "Adding a job summary",
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands; "GitHub
Flavored Markdown Spec", https://github.github.com/gfm/ (tables, backslash and entity references).
"""

import html
import os
import re
import subprocess
import sys

import pytest
from export_class import graded_into, person, result, without_points
from hypothesis import given
from hypothesis import strategies as st

from course_utils.__main__ import main
from course_utils.instructor.exports.github import escaped
from course_utils.instructor.reports.results import NEEDS_A_LOOK, UNREADABLE
from course_utils.runtime import project_root

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
ANA = person("ana", "Ana")
EVE = '|x|<script>`@ada` ![](http://a.b)\\ __b__ ~~c~~\n# h\n- l &lt; "02".ipynb'
STEP_KEYS = {"id", "name", "if", "uses", "run", "with", "env", "working-directory", "shell"} | {
    "continue-on-error",
    "timeout-minutes",
}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / ".github/workflows/grade.yml"
    assert main(["export", "github", "--course=ada/course", f"--to={path}"]) == 0
    return path


@pytest.fixture
def workflow(written):
    """Return the workflow as YAML 1.2 has it: "on" is a word there."""
    found = yaml.safe_load(written.read_text("utf-8"))
    return {"on" if key is True else key: value for key, value in found.items()}


def steps(workflow):
    return workflow["jobs"]["grade"]["steps"]


def test_it_is_a_workflow(workflow):
    assert set(workflow) <= {"name", "on", "permissions", "concurrency", "env", "defaults", "jobs"}
    (job,) = workflow["jobs"].values()
    assert isinstance(job["runs-on"], str)
    for step in steps(workflow):
        assert set(step) <= STEP_KEYS
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@v\d+", step["uses"])


def test_a_push_is_graded_and_nothing_else_gets_the_secret(workflow):
    assert set(workflow["on"]) == {"push", "workflow_dispatch"}
    assert workflow["permissions"] == {"contents": "read"}
    assert "env" not in workflow
    with_secret = [step for step in steps(workflow) if "secrets." in str(step)]
    assert [step["with"]["repository"] for step in with_secret] == ["ada/course"]
    checkouts = [step["with"] for step in steps(workflow) if "checkout" in step.get("uses", "")]
    assert all(options["persist-credentials"] is False for options in checkouts)
    assert len({options["path"] for options in checkouts}) == 2
    for step in steps(workflow):  # Python starts in the course, never in the student's folder
        if "python" in step.get("run", ""):
            assert step["working-directory"] == "course"
        assert "${{ github." not in step.get("run", "")  # a branch's name is the student's


def test_its_comments_say_what_a_student_can_do(written):
    text = " ".join(written.read_text("utf-8").replace("#", " ").split())
    for words in ("can edit or remove this file", "Restrict file paths", "pull_request_target"):
        assert words in text
    assert "OWNER/COURSE" not in text


def run_summary(workflow, tmp_path, results):
    """Run the step that writes the summary as a runner does, and return it."""
    graded_into(tmp_path / "runner/grades", [ANA], results)
    (step,) = (step for step in steps(workflow) if "GITHUB_STEP_SUMMARY" in step.get("run", ""))
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    python = os.path.dirname(sys.executable)
    environment = os.environ | {
        "RUNNER_TEMP": str(tmp_path / "runner"),
        "GITHUB_STEP_SUMMARY": str(summary),
        "PATH": f"{python}:{os.environ['PATH']}",
        "PYTHONPATH": str(project_root()),
    }
    command = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=300)
    before, text = summary.read_text("utf-8").split("\n", 1)
    assert before == "before"
    return text


def shown(text):
    """Return the tables of GitHub's Markdown: rows of cells as they are shown."""
    rows = [line[1:-1].split("|") for line in text.splitlines() if line.startswith("|")]
    return [[html.unescape(cell).strip() for cell in row] for row in rows if "---" not in row[0]]


def test_the_summary_step_shows_points_and_only_what_students_see(workflow, tmp_path):
    looked = result(ANA, (4, 1.5), state=NEEDS_A_LOOK, notes=("02.1 uses getppid",))
    broken = without_points(ANA, UNREADABLE, file=f"x/{EVE}")
    text = run_summary(workflow, tmp_path, [looked, broken])
    assert "### Lecture 02: 5.5 of 10 points\n" in text
    assert shown(text) == [
        ["Exercise", "Points", "Result"],
        ["02.1 size_after", "4 of 4", "Every case is right."],
        ["02.2 convolve", "1.5 of 6", "1 of 2 cases are right."],
    ]
    assert "getppid" not in text
    assert "@" not in text
    assert "<" not in text
    (line,) = (line for line in text.splitlines() if line.startswith("Not graded"))
    assert html.unescape(line) == f"Not graded: x/{' '.join(EVE.split())}: not JSON"
    assert "your instructor's grading is what counts" in text


def test_a_push_without_a_notebook_says_so_and_a_huge_one_fits(tmp_path, capsys):
    assert main(["export", "github-summary", str(graded_into(tmp_path / "a", [], []))]) == 0
    assert "No notebook was found in this push." in capsys.readouterr().out
    files = (f"{place} {'|' * 400}" for place in range(800))
    many = [without_points(ANA, UNREADABLE, file=file) for file in files]
    assert main(["export", "github-summary", str(graded_into(tmp_path / "b", [ANA], many))]) == 0
    assert len(capsys.readouterr().out.encode()) < 1024**2


@given(st.text(st.characters(codec=None), max_size=60))
def test_any_text_is_shown_and_means_nothing(text):
    found = escaped(text)
    assert not re.search(r"[|<>*_`\[\]!@#~\\\n\"'$]|&(?!#\d+;)", re.sub(r"&#\d+;", "", found))
    assert found.isascii()
    assert "\n" not in found


def test_a_course_that_is_no_repository_is_refused(tmp_path, capsys):
    for course in ("course", "a/b/c", "a/b\nrun: evil", "https://github.com/a/b"):
        command = ["export", "github", f"--course={course}", f"--to={tmp_path / 'w.yml'}"]
        assert main(command) == 2
        assert "is not like OWNER/NAME" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
