"""The students' edition of the course: everything but solutions and what grades them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import nbformat

from ... import lectures as course
from ...exercises import all_exercises
from ...exercises.core import Question
from ...exercises.questions import FOLDER, store
from ...lectures import Lecture, all_lectures, course_map, lead_to
from ...runtime import project_root
from ..examiners import released
from ..package import copy_package
from ..versions import lecture_version
from .leaks import leaks, texts_of, texts_of_files
from .stubs import problems, student_notebook

MARK = ".course-release"  # tells an earlier release, which may be replaced, from other folders
FOLDERS = ("course_utils", "data")  # what is released; results must not land in it
PLAIN_FILES = (
    *("LICENSE", "requirements.txt", "constraints.txt", "pyproject.toml", ".gitignore"),
    "tests/sanitize.cfg",
)
LEFT_OUT = {"cache", "__pycache__", "readme_figure.png", ".*", "*.tmp"}  # of the data
README = """# Image classification, from K-NN to ResNet and beyond

Course notebooks in PyTorch. Each lecture runs without a GPU and without a download. Read a cell,
guess what it will show, run it, and compare.

{table}

## Start

In Colab: follow a link in the table. The first cell of a notebook fetches the course. Save a copy
of your own (File > Save a copy in Drive) before you start to write. In Kaggle, Deepnote, Studio Lab
or another place: upload a notebook, and its first cell does the same, or says in one line what it
needs. In a JupyterHub this link, with the hub's address, fetches the course and opens it:

```
https://HUB/hub/user-redirect/git-pull?repo=https://github.com/{repository}&branch={branch}&targetPath=course&urlpath=lab/tree/course/notebooks
```

On your own computer you need Python 3.10 or newer and 8 GB of disk:

```
git clone {clone}https://github.com/{repository} course
cd course
make lab        # sets everything up the first time, then opens JupyterLab on the lectures
make test       # runs the lectures from top to bottom, with your answers, and names cells that stop
```

Without make, on Windows:

```
py course_utils\\install.py
.venv\\Scripts\\python -m jupyterlab --notebook-dir=notebooks
.venv\\Scripts\\python -m pytest --nbval-lax notebooks
```

and elsewhere:

```
python3 course_utils/install.py
.venv/bin/python -m jupyterlab --notebook-dir=notebooks
.venv/bin/python -m pytest --nbval-lax notebooks
```

If something does not work, this says what to do: `.venv/bin/python -m course_utils doctor` (on
Windows `.venv\\Scripts\\python` here, too, and below). In VS Code open the folder `course`, and
choose `.venv` as the kernel.

`.venv/bin/python -m course_utils app` serves a page, on your computer only, that says what is on a
photograph.

## Exercises

Replace `raise NotImplementedError` by your answer, run the cell, and run the check below it. A
check prints your points. For a wrong answer it shows the first case that fails, with a hint. You
may add cells, and define helpers in them. Leave the name of the function or class as it is.

The points of a check are a preview: grading uses new cases of the same kinds, so an answer that
knows only the cases of the check does not earn all points. What `course_utils` has of its own, and
an exercise asks for, is withheld while that exercise is checked or graded: write it yourself.

## Hand in

