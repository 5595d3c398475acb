"""Who handed in what, which of it counts, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .class_list import BEST, LATEST, ClassList, Person
from .overrides import Override
from .results import BESIDE, GRADED, NEEDS_A_LOOK, ExerciseResult, SubmissionResult

UNASKED = "a single result"  # evidence of a person who is in no class list
RULES = {BEST: "the best one", LATEST: "the last one"}
UNSURE = "the best of those that may be the last one"


@dataclass(frozen=True)
class Student:
    """All that one student handed in.

    counted: by lecture, the submission that counts. rules: which one that is, of several.
    overrides: what the instructor decided, by exercise or lecture; those of exercises are in the
    points of what counts.
    """

    person: Person
    results: tuple[SubmissionResult, ...]
    counted: dict[str, SubmissionResult]
    rules: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return how the student is called."""
        return self.person.name

    @property
    def key(self) -> str:
        """Return what no other student has."""
        return self.person.key

    @property
    def has_page(self) -> bool:
        """Return whether there is something to tell the student."""
        return bool(self.results or self.overrides)

    @property
    def points(self) -> dict[str, float]:
        """Return the points of each lecture that has any."""
        graded = {lecture: result.points for lecture, result in self.counted.items()}
        return graded | {o.lecture: o.points for o in self.overrides.values() if o.is_whole}

    @property
    def not_graded(self) -> list[SubmissionResult]:
        """Return the submissions whose lecture has no points although it was handed in."""
        return [
            r
            for r in self.results
            if not r.is_graded and r.state != BESIDE and r.lecture not in self.points
        ]

    @property
    def total(self) -> float | None:
        """Return the points of all lectures; None if nothing or not all of it could be graded.

        The sum of a part would count the rest as zero.
        """
        if self.not_graded or not self.points:
            return None
        return round(sum(self.points.values()), 1)

    def missing(self, lectures: Iterable[str]) -> list[str]:
        """Return the lectures that were not handed in."""
        handed_in = {result.lecture for result in self.results if result.state != BESIDE}
        return [lecture for lecture in lectures if lecture not in handed_in]

    def counts(self, result: SubmissionResult) -> bool:
        """Return whether these points are the student's."""
        return not self.is_settled(result) and self.counted.get(result.lecture) is result

    def is_settled(self, result: SubmissionResult) -> bool:
        """Return whether the instructor gave the points of all of its lecture."""
        return result.lecture in self.overrides

    def state_of(self, result: SubmissionResult) -> str:
        """Return the state of a submission, with what else an instructor wants to know of it."""
        words = [result.state]
        if result.is_late:
            words.append("late")
        if any(override.lecture == result.lecture for override in self.overrides.values()):
            words.append("changed by you")
        elif result.is_graded and not self.counts(result):
            words.append("another one counts")
        return ", ".join(words)

    def override(self, result: SubmissionResult, exercise: ExerciseResult) -> Override | None:
        """Return what the instructor decided for one exercise of what counts."""
        is_counted = self.counted.get(result.lecture) is result
        return self.overrides.get(exercise.id) if is_counted else None

    def notes(self, lectures: Collection[str]) -> list[str]:
        """Return what is missing or needs a look, in words."""
        found = [*self.person.doubts, *self.person.remarks]
        found += [
            f"{lecture_name(r.lecture)}: not graded, {r.state} ({r.file}): {r.reason}"
            for r in self.results
            if not r.is_graded and r.state != BESIDE
        ]
        found += [
            f"{lecture_name(r.lecture)}: needs a look: {'; '.join(r.notes) or r.reason}"
            for r in self.results
            if r.state == NEEDS_A_LOOK
        ]
        found += self._choices()
        found += [f"{lecture_name(lecture)}: not handed in" for lecture in self.missing(lectures)]
        if not self.results and not lectures:
            found.append("not handed in")
        found += [
            f"{lecture_name(lecture)}: late"
            for lecture, result in self.counted.items()
            if result.is_late
        ]
        found += [f"{name}: changed to {change}" for name, change in self.overrides.items()]
        if beside := [r.file for r in self.results if r.state == BESIDE]:
            found.append(f"also handed in, and not graded: {', '.join(beside)}")
        if self.not_graded:
            found.append("no total before all of it is graded")
        return found

    def questions(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield what needs a look beside what grading noted: a lecture, why, and the files."""
        for lecture, rule in self.rules.items():
            if rule == UNSURE and lecture not in self.overrides:
                files = [r.file for r in self.results if r.lecture == lecture and r.is_graded]
                why = f"nothing says which is the last one: {self.counted[lecture].file} counts"
                yield lecture, why, files
        for name, override in self.overrides.items():
            if override.is_outdated:
                why = f"{name} was changed to {override}. Other work counts now: decide again"
                counted = self.counted.get(override.lecture)
                yield override.lecture, why, [counted.file] if counted else []

    def _choices(self) -> Iterator[str]:
        """Yield which submission counts, of each lecture that has several."""
        for lecture, chosen in self.counted.items():
            graded = [r for r in self.results if r.lecture == lecture and r.is_graded]
            if len(graded) > 1:
                points = ", ".join(f"{r.points:g} in {r.file}" for r in graded)
                yield (
                    f"{lecture_name(lecture)}: {len(graded)} submissions ({points}): "
                    f"{chosen.file} counts, {self.rules[lecture]}"
                )


def students_of(
    results: Iterable[SubmissionResult], class_list: ClassList | None = None
) -> list[Student]:
    """Return all students, by name; those of the roster who handed in nothing, too."""
    class_list = class_list or ClassList()
    people = {person.key: person for person in class_list.people}
    found: defaultdict[str, list[SubmissionResult]] = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.lecture, result.file)):
        found[result.owner].append(result)
        # Without a class list nobody has asked whose it is.
        people.setdefault(result.owner, Person(result.owner, result.student, evidence=UNASKED))
    students = (
        _student(person, found[key], class_list)
        for key, person in people.items()
        if person.is_on_roster or key in found
    )
    return sorted(students, key=lambda student: (student.name.casefold(), student.key))


def _student(person: Person, results: Sequence[SubmissionResult], class_list: ClassList) -> Student:
    counted, rules = {}, {}
    for lecture in dict.fromkeys(result.lecture for result in results if result.is_graded):
        graded = [r for r in results if r.is_graded and r.lecture == lecture]
        counted[lecture], rules[lecture] = _chosen(graded, class_list)
    return Student(person, tuple(results), counted, rules)


def _chosen(
    results: Sequence[SubmissionResult], class_list: ClassList
) -> tuple[SubmissionResult, str]:
    """Return which of the submissions of one lecture counts, and which one that is.

    The best is that with the most points; of equal ones that needs no look, then the first.
    """
    if class_list.rule(results[0].lecture) == BEST:
        return best(results), RULES[BEST]
    latest = _latest(results, class_list.seen)
    return best(latest), RULES[LATEST] if len(latest) == 1 else UNSURE


def best(results: Iterable[SubmissionResult]) -> SubmissionResult:
    """Return the submission with the most points; of equal ones that needs no look."""
    return max(results, key=lambda result: (result.points, result.state == GRADED))


def _latest(
    results: Sequence[SubmissionResult], seen: Mapping[str, Collection[str]]
) -> list[SubmissionResult]:
    """Return the last of some submissions, several if nothing says which it is.

    What is not handed in any more is older than what is. Then their times say it, if all have one,
    which was seen first in a later grading, and their attempts: "(1)" numbers one download's files.
    """
    if len(results) == 1:
        return [*results]
    has_times = all(result.handed_in for result in results)

    def age(result: SubmissionResult) -> tuple[bool, str, int, int]:
        places = [place for place, files in enumerate(seen.values()) if result.file in files]
        when = result.handed_in if has_times else ""
        return bool(places), when, min(places, default=0), result.attempt

    ages = [age(result) for result in results]
    return [result for result, one in zip(results, ages, strict=True) if one == max(ages)]


def lecture_name(lecture: str) -> str:
    """Return how a lecture is called in reports."""
    return f"lecture {lecture}" if lecture else "unknown lecture"


def need_a_look(count: int) -> str:
    """Return that so many submissions need a look, as reports say it."""
    return f"{count} {'needs' if count == 1 else 'need'} a look"


def lectures_of(students: Iterable[Student]) -> list[str]:
    """Return all lectures that somebody handed in or has points in."""
    known: set[str] = set()
    for student in students:
        known |= student.points.keys() | {r.lecture for r in student.results}
    return sorted(known - {""})


def most_points(students: Iterable[Student]) -> dict[str, int]:
    """Return the most points of each lecture that somebody has points in."""
    most: dict[str, int] = {}
    for student in students:
        found = [(lecture, result.max_points) for lecture, result in student.counted.items()]
        found += [(o.lecture, o.most) for o in student.overrides.values() if o.is_whole]
        for lecture, points in found:
            most[lecture] = max(points, most.get(lecture, 0))
    return most
