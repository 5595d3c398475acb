"""Results move to whom they belong, and no page shows the work of two people."""

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from course_utils.instructor.answers.submission import OTHER, SCRATCH, Submission
from course_utils.instructor.grading.command import due_dates
from course_utils.instructor.grading.grading_run import GradingRun
from course_utils.instructor.grading.settings import Settings
from course_utils.instructor.grading.settling import lying_beside, settle
from course_utils.instructor.reports.class_list import CLASS_LIST, ROSTER, read_class_list
from course_utils.instructor.reports.gradebook import students_of
from course_utils.instructor.reports.results import (
    FULL,
    GRADED,
    INFRASTRUCTURE,
    UNREADABLE,
    ExerciseResult,
    SubmissionResult,
    read_results,
    write_result,
)
from course_utils.instructor.reports.writing import without_feedback, write_class, write_feedback

EXERCISE = ExerciseResult("02.1", "Output size", 4, 4, FULL)


def lecture_of(file):
    return next(
        (n for n in ("02", "03", "04") if file.endswith((f"{n}.ipynb", f"{n} (1).ipynb"))), ""
    )


class Class:
    """A class that is graded several times into one folder of results."""

    def __init__(self, out):
        self.out = out
        (out / "results").mkdir(parents=True)

    def grade(self, *files, paths=("/class",), states=(), **options):
        """Settle hand-ins, store a result for each, and write what a grading writes."""
        for name in {"due", "counts"} & options.keys():  # as the command line has them, or several
            given = [options[name]] if isinstance(options[name], str) else options[name] or []
            options[name] = [text.rpartition("=")[::2] for text in given]
        run = GradingRun(self.out / "work", self.out, Settings(**options))
        handed_in = [Submission(file, lecture=lecture_of(file)) for file in files]
        settled = settle(run, handed_in, {}, [self.out / path for path in paths])
        for one in settled:
            write_result(run.results, self.result(one, dict(states).get(one.file, GRADED)))
            self.write_page(one.person)
        results = read_results(run.results)
        write_class(self.out, results)
        for own in without_feedback(self.out, results):
            write_feedback(self.out, own)
        return settled

    def result(self, one, state):
        return SubmissionResult(
            one.student,
            one.lecture,
            one.file,
            "fingerprint",
            state,
            exercises=(EXERCISE,) if state == GRADED else (),
            added=(f"# work in [{one.file}]",),
            person=one.person,
            handed_in=one.handed_in,
            attempt=one.attempt,
            is_late=one.is_late,
        )

    def write_page(self, person):
        write_feedback(
            self.out, [r for r in read_results(self.out / "results") if r.owner == person]
        )

    @property
    def people(self):
        """Return the names by file, as the results have them."""
        return {result.file: result.student for result in read_results(self.out / "results")}

    @property
    def pages(self):
        """Return which files each page shows."""
        files = self.people
        pages = (path.read_text("utf-8") for path in (self.out / "feedback").glob("*"))
        return sorted(sorted(file for file in files if f"[{file}]" in page) for page in pages)

    @property
    def totals(self):
        results = read_results(self.out / "results")
        students = students_of(results, read_class_list(self.out))
        return {student.name: student.total is not None for student in students}


@pytest.fixture
def graded(tmp_path):
    return Class(tmp_path)


def test_the_roster_moves_earlier_results_and_pages(graded, tmp_path):
    graded.grade("doejane_12345_678901_02.ipynb", "roe_02.ipynb")
    assert graded.pages == [["doejane_12345_678901_02.ipynb"], ["roe_02.ipynb"]]
    (tmp_path / "r.csv").write_text("name,id\nJane Doe,2023123\nJohn Roe,2023124\n")
    graded.grade("roe_john_03.ipynb", roster=str(tmp_path / "r.csv"), paths=["/next"])
    assert graded.people["doejane_12345_678901_02.ipynb"] == "Jane Doe"
    assert {p.name for p in (tmp_path / "feedback").iterdir()} == {
        *("2023123.html", "2023124.html", "roe.html")
    }
    assert (tmp_path / ROSTER).read_text() == (tmp_path / "r.csv").read_text()
    people = {person.key: person for person in read_class_list(tmp_path).people}
    assert people["2023123"].is_on_roster
    assert people["roe"].doubts == ("not on the roster",)


