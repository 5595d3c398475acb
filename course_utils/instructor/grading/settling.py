"""Whose each file is, settled anew for all that is and was handed in.

Points hang on files. Who a file belongs to can change when a roster is named, or when a second
student of the same name hands in: then earlier results move to where they belong, and nothing is
graded again.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ..answers.submission import NOTEBOOK, Submission
from ..people.claims import IDENTITY
from ..people.roster import read_roster
from ..people.students import Owner, who_is_who
from ..reports.class_list import ROSTER, ClassList, Person, read_class_list
from ..reports.results import (
    BESIDE,
    UNREADABLE,
    SubmissionResult,
    read_results,
    result_name,
    write_result,
)
from ..reports.safe_text import feedback_path
from .grading_run import GradingRun
from .settings import Settings

Kind = TypeVar("Kind", Submission, SubmissionResult)


def settle(
    run: GradingRun,
    submissions: Iterable[Submission],
    passed_over: Mapping[str, int],
    paths: Iterable[Path] = (),
) -> list[Submission]:
    """Return the submissions with their students, and keep the class list.

    Results of earlier gradings are moved to their students, too. paths: what was named to be
    graded; results without points of files that are no longer there are removed.

    Raises:
        ValueError, OSError: the roster cannot be read, or the pattern of names is none.
    """
    known, results = read_class_list(run.out), read_results(run.results)
    submissions = list(submissions)
    found = {one.file: one for one in _with_lecture(submissions)}
    kept = _kept(known, run.settings)
    kept = _with_dates(kept, results)
    kept = _with_rules(kept, run.settings, found.values(), results)
    kept = _with_seen(kept, paths, found)
    people = _with_numbers(roster_of(run.out, run.settings.roster), known.people)
    before = {result.file: result for result in _still_there(run, results, known, kept)}
    files = {file: _read_in_it(one) for file, one in before.items()}
    files |= {one.file: one.lecture for one in submissions}
    owners = who_is_who(files, people, kept.names)
    for file, result in before.items():
        moved = _moved(result, owners[file], kept.due)
        if moved != result:
            write_result(run.results, moved)
            _outdate(run, result)
            _outdate(run, moved)
    everybody = {person.key: person for person in people}
    everybody |= {owner.person.key: owner.person for owner in owners.values()}
    replace(kept, people=tuple(everybody.values()), passed_over=dict(passed_over)).write(run.out)
    return [_moved(one, owners[file], kept.due) for file, one in found.items()]


def _read_in_it(result: SubmissionResult) -> str:
    """Return the lecture that a file was recognised as; "" if it is none, or cannot be read."""
    return "" if result.state in (UNREADABLE, BESIDE) else result.lecture


def _with_lecture(submissions: list[Submission]) -> list[Submission]:
    """Return submissions in which what cannot be read is of the lecture that all others are of.

    A photograph is then that lecture's, which the student may hand in later or get points for. A
    file that is called as another lecture is left as it is.
    """
    found = {one.lecture for one in submissions} - {""}
    if len(found) != 1:
        return submissions
    (only,) = found
    return [
        replace(one, lecture=only) if one.reason and _lecture_named(one.file) <= found else one
        for one in submissions
    ]


def _with_seen(kept: ClassList, paths: Iterable[Path], found: Iterable[str]) -> ClassList:
    """Return the class list with what was seen where; nothing is known of it without paths."""
    named = "\n".join(sorted({str(path.absolute()) for path in paths}))
    return replace(kept, seen=dict(kept.seen) | {named: tuple(found)}) if named else kept


def _still_there(
    run: GradingRun, earlier: Iterable[SubmissionResult], known: ClassList, kept: ClassList
) -> list[SubmissionResult]:
    """Return the results of earlier gradings.

    A file that could not be graded, and is not handed in any more where it was, is replaced or
    withdrawn: its result goes, or its student never had a total again. Points stay.
    """
    gone = _seen(known) - _seen(kept)
    results = []
    for result in earlier:
        if result.file in gone and not result.is_graded:
            (run.results / f"{result_name(result.file)}.json").unlink(missing_ok=True)
            _outdate(run, result)
        else:
            results.append(result)
    return results


def _seen(class_list: ClassList) -> set[str]:
    return {file for files in class_list.seen.values() for file in files}


def _outdate(run: GradingRun, result: SubmissionResult) -> None:
    """Remove the page of a student who has or had a result; with the class it is written again."""
    (run.out / feedback_path(result.owner, result.student)).unlink(missing_ok=True)


def _kept(known: ClassList, settings: Settings) -> ClassList:
    """Return the class list with what this grading says of it; the rest stays as it was."""
    if settings.names:
        try:
            names = re.compile(settings.names).groupindex
        except re.error as problem:
            raise ValueError(f"--names: {settings.names!r} is no pattern: {problem}") from None
        if not names.keys() & set(IDENTITY):
            raise ValueError("--names: name what is found, as in '(?P<id>\\d+)_(?P<name>.+)'")
    return known if settings.names is None else replace(known, names=settings.names)


def _with_dates(kept: ClassList, results: Iterable[SubmissionResult]) -> ClassList:
    """Return the class list in which a date that was one for all is that of each lecture."""
    due = dict(kept.due)
    if one_for_all := due.pop("", ""):
        due = {one.lecture: one_for_all for one in results if one.lecture} | due
    return replace(kept, due=due)


def _with_rules(
    kept: ClassList,
    settings: Settings,
    submissions: Iterable[Submission],
    results: Iterable[SubmissionResult],
) -> ClassList:
    """Return the class list with what this grading says of its lectures; of others nothing changes.

    Raises:
        ValueError: nobody knows which of several lectures is meant.
    """
    files = Counter(one.lecture for one in submissions if one.lecture)
    due = _said("--due", settings.due, files, kept.due)
    kept = replace(kept, due={**kept.due, **due})
    if settings.counts:
        rules = {result.lecture: kept.rule(result.lecture) for result in results if result.lecture}
        rules |= kept.rules
        to_come = dict(settings.counts).get("", kept.counts)  # of lectures that are new, too
        said = _said("--counts", settings.counts, files, dict.fromkeys(files, to_come) | rules)
        kept = replace(kept, counts=to_come, rules=rules | said)
    return kept


def _said(
    option: str, said: Iterable[tuple[str, str]], files: Counter[str], before: Mapping[str, str]
) -> dict[str, str]:
    """Return what an option says of which lecture: of the one of most files, if it names none.

    files: how many of each lecture are graded. before: what was said of each lecture earlier.
    """
    found = dict(said)
    if (value := found.pop("", None)) is None:
        return found
    most = max(files.values(), default=0)
    meant = sorted(lecture for lecture, number in files.items() if number == most)
    if len(meant) > 1 and any(before.get(lecture) != value for lecture in meant):
        raise ValueError(
            f"{option} {value}: which lecture is meant? {' and '.join(meant)} have {most} files "
            f"each. Name it: {option} {meant[0]}={value}"
        )
    return dict.fromkeys(meant, value) | found


def roster_of(out: Path, given: str | None) -> tuple[Person, ...]:
    """Return the people of the roster; one that is given is kept with the results.

    Raises:
        ValueError, OSError: it cannot be read.
    """
    kept = out / ROSTER
    if given is None:
        return read_roster(kept) if kept.is_file() else ()
    people = read_roster(Path(given))
    if Path(given).resolve() != kept.resolve():
        shutil.copyfile(given, kept)
    return people


def _with_numbers(roster: Iterable[Person], before: Iterable[Person]) -> tuple[Person, ...]:
    """Return the roster with what a platform called these people in earlier ones.

    Moodle's worksheets have other numbers for each assignment, and no two people share one.
    """
    known: dict[str, tuple[str, ...]] = {}
    for person in before:
        for mark in {person.id, person.email} - {""} if person.is_on_roster else ():
            known[mark] = known.get(mark, ()) + person.aliases
    return tuple(
        replace(
            person,
            aliases=tuple(
                dict.fromkeys(
                    (*person.aliases, *known.get(person.id, ()), *known.get(person.email, ()))
                )
            ),
        )
        for person in roster
    )


def _moved(one: Kind, owner: Owner, dates: Mapping[str, str]) -> Kind:
    """Return a submission, or a result, as its owner's; dates: when each lecture was due."""
    due = dates.get(one.lecture, "")
    return replace(
        one,
        student=owner.person.name,
        person=owner.person.key,
        handed_in=owner.handed_in,
        attempt=owner.attempt,
        is_late=owner.is_late or bool(due and owner.handed_in > due),
    )


def lying_beside(submissions: Iterable[Submission]) -> set[str]:
    """Return the files that are no more than a remark beside a notebook that can be graded.

    A file whose name begins as that of a lecture is none, if its student has handed in nothing else
    of that lecture: the PDF of 03 beside the notebook of 02 may be all there is of 03.
    """
    handed_in: dict[str, set[str]] = {}
    for one in submissions:
        if not one.reason:
            handed_in.setdefault(one.person, set()).add(one.lecture)
    return {
        one.file
        for one in submissions
        if one.reason
        and one.kind != NOTEBOOK
        and (lectures := handed_in.get(one.person))
        and _lecture_named(one.file) <= lectures
    }


def _lecture_named(file: str) -> set[str]:
    match = re.match(r"(\d\d)[_ -]", PurePosixPath(file).name)
    return {match[1]} if match else set()
