"""Copies of the course's folder among the submissions: what in them is the course's own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from functools import cache

from ...lectures import all_lectures
from ...runtime import project_root
from ..answers.skeleton import Skeleton
from ..answers.submission import UNWORKED, Submission
from ..cell_names import read_cell
from ..solutions import stub
from .notebook_file import is_named_as_notebook
from .passed_over import inside

OWN, UNTOUCHED = "the course's own files", "untouched lectures"
CODE, LECTURES = "course_utils", "notebooks"
FOLDERS = (CODE, "data", "tests", "benchmarks")
TOP = frozenset({"LICENSE", "Makefile", "README.md"}) | {
    *("constraints.txt", "pyproject.toml", "requirements.txt"),
}
MADE = ("data/cache/", f"{CODE}/exercises/stored/")  # by running, by a release


@cache
def lecture_names() -> frozenset[str]:
    """Return the names of the lectures' files."""
    return frozenset(lecture.path.name for lecture in all_lectures())


@cache
def own_files() -> frozenset[str]:
    """Return the paths of the course's own files, but its notebooks."""
    root = project_root()
    found = [path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()]
    names = {path.relative_to(root).as_posix() for path in found}
    return TOP | {name for name in names if not is_named_as_notebook(name)}


def copies(names: Collection[str]) -> set[str]:
    """Return the folders, "" for the uppermost, that are copies of the course.

    One holds its code and its notebooks, or one of them if most of its files are the course's.
    """
    holds: dict[str, set[str]] = defaultdict(set)
    for name in names:
        for folder, rest in _places(name):
            holds[folder] |= {rest.partition("/")[0]} & {CODE, LECTURES} if "/" in rest else set()
    whole = {folder for folder, places in holds.items() if len(places) == 2}
    partial = {folder for folder, places in holds.items() if len(places) == 1}
    files, own = Counter[str](), Counter[str]()
    for name in names:
        for folder, path in _places(name):
            if folder in partial:
                files[folder] += 1
                own[folder] += _is_own_path(path)
    return whole | {folder for folder in partial if 2 * own[folder] > files[folder]}


def _places(name: str) -> Iterator[tuple[str, str]]:
    """Yield each folder that a file is in, "" for the uppermost, and its path from there."""
    yield "", name
    at = name.find("/")
    while at >= 0:
        yield name[:at], name[at + 1 :]
        at = name.find("/", at + 1)


def is_own(name: str, folders: Set[str]) -> bool:
    """Return whether a file is where the course has one of its own, in one of its copies."""
    return any(folder in folders and _is_own_path(path) for folder, path in _places(name))


def _is_own_path(path: str) -> bool:
    return path in own_files() or path.startswith(MADE)


def copy_of(name: str, folders: Set[str]) -> str | None:
    """Return the copy of the course that a file is in, the innermost one; None if in none."""
    return next((f for f, _ in reversed([*_places(name)]) if f in folders), None)


def is_lecture(name: str, folder: str) -> bool:
    """Return whether a file is where a copy has a lecture: with the others, or beside the code."""
    path = name.removeprefix(inside(folder, ""))
    return path.removeprefix(f"{LECTURES}/") in lecture_names()


def is_untouched(submission: Submission, skeletons: Mapping[str, Skeleton]) -> bool:
    """Return whether every answer of a lecture that was read is still as it was handed out."""
    if submission.reason or any(points for points, _ in submission.shown.values()):
        return False
    skeleton = skeletons[submission.lecture]
    answers = {step.answer for step in skeleton.answers.values()}
    known = {stub(step.source).strip() for step in skeleton.steps}
    for cell in submission.cells:
        code = read_cell(cell.source)
        if cell.source.strip() not in known and (code.is_unreadable or code.bound & answers):
            return False
    return True


def without_unworked(
    submissions: Iterable[Submission], passed_over: Counter[str]
) -> list[Submission]:
    """Return what was handed in without the lectures that nobody in the class has worked on.

    They come from copies of the course that are as they were handed out. One in which there would
    be nothing left stays whole: its student has handed something in. passed_over: gets the others.
    """
    submissions = list(submissions)
    worked_on = {one.lecture for one in submissions if one.kind != UNWORKED}
    unworked = [one for one in submissions if one.kind == UNWORKED]
    kept = {_folder(one) for one in unworked} - {
        _folder(one) for one in unworked if one.lecture in worked_on
    }
    left = [
        one
        for one in submissions
        if one.kind != UNWORKED or one.lecture in worked_on or _folder(one) in kept
    ]
    passed_over.update({UNTOUCHED: len(submissions) - len(left)} if unworked else {})
    return left


def _folder(submission: Submission) -> str:
    return submission.file.rpartition("/")[0]