def test_a_second_student_of_a_name_splits_the_page(graded):
    graded.grade("kim_02.ipynb", "kim_03.ipynb")
    assert graded.pages == [["kim_02.ipynb", "kim_03.ipynb"]]
    graded.grade("kim_02.ipynb", "kim_02 (1).ipynb")
    assert graded.pages == [["kim_02 (1).ipynb"], ["kim_02.ipynb"], ["kim_03.ipynb"]]


def test_pages_of_those_who_lose_or_get_a_hand_in_are_written_again(graded):
    kim = ["kim_02.ipynb", "kim_03.ipynb"]
    graded.grade(*kim)
    graded.grade("zoe_02.ipynb", names="^kim_(?P<login>03)", paths=["/next"])
    assert graded.pages == [kim[:1], kim[1:], ["zoe_02.ipynb"]]
    graded.grade("zoe_02.ipynb", names="^none_(?P<login>03)", paths=["/next"])
    assert graded.pages == [kim, ["zoe_02.ipynb"]]


def test_the_pattern_is_kept(graded):
    graded.grade("x-7 ann 02.ipynb", names=r"x-(?P<id>\d+)")
    graded.grade("x-7 b 03.ipynb", paths=["/next"])
    assert len(graded.pages) == 1
    with pytest.raises(ValueError, match="name what is found"):
        graded.grade("a_02.ipynb", names=r"x-(\d+)")
    with pytest.raises(ValueError, match="is no pattern"):
        graded.grade("a_02.ipynb", names="(")
    graded.grade("jd7_03.ipynb", names=r"^(?P<login>\w+?)_")


def test_moodles_worksheet_is_advised_where_its_number_would_tell(graded, tmp_path):
    roster = tmp_path / "roster.csv"
    rows = ["Full name,ID number", "Min Kim,20261111", "Min Kim,20262222"]
    roster.write_text("\n".join(rows))
    places = ("Min Kim_4711_assignsubmission_file_", "Min Kim")
    graded.grade(*(f"{place}/02.ipynb" for place in places), roster=str(roster))
    doubts = {p.evidence: p.doubts[0] for p in read_class_list(graded.out).people if p.doubts}
    assert "take Moodle's grading worksheet" in doubts["platform"]
    assert "put the id into the name" in doubts["folder"]


def test_numbers_of_an_earlier_worksheet_still_tell_namesakes_apart(graded, tmp_path):
    """Moodle numbers participants anew for each assignment; each worksheet comes as the roster."""

    def worksheet(first):
        path = tmp_path / f"worksheet{first}.csv"
        rows = [f"Participant {first + n},Min Kim,kim{n}@example.org" for n in (1, 2)]
        path.write_text("\n".join(["Identifier,Full name,Email address", *rows]))
        return str(path)

    def hand_in(first, lecture):
        names = [f"Min Kim_{first + n}_assignsubmission_file_" for n in (1, 2)]
        files = [f"lab{lecture}.zip/{name}/{lecture}.ipynb" for name in names]
        graded.grade(*files, paths=[f"lab{lecture}.zip"], roster=worksheet(first))

    hand_in(100, "02")
    hand_in(200, "03")
    students = students_of(read_results(graded.out / "results"), read_class_list(graded.out))
    assert [s.person.email for s in students] == ["kim1@example.org", "kim2@example.org"]
    assert [sorted(s.counted) for s in students] == [["02", "03"]] * 2
    assert [s.person.doubts for s in students] == [(), ()]


def test_late_is_what_comes_after_the_due_time(graded):
    form = "Lab_{}_attempt_2026-10-0{}-12-05-00_02.ipynb"
    files = [form.format("ann", 1), form.format("bob", 3)]
    found = graded.grade(*files, "doe_LATE_12345_678901_02.ipynb", due="2026-10-02T00:00")
    assert [one.is_late for one in found] == [False, True, True]
    assert found[1].handed_in == "2026-10-03T12:05"


WEEKS = (
    "Lab_ann_attempt_2026-10-02-12-05-00_02.ipynb",
    "Lab_ann_attempt_2026-10-08-12-05-00_03.ipynb",
)


def late(graded):
    return [one.is_late for one in read_results(graded.out / "results")]


