"""Files that are called as others of an earlier download, ``alice.ipynb`` in the next week, too.

A result is kept under the name of its file: the next week's must not take the place of this one's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePosixPath

from ..answers.submission import Submission
from ..reports.class_list import read_class_list
from ..reports.results import read_results
from .grading_run import GradingRun


def apart_from_earlier(
    run: GradingRun, submissions: Iterable[Submission], paths: Iterable[Path]
) -> list[Submission]:
    """Return the submissions; one whose name is another file's becomes ``alice (2).ipynb``.

    It is another file's if that was handed in elsewhere and is not the same, or if it is of another
    lecture. paths: what was named to be graded.
    """
    submissions = list(submissions)
    own = {submission.file for submission in submissions}
    elsewhere = _seen_elsewhere(run, {str(path.absolute()) for path in paths})
    results = {result.file: result for result in read_results(run.results)}

    def is_anothers(one: Submission) -> bool:
        result = results.get(one.file)
        if result is None or result.fingerprint == run.fingerprint(one):
            return False
        return one.file in elsewhere or result.is_graded and result.lecture != one.lecture

    def apart(one: Submission) -> Submission:
        names = (replace(one, file=name) for name in _names(one.file, own))
        return next(named for named in names if not is_anothers(named))

    return [apart(submission) for submission in submissions]


def _seen_elsewhere(run: GradingRun, paths: set[str]) -> set[str]:
    """Return the files that were handed in when other paths were named, and never at these."""
    here, elsewhere = set[str](), set[str]()
    for named, files in read_class_list(run.out).seen.items():
        (elsewhere if paths.isdisjoint(named.split("\n")) else here).update(files)
    return elsewhere - here


def _names(file: str, others: Collection[str]) -> Iterator[str]:
    """Yield a name and then numbered ones, none of them among ``others``."""
    yield file
    path = PurePosixPath(file)
    for number in count(2):
        name = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        if name not in others:
            yield name
