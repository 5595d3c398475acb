"""What was handed in, read by a clerk: a file that stalls or breaks it costs that file alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ..answers.submission import NOTEBOOK, OTHER, PASSED_OVER, Submission
from ..intake.file_names import distinct, readable
from ..intake.notebook_file import is_named_as_notebook
from .clerk import Clerk, Ended, Stopped


def read_submissions(
    paths: Iterable[Path], clerk: Clerk, passed_over: Counter[str] | None = None
) -> Iterator[Submission]:
    """Yield what is handed in at ``paths``: notebooks, zips of them, folders of both.

    passed_over: gets the number of the other files there, by their kind.

    Raises:
        FileNotFoundError: one of the paths does not exist.
    """
    found: list[tuple[Path, Submission]] = []
    for path in sorted(set(paths)):
        if not path.exists():
            raise FileNotFoundError(f"there is no {path}")
        for submission in _read(path.absolute(), clerk):
            if submission.kind != PASSED_OVER:
                found.append((path, submission))
            elif passed_over is not None:
                passed_over[submission.reason] += 1
    yield from _apart(found)


def _apart(found: list[tuple[Path, Submission]]) -> list[Submission]:
    """Return the submissions, each under another name: where paths share one, with its folder."""
    count = Counter(submission.file for _, submission in found)
    names = []
    for path, submission in found:
        folder = path.absolute() if path.is_dir() else path.absolute().parent
        is_shared = count[submission.file] > 1 and folder.name
        names.append(f"{readable(folder.name)}/{submission.file}" if is_shared else submission.file)
    pairs = zip(found, distinct(names), strict=True)
    return [replace(submission, file=name) for (_, submission), name in pairs]


def _read(path: Path, clerk: Clerk) -> Iterator[Submission]:
    """Yield the submissions of one path; after one that cannot be read the next clerk goes on."""
    count, tried = 0, -1
    broken: list[str] = []
    while True:
        try:
            for text in clerk.ask("read", str(path), count, broken):
                yield Submission.from_json(text)
                count += 1
            return
        except (Stopped, Ended) as problem:
            at, _, name = clerk.phase.partition(" ")
            if at == "reading" and name and name not in broken:
                broken.append(name)
                kind = NOTEBOOK if is_named_as_notebook(name) else OTHER
                yield Submission(name, reason=str(problem), kind=kind)
            elif count > tried:  # it stopped between two: once more from there
                tried = count
            else:
                reason = f"{problem}. Nothing that follows in it was read"
                yield Submission(readable(path.name), reason=reason, kind=OTHER)
                return