@pytest.mark.parametrize("next_week", [None, "2026-10-08T23:59"])
def test_a_due_date_is_that_of_its_week(graded, next_week):
    graded.grade(WEEKS[0], due="2026-10-01T23:59")
    graded.grade(WEEKS[1], due=next_week, paths=["/next"])
    assert late(graded) == [True, False]
    graded.grade(WEEKS[0])
    assert late(graded) == [True, False], "it is kept"
    graded.grade(WEEKS[0], due="2026-10-03T23:59")
    assert late(graded) == [False, False], "and can be changed"


DUE = {"02": "2026-10-01T23:59", "03": "2026-10-08T23:59", "04": "2026-10-15T23:59"}


def week(*lectures):
    """Return a file of each lecture, handed in the day after the lecture was due."""
    next_day = {n: f"{DUE[n][:8]}{int(DUE[n][8:10]) + 1:02}" for n in lectures}
    return [
        f"Lab_{who}_attempt_{next_day[lecture]}-12-05-00_{lecture}.ipynb"
        for who, lecture in zip(("ann", "bob", "cy", "dee"), lectures, strict=False)
    ]


def test_a_due_date_is_that_of_the_lecture_of_most_files(graded):
    """What else lies in a download keeps its date, or has none."""
    graded.grade(*week("02", "02", "03"), due=DUE["02"])
    assert read_class_list(graded.out).due == {"02": DUE["02"]}
    third = week("03", "03", "04", "02")  # an early one, and a straggler's
    graded.grade(*third, due=DUE["03"], paths=["/next"])
    assert read_class_list(graded.out).due == {n: DUE[n] for n in ("02", "03")}
    states = {(r.lecture, r.is_late) for r in read_results(graded.out / "results")}
    assert states == {("02", True), ("03", True), ("04", False)}
    graded.grade(*third, due="2026-10-09T23:59", paths=["/next"])
    assert read_class_list(graded.out).due == {"02": DUE["02"], "03": "2026-10-09T23:59"}
    graded.grade(*third, due=["02=2026-10-04T23:59", f"04={DUE['04']}"], paths=["/next"])
    due = read_class_list(graded.out).due
    assert due == {"02": "2026-10-04T23:59", "03": "2026-10-09T23:59", "04": DUE["04"]}
    assert not any(r.is_late for r in read_results(graded.out / "results") if r.lecture == "02")


def test_of_two_lectures_with_as_many_files_the_one_that_is_due_is_named(graded):
    with pytest.raises(ValueError, match=f"02 and 03 have 1 files each. .*--due 02={DUE['02']}"):
        graded.grade(*WEEKS, due=DUE["02"])
    for _ in range(2):
        graded.grade(*WEEKS, due=[f"{n}={DUE[n]}" for n in ("02", "03")])
        assert late(graded) == [True, False]
    graded.grade(*WEEKS, due="03=2026-10-07")
    assert late(graded) == [True, True]


def test_which_one_counts_is_said_of_the_lecture_of_most_files(graded):
    graded.grade(*week("02", "02"))
    graded.grade(*week("03", "03", "02"), counts="latest", paths=["/next"])
    rule = read_class_list(graded.out).rule
    assert [rule(lecture) for lecture in ("02", "03", "04")] == ["best", "latest", "latest"]
    graded.grade(*week("03", "03", "02"), counts=["02=latest", "03=best"], paths=["/next"])
    rule = read_class_list(graded.out).rule
    assert [rule(lecture) for lecture in ("02", "03", "04")] == ["latest", "best", "latest"]


def test_which_one_counts_is_asked_only_where_it_matters(graded):
    for _ in range(2):  # the same command goes on
        graded.grade(*WEEKS, counts="latest")
    with pytest.raises(ValueError, match="--counts 02=best"):
        graded.grade(*WEEKS, counts="best")


def test_which_one_counts_is_said_of_a_week_and_of_those_to_come(graded):
    graded.grade(WEEKS[0])
    graded.grade(WEEKS[1], counts="latest", paths=["/next"])
    graded.grade("Lab_ann_attempt_2026-10-15-12-05-00_04.ipynb", paths=["/later"])
    kept = read_class_list(graded.out)
    assert [kept.rule(lecture) for lecture in ("02", "03", "04")] == ["best", "latest", "latest"]