Run all cells (Kernel > Restart Kernel and Run All Cells, in Colab Runtime > Restart session and run
all), save, and hand in the `.ipynb` file.
"""


class Refused(ValueError):
    """The course cannot be released as it is; the message names each notebook and cell."""


def release(
    out: Path,
    repository: str | None = None,
    branch: str = "main",
    numbers: Sequence[str] | None = None,
) -> list[Lecture]:
    """Write the students' edition into the folder ``out``, in place of an earlier one.

    repository, branch: where students will find it; badges and set-up cells lead there. Without a
    repository they lead to this checkout's own. numbers: ids of the lectures to release; all if
    None. The exercises of the others stay in course_utils: they hold no solutions, and lectures may
    come later. Returns the lectures.

    Raises:
        Refused: a solution would be seen, or a notebook is not fit for students.
        FileExistsError: ``out`` holds something else than an earlier release.
    """
    lectures = [x for x in all_lectures() if numbers is None or x.id in numbers]
    if numbers is not None and (unknown := set(numbers) - {x.id for x in lectures}):
        raise Refused(f"there is no lecture {', '.join(sorted(unknown))}")
    with replaced(out.resolve(), "release") as tree:
        write_tree(tree, lectures, repository or course.repository(), branch)
    return lectures


@contextmanager
def replaced(out: Path, kind: str) -> Iterator[Path]:
    """Give a folder to write, and put it in place of the folder ``out`` when all went well.

    kind: what is written, a "release" or a "site"; only an earlier one of its kind is replaced.
    Raises FileExistsError.
    """
    check_folder(out, kind)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        yield tree
        mark = f"Written by: python -m course_utils {kind}\n"
        (tree / f".course-{kind}").write_text(mark, "utf-8", newline="\n")
        old = Path(folder) / "old"
        if out.exists():
            os.replace(out, old)
        try:
            os.replace(tree, out)
        except OSError:
            if old.exists():
                os.replace(old, out)
            raise


def check_folder(out: Path, kind: str = "release") -> None:
    """Raise FileExistsError if a release or a site must not replace the folder ``out``."""
    inside = [name for name in FOLDERS if out.is_relative_to(project_root() / name)]
    if inside:
        raise FileExistsError(f"{out} is in {inside[0]}, which is released: choose another folder")
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file: choose another folder")
    if out.exists() and any(out.iterdir()) and not (out / f".course-{kind}").is_file():
        raise FileExistsError(f"{out} is not empty and no earlier {kind}: choose another folder")


def write_tree(tree: Path, lectures: list[Lecture], repository: str, branch: str) -> None:
    """Write all files of the students' edition. Raises Refused."""
    root = project_root()
    copy_package(tree / "course_utils")
    store_questions(tree / "course_utils" / "exercises" / FOLDER.name)
    shutil.copytree(root / "data", tree / "data", ignore=shutil.ignore_patterns(*LEFT_OUT))
    for name in PLAIN_FILES:
        (tree / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(root / name, tree / name)
    makefile = files(__package__).joinpath("templates", "Makefile").read_bytes()
    (tree / "Makefile").write_bytes(makefile)
    readme = students_readme(course_map(lectures, repository, branch), repository, branch)
    (tree / "README.md").write_text(readme, "utf-8", newline="\n")
    write_notebooks(tree, lectures, repository, branch)


def store_questions(folder: Path) -> None:
    """Write what the students' ``check`` asks, with the keys: they have nothing that makes them."""
    by_lecture: dict[str, dict[str, list[Question]]] = {}
    for exercise_id in all_exercises():
        asked = by_lecture.setdefault(exercise_id.split(".")[0], {})
        asked[exercise_id] = released(exercise_id)
    for lecture, asked in by_lecture.items():
        store(lecture, asked, folder)


def students_readme(table: str, repository: str, branch: str) -> str:
    """Return the README of the students' edition, with this table of the lectures."""
    clone = "" if branch == "main" else f"--branch {branch} "
    return README.format(table=table, repository=repository, branch=branch, clone=clone)


def write_notebooks(tree: Path, lectures: list[Lecture], repository: str, branch: str) -> None:
    """Write the students' notebooks. Raises Refused, with everything that is wrong with them."""
    (tree / "notebooks").mkdir()
    texts, sources, found = texts_of_files(tree), {}, []
    for lecture in lectures:
        name = lecture.path.name
        # not nbformat.read, which gives cells with a double id a new one, another each time
        source = nbformat.v4.reads(lecture.path.read_text("utf-8"))
        is_runnable = all(find_spec(package) for package in lecture.packages)
        wrong = [f"{name}: {problem}" for problem in problems(source, is_runnable)]
        found += wrong
        sources[name] = source
        notebook = student_notebook(source)
        texts |= texts_of(notebook, name)
        if not wrong:
            notebook.metadata.course["version"] = lecture_version(source)
            text = nbformat.writes(lead_to(notebook, repository, branch)) + "\n"
            (tree / "notebooks" / name).write_text(text, "utf-8", newline="\n")
    found += leaks(sources, texts)
    if found:
        raise Refused("not released:\n" + "\n".join(found))
