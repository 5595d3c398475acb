"""What was handed in: each file of the folders and archives that are named becomes a submission.

Whatever is wrong with a file becomes the ``reason`` of its submission, never an error: one bad
file must not keep the others from being graded. What is deliberately passed over is told, too.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..answers.skeleton import Skeleton, identify
from ..answers.submission import (
    NOTEBOOK,
    OTHER,
    PASSED_OVER,
    SCRATCH,
    UNWORKED,
    Submission,
    Unreadable,
)
from ..people.platforms import own_pages
from ..reports.safe_text import one_line
from . import gradescope
from .course_folder import OWN, UNTOUCHED, copies, copy_of, is_lecture, is_own, is_untouched
from .file_names import plain_path
from .folders import File, in_folder, on_disk, opened_archive
from .notebook_file import is_named_as_notebook, read_file
from .passed_over import PLATFORM, RESULTS, debris, inside, is_result, result_folders

MAX_NESTED = 2  # archives in the one that was named, each in another


@dataclass(frozen=True)
class Entry:
    """A file that was handed in; ``read`` reads it, once, and raises nothing."""

    name: str
    read: Callable[[], Submission]


class Intake:
    """What is handed in at a path: a file, an archive, or a folder of both.

    skeletons: the lectures. phase: is told the name of what is opened. broken: names of files that
    are left out. out: the folder of the grading's own results.
    """

    def __init__(
        self,
        skeletons: Mapping[str, Skeleton],
        phase: Callable[[str], None] = lambda name: None,
        broken: Container[str] = (),
        out: Path | None = None,
    ) -> None:
        self.skeletons, self.phase, self.broken, self.out = skeletons, phase, broken, out

    def entries(self, path: Path) -> Iterator[Entry]:
        """Yield each file that is handed in, in order; nothing but lists is read."""
        if path.is_dir():
            yield from self._among(in_folder(path), "", 0, self._results_in(path), True)
        else:  # the instructor may name a link
            file = on_disk(path.resolve(strict=True), plain_path(path.name))
            (file,) = gradescope.without_forged([file])
            yield from self._of_file(file, file.name, 0, True)

    def _results_in(self, folder: Path) -> set[str]:
        """Return where in a folder the grading's own results are."""
        out, here = self.out and self.out.resolve(), folder.resolve()
        if out is None or not out.is_relative_to(here):
            return set()
        return {plain_path(out.relative_to(here).as_posix()) if out != here else ""}

    def _among(
        self,
        files: list[File],
        place: str,
        depth: int,
        results: set[str] | None = None,
        is_named: bool = False,
    ) -> Iterator[Entry]:
        """Yield the entries of the files of one folder or archive, which lies at ``place``.

        is_named: whether the instructor named it; else students may have handed it in.
        """
        files = gradescope.without_forged(files)
        if is_named:
            files = self._with_submitters(files, place, results or set())
        kinds, in_copies = _kinds(files, results or set())
        lectures = {
            folder: _Lectures(self, place, folder, [f for f in own if f.name not in kinds])
            for folder, own in in_copies.items()
        }
        for file in files:
            name, folder = inside(place, file.name), copy_of(file.name, lectures.keys())
            if name in self.broken:
                continue
            if kind := kinds.get(file.name):
                yield Entry(name, partial(passed_over, name, kind))
            elif folder is not None and is_lecture(file.name, folder):
                yield Entry(name, partial(lectures[folder].take, file.name))
            else:
                yield from self._of_file(file, name, depth)
        if depth and len(kinds) == len(files):
            yield _refused(place, "there is no notebook in it: hand in the .ipynb file")
        else:
            for folder, own in in_copies.items():
                if folder and all(file.name in kinds for file in own):
                    why = "it is the course without a notebook: hand in the .ipynb file"
                    yield _refused(inside(place, folder), why)

    def _with_submitters(self, files: list[File], place: str, results: set[str]) -> list[File]:
        """Return files that say who handed them in, where Gradescope's list beside them does."""
        if not any(gradescope.is_list(file.name) for file in files):
            return files
        kinds, _ = _kinds(files, results)
        handed_in = [file for file in files if kinds.get(file.name, PLATFORM) in (PLATFORM, OWN)]
        found = gradescope.list_of([file.name for file in handed_in])
        for file in handed_in:
            name = inside(place, file.name)
            if file.name == found and name not in self.broken:
                self.phase(name)
                return gradescope.with_submitters(files, file)
        return files

    def _of_file(
        self, file: File, name: str, depth: int, is_named: bool = False
    ) -> Iterator[Entry]:
        if file.is_archive:
            yield from self._of_archive(file, name, depth, is_named)
        else:
            yield Entry(name, partial(self.read, file, name))

    def _of_archive(
        self, file: File, name: str, depth: int, is_named: bool = False
    ) -> Iterator[Entry]:
        """Yield the entries of an archive; one that says why, if it cannot be opened."""
        if name in self.broken:
            return
        self.phase(name)
        try:
            if depth > MAX_NESTED:
                raise Unreadable(f"more than {MAX_NESTED} archives in each other are not opened")
            with opened_archive(file) as files:
                yield from self._among(files, name, depth + 1, is_named=is_named)
        except Exception as problem:
            yield _refused(name, why_not(problem))

    def read(self, file: File, name: str) -> Submission:
        """Return what a file is, with its lecture or the reason why it has none."""
        try:
            return settled(read_file(file, name), self.skeletons)
        except Exception as problem:
            kind = NOTEBOOK if is_named_as_notebook(name) else OTHER
            return Submission(name, reason=why_not(problem), kind=kind)