def test_the_last_one_is_not_the_one_that_was_withdrawn(graded):
    form = "lab.zip/Kim_4711_assignsubmission_file_/{}_02.ipynb"
    graded.grade(form.format("old"), counts="latest")
    graded.grade(form.format("new"))
    (kim,) = students_of(read_results(graded.out / "results"), read_class_list(graded.out))
    assert kim.counted["02"].file == form.format("new")
    graded.grade(form.format("new"), form.format("newer"))
    (kim,) = students_of(read_results(graded.out / "results"), read_class_list(graded.out))
    assert [lecture for lecture, *_ in kim.questions()] == ["02"], "both lie in one zip"


def test_when_a_lecture_is_due_is_told_and_whose_time_is_unknown(graded):
    graded.grade(WEEKS[0], "bob_02.ipynb", due="2026-10-01T23:59")
    (line,) = due_dates(read_results(graded.out / "results"), read_class_list(graded.out))
    assert line.startswith("lecture 02 is due 2026-10-01 23:59; 1 of 2 files have no time")
    graded.grade(WEEKS[0], due=f"03={DUE['03']}")
    _, line = due_dates(read_results(graded.out / "results"), read_class_list(graded.out))
    assert line == "lecture 03 is due 2026-10-08 23:59; no file is of it yet"


def test_what_was_said_once_for_all_stays_that_of_all_that_were_graded(graded):
    """Once class.json had one date, and one rule, for all lectures."""
    graded.grade(*week("02", "03"))
    path = graded.out / CLASS_LIST
    once = json.loads(path.read_text("utf-8")) | {"due": "2026-10-01T23:59", "counts": "latest"}
    del once["rules"]
    path.write_text(json.dumps(once))
    graded.grade(*week("04"), paths=["/next"], due=DUE["04"], counts="best")
    kept = read_class_list(graded.out)
    assert kept.due == dict.fromkeys(("02", "03"), "2026-10-01T23:59") | {"04": DUE["04"]}
    assert [kept.rule(lecture) for lecture in ("02", "03", "04")] == ["latest", "latest", "best"]
    assert late(graded) == [True] * 3


@pytest.mark.parametrize("due", [{"due": ""}, {}])
def test_a_class_list_without_a_due_date_is_read(graded, due):
    graded.grade(*week("02"))
    path, kept = graded.out / CLASS_LIST, read_class_list(graded.out)
    once = json.loads(path.read_text("utf-8"))
    del once["due"]
    path.write_text(json.dumps(once | due))
    assert read_class_list(graded.out) == kept


@pytest.mark.parametrize("state", [UNREADABLE, INFRASTRUCTURE])
def test_a_file_that_was_replaced_blocks_no_total_for_ever(graded, state):
    graded.grade("ann/work.ipynb", "bob/02.ipynb", states={"ann/work.ipynb": state}.items())
    assert graded.totals == {"ann": False, "bob": True}
    graded.grade("bob/03.ipynb", "ann/03.ipynb", paths=["/another"])
    assert graded.totals == {"ann": False, "bob": True}  # it still lies in the other folder
    graded.grade("ann/02.ipynb", "bob/02.ipynb")
    assert graded.totals == {"ann": True, "bob": True}
    assert "ann/work.ipynb" not in graded.people


def test_points_of_a_file_that_is_gone_stay(graded):
    graded.grade("ann/02.ipynb", "bob/02.ipynb")
    graded.grade("bob/02.ipynb")
    assert graded.totals == {"ann": True, "bob": True}


def test_a_file_that_two_folders_had_is_gone_only_from_both(graded):
    for path in ("/one", "/two"):
        graded.grade("ann/x.ipynb", paths=[path], states=[("ann/x.ipynb", UNREADABLE)])
    graded.grade("ann/02.ipynb", paths=["/one"])
    assert "ann/x.ipynb" in graded.people
    graded.grade("ann/02.ipynb", paths=["/two"])
    assert "ann/x.ipynb" not in graded.people


def test_a_student_without_any_result_has_no_page(graded):
    graded.grade("ann/x.ipynb", "bob/02.ipynb", states=[("ann/x.ipynb", UNREADABLE)])
    (graded.out / "feedback" / "left-by-an-interrupt.html").write_text("of nobody")
    graded.grade("bob/02.ipynb")
    assert graded.pages == [["bob/02.ipynb"]]