class _Lectures:
    """The lectures in a copy of the course. Those that nobody has touched are passed over.

    All are read for the first: if nothing else is handed in, those count that others worked on.
    """

    def __init__(self, intake: Intake, place: str, folder: str, files: list[File]) -> None:
        self.intake, self.place = intake, place
        self.files = [file for file in files if is_lecture(file.name, folder)]
        others = [file for file in files if not is_lecture(file.name, folder)]
        self.is_alone = not any(is_named_as_notebook(f.name) or f.is_archive for f in others)
        self.read: dict[str, Submission] | None = None

    def take(self, name: str) -> Submission:
        """Return one of the lectures, and keep it no longer."""
        if self.read is None:
            self.read = self._read()
        return self.read.pop(name)

    def _read(self) -> dict[str, Submission]:
        read = {}
        for file in self.files:
            name = inside(self.place, file.name)
            if name not in self.intake.broken:
                self.intake.phase(name)
                read[file.name] = self.intake.read(file, name)
        untouched = [n for n, one in read.items() if is_untouched(one, self.intake.skeletons)]
        if self.is_alone and len(untouched) == len(self.files):
            return {name: replace(one, kind=UNWORKED) for name, one in read.items()}
        return read | {n: passed_over(read[n].file, UNTOUCHED) for n in untouched}


def _kinds(files: list[File], results: set[str]) -> tuple[dict[str, str], dict[str, list[File]]]:
    """Return the kind of each file that is passed over, and what lies in copies of the course."""
    kinds = {file.name: kind for file in files if (kind := debris(file.name))}
    left = [file.name for file in files if file.name not in kinds]
    results = results | result_folders(left)
    kinds |= dict.fromkeys((name for name in left if is_result(name, results)), RESULTS)
    left = [name for name in left if name not in kinds]
    kinds |= dict.fromkeys(own_pages(left), PLATFORM)
    left = [name for name in left if name not in kinds]
    folders = copies(left)
    kinds |= dict.fromkeys((name for name in left if is_own(name, folders)), OWN)
    in_copies: dict[str, list[File]] = {folder: [] for folder in sorted(folders)}
    for file in files:
        if (folder := copy_of(file.name, folders)) is not None:
            in_copies[folder].append(file)
    return kinds, in_copies


def _refused(name: str, why: str) -> Entry:
    return Entry(name, partial(Submission, name, reason=why, kind=OTHER))


def passed_over(name: str, kind: str) -> Submission:
    """Return what stands for a file that is no submission."""
    return Submission(name, reason=kind, kind=PASSED_OVER)


def settled(submission: Submission, skeletons: Mapping[str, Skeleton]) -> Submission:
    """Return a submission with its lecture, or with the reason why it has none."""
    if submission.reason:
        return submission
    if skeleton := identify(submission, skeletons):
        return replace(submission, lecture=skeleton.lecture)
    reason = "it is no lecture of this course: no graded cell or answer was recognised"
    if not submission.cells:
        reason = "it is an empty notebook: it has no cells"
    return replace(submission, reason=reason, kind=SCRATCH)


def why_not(problem: Exception) -> str:
    """Return why something cannot be read, as an instructor reads it."""
    if isinstance(problem, Unreadable):
        return str(problem)
    if isinstance(problem, OSError) and problem.strerror:
        return f"the file cannot be read: {problem.strerror}"
    what = one_line(str(problem))[:200] or type(problem).__name__
    return f"it cannot be unpacked, or is damaged: {what}"