def test_what_lies_beside_is_a_remark():
    ann = [
        Submission("ann/02.ipynb", lecture="02", person="ann"),
        Submission("ann/02.pdf", reason="a .pdf", person="ann", kind=OTHER),
        Submission("ann/tries.ipynb", reason="no lecture", person="ann", kind=SCRATCH),
        Submission("ann/broken.ipynb", reason="not JSON", person="ann"),
        Submission("ann/03_lenet.pdf", reason="a .pdf", person="ann", kind=OTHER),
    ]
    bob = [Submission("bob/02.pdf", reason="a .pdf", person="bob", kind=OTHER)]
    assert lying_beside([*ann, *bob]) == {"ann/02.pdf", "ann/tries.ipynb"}


NAMES = ("Kim", "Ann Lee", "final", "Kim", "Ann Lee", "Copy of")  # by number: some are equal
FORMS = st.sampled_from(
    [
        "{name}_{number}_assignsubmission_file_/x{lecture}.ipynb",
        "{name}_{number}_45678_x{lecture}.ipynb",
        "2023{number}99 {name}/{lecture}.ipynb",
        "{name} n{number}x_{lecture}.ipynb",
        "{name} n{number}x/homework/{lecture}.ipynb",
    ]
)


@st.composite
def gradings(draw):
    """Return who handed in each file, for some gradings of a class into one folder."""
    form, found = draw(FORMS), []
    for _ in range(draw(st.integers(1, 3))):
        numbers = draw(st.lists(st.integers(1000, 1005), unique=True, max_size=4))
        lecture = draw(st.sampled_from(["02", "03"]))
        found.append(
            {form.format(name=NAMES[n - 1000], number=n, lecture=lecture): n for n in numbers}
        )
    return found


@given(gradings(), st.booleans())
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_page_shows_two_peoples_work(tmp_path_factory, found, has_roster):
    out = tmp_path_factory.mktemp("class")
    (out / "r.csv").write_text("name,id\nKim,2023100099\nAnn Lee,2023100199\nAnn Lee,2023100299\n")
    graded, who = Class(out / "out"), {}
    for place, files in enumerate(found):
        roster = str(out / "r.csv") if has_roster and place else None
        graded.grade(*files, roster=roster, paths=[f"/{place}"])
        who |= files
    pages = graded.pages
    assert sorted(file for page in pages for file in page) == sorted(who)
    for page in pages:
        assert len({who[file] for file in page}) == 1


# --- the lecture of what cannot be read ----------------------------------------------------------


def test_what_cannot_be_read_is_of_the_lecture_that_all_others_are_of(graded):
    photograph = Submission("class.zip/ann/photo.jpg", reason="no notebook", kind=OTHER)
    pdf = Submission("class.zip/ann/03_lenet.pdf", reason="no notebook", kind=OTHER)
    run = GradingRun(graded.out / "work", graded.out, Settings())
    both = [Submission(f"class.zip/{who}/02.ipynb", lecture="02") for who in ("bob", "cy")]
    found = settle(run, [photograph, pdf, *both], {})
    assert [one.lecture for one in found] == ["02", "", "02", "02"]
    other = Submission("class.zip/cy/03.ipynb", lecture="03")
    found = settle(run, [photograph, *both, other], {})
    assert [one.lecture for one in found] == ["", "02", "02", "03"]


def test_a_notebook_that_comes_after_a_photograph_gives_a_total(graded):
    run = GradingRun(graded.out / "work", graded.out, Settings())
    photograph = Submission("class.zip/ann/photo.jpg", reason="no notebook", kind=OTHER)
    bob = Submission("class.zip/bob/02.ipynb", lecture="02")
    for one in settle(run, [photograph, bob], {}):
        write_result(run.results, graded.result(one, UNREADABLE if one.reason else GRADED))
    (ann, _) = students_of(read_results(run.results), read_class_list(graded.out))
    assert (ann.name, ann.total, ann.missing(["02"])) == ("ann", None, [])
    graded.grade("mail.zip/ann/02.ipynb", paths=("/mail",))
    (ann, _) = students_of(read_results(run.results), read_class_list(graded.out))
    assert (len(ann.results), ann.total) == (2, 4)
