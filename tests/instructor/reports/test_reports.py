"""Reports say what the results say: no invented zero, nothing of others, no markup from outside."""

import base64
import dataclasses
import re
import unicodedata
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import pytest
from graded_class import (
    HOSTILE,
    LECTURES,
    NAMES,
    a_class,
    ordinary_class,
    rows_of,
    submission,
    with_other_answers,
    without_points,
    write_reports,
)
from hypothesis import given
from hypothesis import strategies as st

from course_utils.instructor.grading.command import summary
from course_utils.instructor.reports.attention import groups
from course_utils.instructor.reports.class_list import BEST, LATEST, ClassList, Person
from course_utils.instructor.reports.gradebook import students_of
from course_utils.instructor.reports.histogram import histogram, steps
from course_utils.instructor.reports.overriding import Gradebook
from course_utils.instructor.reports.pages import class_page, feedback_page
from course_utils.instructor.reports.results import (
    BESIDE,
    FULL,
    INFRASTRUCTURE,
    NEEDS_A_LOOK,
    UNREADABLE,
    ExerciseResult,
    SubmissionResult,
)
from course_utils.instructor.reports.safe_text import feedback_path, visible
from course_utils.instructor.reports.summary import accounted_for
from course_utils.instructor.reports.tables import gradebook, grades, harmless
from course_utils.instructor.reports.writing import write_class, write_feedback

CLASS = a_class()
VOID = {"meta", "link", "br", "hr", "img", "input"}
SHAPES = {"rect", "path"}
ATTACKS = [
    *HOSTILE,
    "<img src=x onerror=alert(1)>",
    "</title></style></pre></code><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- ",
    "&lt;b&gt;&#0;",
    "javascript:alert(1)",
    "caf\udce9",
    "\x00\x1b[2J\r\n\u2028",
]
any_text = st.text(st.characters(codec=None), max_size=40)  # surrogates and controls too


class Page(HTMLParser):
    """A page as its tags with their attributes, and its text; fails where tags do not match."""

    def __init__(self, html: bytes):
        super().__init__()
        self.tags, self.open, self.text, self.code, self.scripts = [], [], "", [], []
        self.feed(html.decode())
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if self.open[-2:] == ["pre", "code"]:
            self.code.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        assert tag in SHAPES
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if "style" in self.open:
            return
        if "script" in self.open:
            self.scripts.append(data)
            return
        self.text += data
        if "pre" in self.open:
            self.code[-1] += data

    def all(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    @property
    def words(self):
        return " ".join(self.text.split())


def row_of(table, student):
    (row,) = (row for row in rows_of(table) if row["student"] == student)
    return row


def page_of(*results):
    (student,) = students_of(results)
    return Page(feedback_page(student))


def page_of_class(results, pairs=(), class_list=None, problems=()):
    class_list = class_list or ClassList()
    book = Gradebook(students_of(results, class_list), class_list, list(problems))
    return Page(class_page(book, pairs))


def hostile(text, *, state=NEEDS_A_LOOK):
    """Return a submission in which all that can come from outside is ``text``."""
    exercise = ExerciseResult(
        "02.1", "Output size", 1.5, 4, "partial", 3, 8, text, text, 0.1, text, text, 4, text, text
    )
    return SubmissionResult(
        text, "02", text, "f", state, text, (exercise,), (text, text), (text,), 1.0,
        handed_in=text, is_late=True,
    )  # fmt: skip


def hostile_people(text):
    """Return a class list in which all that can come from outside is ``text``."""
    person = Person(text, text, text, text, text, doubts=(text,))
    return ClassList((person, Person(f"{text}2", text, is_on_roster=True)), {text: 2})


# --- tables --------------------------------------------------------------------------------------


def test_grades_have_a_row_for_each_exercise():
    result = submission("ann")
    rows = rows_of(grades(students_of([result])))
    assert [row["exercise"] for row in rows] == [e.id for e in result.exercises]
    assert [float(row["points"]) for row in rows] == [e.points for e in result.exercises]
    assert [row["status"] for row in rows] == [e.status for e in result.exercises]
    assert list(rows[0])[:6] == ["student", "lecture", "exercise", "points", "max", "status"]


@pytest.mark.parametrize("state", [UNREADABLE, INFRASTRUCTURE])
def test_what_was_not_graded_has_no_points_anywhere(state):
    lost = without_points(submission("ann"), state, "because")
    partly = dataclasses.replace(submission("bob"), state=state)  # judged before the grader failed
    students = students_of([lost, partly, submission("cid")])
    rows = [row for row in rows_of(grades(students)) if row["student"] != "cid"]
    assert [(r["status"], r["exercise"], r["points"], r["max"]) for r in rows] == [
        (state, "", "", "")
    ] * 2
    for name in ("ann", "bob"):
        row = row_of(gradebook(students), name)
        assert (row["lecture 02"], row["total"]) == ("", "")
        assert state in row["note"]


def test_gradebook_adds_up():
    first, second = submission("ann"), submission("ann", "05")
    row = row_of(gradebook(students_of([first, second])), "ann")
    assert float(row["lecture 02"]) == first.points
    assert float(row["lecture 05"]) == second.points
    assert float(row["total"]) == round(first.points + second.points, 1)
    assert int(row["max"]) == first.max_points + second.max_points
    assert row["note"] == ""


def test_gradebook_has_no_total_while_a_lecture_waits():
    results = [submission("ann"), without_points(submission("ann", "05"), INFRASTRUCTURE, "full")]
    row = row_of(gradebook(students_of(results)), "ann")
    assert (row["lecture 05"], row["total"]) == ("", "")
    assert float(row["lecture 02"]) == results[0].points
    assert "lecture 05: not graded, infrastructure failure" in row["note"]


def test_gradebook_names_what_was_not_handed_in():
    table = gradebook(students_of([submission("ann"), submission("bob", "05")]))
    row = row_of(table, "ann")
    assert (row["lecture 05"], row["total"]) == ("", row["lecture 02"])
    assert row["note"] == "lecture 05: not handed in"


def test_what_lies_beside_is_no_hand_in():
    beside = without_points(submission("ann", "05"), BESIDE, "a .pdf is not a notebook")
    students = students_of([submission("ann"), beside])
    note = row_of(gradebook(students), "ann")["note"]
    assert "lecture 05: not handed in" in note
    assert f"also handed in, and not graded: {beside.file}" in note
    assert row_of(gradebook(students), "ann")["total"] != ""


def test_gradebook_names_what_needs_a_look():
    result = submission("ann", state=NEEDS_A_LOOK, notes=("02.3 stands twice",))
    row = row_of(gradebook(students_of([result])), "ann")
    assert float(row["lecture 02"]) == result.points
    assert row["note"] == "lecture 02: needs a look: 02.3 stands twice"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_submissions_the_better_one_counts(order):
    worse = submission("ann", level=0, file="a.ipynb")
    better = submission("ann", level=1, file="b.ipynb")
    students = students_of([worse, better][::order])
    row = row_of(gradebook(students), "ann")
    assert float(row["lecture 02"]) == better.points > worse.points
    assert "2 submissions" in row["note"]
    assert "b.ipynb counts" in row["note"]
    counting = {row["file"]: row["counts"] for row in rows_of(grades(students))}
    assert counting == {"a.ipynb": "no", "b.ipynb": "yes"}


def test_a_graded_copy_counts_where_the_other_file_is_broken():
    broken = without_points(submission("ann", file="a.ipynb"), UNREADABLE, "not JSON")
    good = submission("ann", file="b.ipynb")
    row = row_of(gradebook(students_of([broken, good])), "ann")
    assert float(row["total"]) == good.points
    assert "a.ipynb" in row["note"]


def test_both_tables_agree_on_the_whole_class():
    students = students_of(CLASS)
    sums = {}
    for row in rows_of(grades(students)):
        if row["counts"] == "yes":
            key = (row["student"], f"lecture {row['lecture']}")
            sums[key] = sums.get(key, 0) + float(row["points"])
    book = {
        (row["student"], column): float(row[column])
        for row in rows_of(gradebook(students))
        for column in ("lecture 02", "lecture 05")
        if row[column]
    }
    assert book == pytest.approx(sums)
    assert len(rows_of(gradebook(students))) == len(NAMES) + len(HOSTILE) + 1


def as_a_spreadsheet_reads(table):
    """Return the cells of a table, read as Excel and Numbers do when they open it.

    A byte-order mark says UTF-8, a line ends with CRLF, a quote doubles inside quotes, and nothing
    else has a meaning. (RFC 4180, and what Excel writes itself as "CSV UTF-8".)
    """
    assert table.startswith(b"\xef\xbb\xbf")
    text = table[3:].decode()
    assert text.endswith("\r\n")
    assert text.replace("\r\n", "").isprintable()
    cell = r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)'
    rows, end = [[]], 0
    for match in re.finditer(cell, text):
        assert match.start() == end, "a cell ends where the next begins"
        end = match.end()
        rows[-1].append(match[2] if match[1] is None else match[1].replace('""', '"'))
        if match[3] != ",":
            rows.append([])
    assert end == len(text)
    return rows[:-1]


@pytest.mark.parametrize("results", [CLASS, [hostile(text) for text in ATTACKS]])
def test_tables_are_what_spreadsheets_open(results):
    students = students_of(results)
    for table in (grades(students), gradebook(students)):
        head, *rows = as_a_spreadsheet_reads(table)
        assert {len(row) for row in rows} == {len(head)}
        assert [dict(zip(head, row, strict=True)) for row in rows] == rows_of(table)


def test_tables_hold_letters_as_one_character_each():
    name = unicodedata.normalize("NFD", "Jürgen Núñez 김민수")
    (row,) = rows_of(gradebook(students_of([submission(name)])))
    assert row["student"] == "Jürgen Núñez 김민수"
    assert unicodedata.is_normalized("NFC", row["student"])


def test_who_handed_in_nothing_is_in_both_tables():
    zoe = Person("z", "Zoë", "4711", is_on_roster=True)
    students = students_of([submission("ann"), submission("bob", "05")], ClassList((zoe,)))
    row = row_of(gradebook(students), "Zoë")
    assert (row["id"], row["lecture 02"], row["lecture 05"], row["total"]) == ("4711", "", "", "")
    assert row["note"] == "lecture 02: not handed in; lecture 05: not handed in"
    rows = [row for row in rows_of(grades(students)) if row["student"] == "Zoë"]
    assert [(r["lecture"], r["state"], r["points"], r["counts"]) for r in rows] == [
        ("02", "not handed in", "", "no"),
        ("05", "not handed in", "", "no"),
    ]
    (alone,) = students_of([], ClassList((zoe,)))
    assert row_of(gradebook([alone]), "Zoë")["note"] == "not handed in"
    assert row_of(grades([alone]), "Zoë")["state"] == "not handed in"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r\n=1", "＝1", "x;=1", 'x; "=1', '"=1"'],
)
def test_no_cell_is_a_formula(text):
    assert "'" in harmless(text)
    assert harmless(text).replace("'", "") == " ".join(text.split())


@pytest.mark.parametrize("text", ["Ann", "O'Neill", "02.1", "a-b", "1.5", "x = 1", ""])
def test_honest_text_stays(text):
    assert harmless(text) == text


@given(any_text)
def test_any_text_is_one_harmless_cell(text):
    students = students_of([hostile(text)])
    for table in (grades(students), gradebook(students)):
        (row,) = rows_of(table)
        assert None not in row
        for cell in row.values():
            assert not cell.lstrip(" \"'").startswith(("=", "+", "-", "@")) or cell.startswith("'")
        assert len(table.decode().splitlines()) == 2


# --- file names ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "s1234567", "wei_zhang", "yuki-sato"])
def test_simple_names_are_the_file_name(name):
    assert feedback_path(name) == f"feedback/{name}.html"


@given(any_text, any_text)
def test_students_never_share_a_page(one, other):
    same = feedback_path(one).casefold() == feedback_path(other).casefold()
    assert same == (one == other)


def test_look_alikes_do_not_share_a_page():
    names = ["ann", "Ann", "ANN", "ann ", "a/nn", "a-nn", "a--nn", "é", "e\u0301", "", ".", "/"]
    paths = {feedback_path(name).casefold() for name in names}
    assert len(paths) == len(names)


@given(any_text)
def test_a_page_stays_in_its_folder_on_any_system(name):
    path = feedback_path(name)
    for kind in (PurePosixPath, PureWindowsPath):
        assert len(kind(path).parts) == 2
    assert not set(path) & set('<>:"|?*\\')
    assert len(path.encode()) < 200
    assert path[9:-5] not in ("con", "nul", "com1")


@pytest.mark.parametrize("name", ATTACKS)
def test_any_name_can_be_written_and_is_linked(tmp_path, name):
    results = [submission(name)]
    write_reports(tmp_path, results)
    (page,) = (tmp_path / "feedback").iterdir()
    links = Page((tmp_path / "class.html").read_bytes()).all("href")
    assert {unquote(link) for link in links} == {f"feedback/{page.name}"}


# --- pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [NEEDS_A_LOOK, UNREADABLE, INFRASTRUCTURE])
@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_from_outside_becomes_markup(text, state):
    calm, attack = hostile("calm", state=state), hostile(text, state=state)
    assert skeleton(page_of(attack)) == skeleton(page_of(calm))
    found = page_of_class([attack], class_list=hostile_people(text), problems=[text])
    expected = page_of_class([calm], class_list=hostile_people("calm"), problems=["calm"])
    assert skeleton(found) == skeleton(expected)
    assert found.scripts == expected.scripts


def skeleton(page):
    """Return the tags and attributes of a page without the colours of code."""
    links = {"href": ""}
    return [
        (tag, attributes | (links if "href" in attributes else {}))
        for tag, attributes in page.tags
        if tag != "span" or attributes.get("class") == "mark"
    ]


CALM = skeleton(page_of(hostile("calm")))


@given(any_text)
def test_any_text_is_shown_and_is_no_markup(text):
    page = page_of(hostile(f"_{text}_"))
    assert skeleton(page) == CALM
    assert page.code[0] == visible(f"_{text}_") + "\n"
    assert " ".join(visible(text).split()) in page.words


@pytest.mark.parametrize("source", ["x = '", "a\tb", "\n\n  x\n", "%%bash\nls", "\u202eevil"])
def test_code_is_shown_as_it_is(source):
    assert page_of(hostile(source)).code[0].rstrip("\n") == visible(source).rstrip("\n")


def test_what_could_deceive_is_made_visible():
    assert visible("a\u202eb\x00\udce9") == "a\\u202eb\\x00\\udce9"
    assert visible("naïve 田中 حداد\n\tok") == "naïve 田中 حداد\n\tok"


@pytest.mark.parametrize("page", [page_of_class(CLASS), page_of(submission("ann"))])
def test_a_page_needs_nothing_else_and_is_well_formed(page):
    kinds = {tag for tag, _ in page.tags}
    assert not kinds & {"link", "img", "iframe", "form", "object", "base"}
    assert not [name for _, attributes in page.tags for name in attributes if name[:2] == "on"]
    assert all(link.startswith(("#", "feedback/")) for link in page.all("href"))
    (policy,) = (content for content in page.all("content") if "default-src" in content)
    assert "default-src 'none'" in policy
    assert [tag for tag, _ in page.tags].count("script") == len(page.scripts)
    hashes = [base64.b64encode(sha256(s.encode()).digest()).decode() for s in page.scripts]
    assert re.findall(r"script-src [^;]*", policy) == [f"script-src 'sha256-{h}'" for h in hashes]
    assert page.tags[0] == ("html", {"lang": "en"})
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    targets = [link[1:] for link in page.all("href") if link[0] == "#"]
    assert {*targets, *" ".join(page.all("aria-labelledby")).split()} <= set(ids)
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")


def test_feedback_shows_points_hint_case_time_and_cells():
    result = submission("ann", level=0.2, seed=3, added=("print('mine')",))
    page = page_of(result)
    for exercise in result.exercises:
        assert f"{exercise.points:g} of {exercise.max_points}" in page.words
        assert exercise.hint in page.words
        assert exercise.failing_case in page.words
        assert f"{exercise.seconds:.1f} s" in page.words
        assert not exercise.source or any(exercise.source in shown for shown in page.code)
    assert any(exercise.hint for exercise in result.exercises)
    assert page.code[-1] == "print('mine')\n"


def test_feedback_hides_what_is_for_the_instructor():
    result = submission("ann", state=NEEDS_A_LOOK, notes=("looks like the solution of bob",))
    page = page_of(result)
    assert "looks like" not in page.text
    assert "found by" not in page.text
    assert "Your instructor will look at this submission." in page.words
    assert "class.zip" not in page.text, "the instructor's folders are not the student's matter"


def test_feedback_says_why_a_file_is_unreadable_but_not_why_the_grader_failed():
    unreadable = without_points(submission("ann"), UNREADABLE, "not JSON: line 3")
    failed = without_points(submission("ann", "05"), INFRASTRUCTURE, "no disk on host-17")
    page = page_of(unreadable, failed)
    assert "not JSON: line 3" in page.words
    assert "host-17" not in page.text
    assert "you lose no points" in page.words
    assert "0 of" not in page.text


def test_feedback_says_which_of_two_submissions_counts():
    results = submission("ann", level=0, file="a.ipynb"), submission("ann", level=1, file="b.ipynb")
    page = page_of(*results)
    place = page.words.index("Another of your submissions counts.")
    assert page.words.index("a.ipynb") < place < page.words.index("b.ipynb")


def test_feedback_says_why_one_of_several_counts():
    results = submission("ann", level=0, attempt=2), submission("ann", level=1, file="b.ipynb")
    for rule, file, why in ((BEST, "b.ipynb", "the best one"), (LATEST, "02_", "the last one")):
        (student,) = students_of(results, ClassList(counts=rule))
        words = Page(feedback_page(student)).words
        counts = words.index(f"This one counts: it is {why}.")
        assert words.rindex("Handed in as", 0, counts) == words.index(f"Handed in as {file}")


@pytest.mark.parametrize(
    ("seen", "which"),
    [
        ({"zip": ["new.ipynb"]}, ["new.ipynb"]),  # the other one is no longer in it
        ({"zip": ["old.ipynb"], "next.zip": ["new.ipynb", "old.ipynb"]}, ["new.ipynb"]),
        ({"zip": ["new.ipynb", "old.ipynb"]}, ["new.ipynb", "old.ipynb"]),
        ({}, ["new.ipynb", "old.ipynb"]),
    ],
)
def test_the_last_one_is_what_was_handed_in_last_or_needs_a_look(seen, which):
    results = [
        submission("ann", level=1, file="old.ipynb"),
        submission("ann", level=0, file="new.ipynb"),
    ]
    students = students_of(results, ClassList(counts=LATEST, seen=seen))
    (student,), counts = students, ("new.ipynb" if len(which) == 1 else "old.ipynb")
    assert student.counted["02"].file == counts
    found = [row for group in groups(students) for row in group.rows if group.title == NEEDS_A_LOOK]
    assert [sorted(row.files) for row in found] == [which] * (len(which) - 1)
    assert ("it is the last one." in Page(feedback_page(student)).words) == (len(which) == 1)


def test_a_time_or_an_attempt_says_which_is_the_last():
    for order in ({"handed_in": "2026-10-02T10:00"}, {"attempt": 2}):
        before = "2026-10-01T12:00" if "handed_in" in order else ""
        old = submission("ann", file="b.ipynb", handed_in=before)
        results = [old, submission("ann", file="a.ipynb", **order)]
        class_list = ClassList(counts=LATEST, seen={"": ["a.ipynb", "b.ipynb"]})
        (student,) = students_of(results, class_list)
        assert (student.counted["02"].file, student.rules["02"]) == ("a.ipynb", "the last one")


def test_a_later_download_says_more_than_a_number_of_an_earlier_one():
    old = submission("ann", file="lab02.zip/ann_02 (1).ipynb", attempt=1)
    new = submission("ann", level=0, file="lab02_late.zip/ann_02.ipynb")
    seen = {"lab02.zip": [old.file], "lab02_late.zip": [new.file]}
    (student,) = students_of([old, new], ClassList(counts=LATEST, seen=seen))
    assert (student.counted["02"], student.rules["02"]) == (new, "the last one")


def test_feedback_shows_what_was_not_graded_and_what_the_notebook_shows():
    result = with_other_answers(submission("ann", is_late=True, handed_in="2026-10-02T14:05"))
    exercise = result.exercises[0]
    page = page_of(result)
    assert [exercise.source, exercise.other] == [source.rstrip("\n") for source in page.code[:2]]
    assert "Another answer of yours to 02.1, which was not graded" in page.words
    assert "1 of 4 points" in page.words
    assert "Your notebook shows 4 of 4 points; your instructor will look." in page.words
    assert exercise.doubt in page.words
    assert "2026-10-02 14:05, late." in page.words
    assert "grading gives" not in page.words, "notes are the instructor's"


def test_feedback_says_nothing_of_points_that_the_notebook_does_not_show():
    for shown in (None, 0.5, 1.0):
        result = with_other_answers(submission("ann"))
        exercise = dataclasses.replace(result.exercises[0], shown=shown)
        result = dataclasses.replace(result, exercises=(exercise,))
        assert "Your notebook shows" not in page_of(result).words
        assert "(notebook" not in page_of_class([result]).words


def test_feedback_names_what_lies_beside_in_one_line():
    beside = without_points(submission("ann", file="a/essay.pdf"), BESIDE, "no notebook")
    page = page_of(submission("ann"), beside)
    assert page.words.endswith("Also handed in, and not graded: essay.pdf.")
    assert page.words.count("Lecture 02") == 1


def test_feedback_refuses_two_students(tmp_path):
    with pytest.raises(ValueError, match="one student"):
        write_feedback(tmp_path, [submission("ann"), submission("bob")])


def test_a_huge_cell_is_cut_and_says_so():
    long = hostile("x = 1\n" * 100_000)
    assert len(feedback_page(*students_of([long]))) < 1_000_000
    assert "more characters" in page_of(long).code[0]


def test_class_page_starts_with_what_needs_attention():
    page = page_of_class(CLASS)
    order = ["Infrastructure failure (1)", "Unreadable (2)", "Needs a look (2)", "Lecture 02"]
    places = [page.words.index(words) for words in order]
    assert places == sorted(places)
    for reason in ("no kernel starts", "not JSON: line 3", "getppid, kill", "02.3 stands twice"):
        assert page.words.index(reason) < places[-1]


def test_class_page_accounts_for_each_file():
    results, class_list = ordinary_class()
    words = page_of_class(results, class_list=class_list).words
    states = [result.state for result in results]
    listed = sum(state in (UNREADABLE, INFRASTRUCTURE, BESIDE) for state in states)
    assert (
        f"{len(results) + 142} files seen = {len(results) - listed} graded + {listed} listed"
        " + 142 passed over (system files: 12, the course's own files: 130)."
    ) in words


def test_what_is_no_longer_handed_in_is_counted_apart():
    results = [submission("ann"), submission("bob"), submission("bob", "05")]
    results.append(without_points(submission("cy"), UNREADABLE, "cut"))
    seen = {"lab02.zip": [results[0].file, results[3].file], "lab05.zip": [results[2].file]}
    assert accounted_for(results, ClassList((), {"system files": 2}, seen=seen)) == (
        "5 files seen = 2 graded + 1 listed + 2 passed over (system files: 2), "
        "+ 1 kept from earlier"
    )


def test_class_page_groups_people_by_what_to_do_about_them():
    results, class_list = ordinary_class()
    students = students_of(results, class_list)
    found = {group.title: group for group in groups(students)}
    assert list(found) == [
        "infrastructure failure", "unreadable", "needs a look", "whose is this?",
        "not handed in", "late", "handed in more than once", "also handed in",
    ]  # fmt: skip
    assert [row.student.name for row in found["whose is this?"].rows].count("김민수") == 2
    assert {row.student.key for row in found["late"].rows} == {
        result.owner for result in results if result.is_late
    }
    handed_in = {(result.owner, result.lecture) for result in results}
    missing = {
        (row.student.key, lecture)
        for row in found["not handed in"].rows
        for lecture in row.lectures
    }
    everybody = {(person.key, lecture) for person in class_list.people for lecture in LECTURES}
    assert missing == everybody - handed_in
    words = page_of_class(results, class_list=class_list).words
    for title, group in found.items():
        assert f"{title.capitalize()} ({len(group.rows)})" in words


def test_a_file_in_doubt_stands_beside_whom_it_may_be_of():
    roster = [
        Person(f"s{n}", name, f"s{n}", evidence="roster", is_on_roster=True)
        for n, name in enumerate(("Alice", "Ali"))
    ]
    doubt = "on the roster there is one Alice, but another hand-in is called so, too"
    people = (*roster, Person("x/alice", "alice", evidence="file name", doubts=(doubt,)))
    result = submission("alice", person="x/alice", file="alice_02.ipynb")
    found = {g.title: g for g in groups(students_of([result], ClassList(people)))}
    assert {row.student.name: list(row.why) for row in found["not handed in"].rows} == {
        "Alice": ["perhaps alice_02.ipynb: see “Whose is this?”"],
        "Ali": [],
    }
    assert "Graded" not in found["whose is this?"].advice


def test_who_handed_in_nothing_has_no_page_and_no_link(tmp_path):
    results, class_list = ordinary_class()
    class_list.write(tmp_path)
    write_reports(tmp_path, results)
    pages = {f"feedback/{page.name}" for page in (tmp_path / "feedback").iterdir()}
    page = Page((tmp_path / "class.html").read_bytes())
    assert {unquote(link) for link in page.all("href")} == pages
    book = rows_of((tmp_path / "gradebook.csv").read_bytes())
    assert {row["feedback"] for row in book} == pages | {""}
    assert NAMES[0] in page.words


@given(st.lists(st.floats(0, 6), min_size=1), st.integers(6, 9))
def test_small_bars_count_everybody_once(points, most):
    found = steps(points, most)
    assert [step.points for step in found] == list(range(most + 1))
    for step in found:
        assert step.students == sum(int(value) == step.points for value in points)
        assert (step.height > 0) == (step.students > 0), "one student is seen, too"


def test_class_page_ranks_exercises_by_wrong_answers_and_names_hints():
    def answered(name, hint):
        first = (0, 4, "wrong", 0, 5, "case", hint) if hint else (4, 4, FULL, 5, 5)
        exercises = (
            ExerciseResult("02.1", "First", 4, 4, FULL, 5, 5),
            ExerciseResult("02.2", "Second", *first),
        )
        return dataclasses.replace(submission(name), exercises=exercises)

    hints = {"ann": "add 1", "bob": "add 1", "cid": "round", "dan": ""}
    words = page_of_class([answered(name, hint) for name, hint in hints.items()]).words
    bars = "3 0 1 2 3 1 4"  # three with 0 points, one with 4
    second = words.index(f"02.2 Second 3 0 1 1 of 4 {bars} 2 × add 1 1 × round")
    assert second < words.index("02.1 First 0 0 4 4 of 4")


def test_class_page_lists_pairs_for_review(tmp_path):
    answer = "\n".join(f"v{i} = g{i % 7}(a, {i * i})" for i in range(40))
    results = []
    for name in ("ann", "bob"):
        base = submission(name)
        exercises = (dataclasses.replace(e, source=answer, status=FULL) for e in base.exercises)
        results.append(dataclasses.replace(base, exercises=tuple(exercises)))
    write_class(tmp_path, results)
    page = Page((tmp_path / "class.html").read_bytes())
    assert "ann bob 02.1, 02.2, 02.3, 02.4, 02.5, 02.6 100 %" in page.words
    known = {e.id: answer for e in results[0].exercises}
    write_class(tmp_path, results, known)
    assert "Near-identical" not in Page((tmp_path / "class.html").read_bytes()).text


@given(st.lists(st.floats(0, 30), min_size=1), st.integers(30, 60))
def test_histogram_counts_everybody_once(points, most):
    bars = histogram(points, most).bars
    assert sum(bar.students for bar in bars) == len(points)
    assert 5 <= len(bars) <= 14
    assert bars[0].low == 0
    assert bars[-1].high == most
    for bar in bars[:-1]:
        assert bar.students == sum(bar.low <= value < bar.high for value in points)


def test_histogram_in_words():
    assert histogram([0, 1, 29, 30], 30).text == "0 to 3 points: 2; 27 to 30 points: 2"


# --- files ---------------------------------------------------------------------------------------


def test_reports_do_not_depend_on_the_order_of_results(tmp_path):
    for folder, results in (("a", CLASS), ("b", CLASS[::-1])):
        write_reports(tmp_path / folder, results)
    written = {p.relative_to(tmp_path / "a"): p for p in (tmp_path / "a").rglob("*.*")}
    assert len(written) == len({r.student for r in CLASS}) + 3
    for name, path in written.items():
        assert path.read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_class_files_leave_the_pages_of_students_alone(tmp_path):
    write_class(tmp_path, CLASS)
    assert {p.name for p in tmp_path.iterdir()} == {"class.html", "grades.csv", "gradebook.csv"}


def test_reports_of_nobody(tmp_path):
    write_reports(tmp_path, [])
    assert rows_of((tmp_path / "grades.csv").read_bytes()) == []
    assert "0 students" in Page((tmp_path / "class.html").read_bytes()).words


# --- what is printed in the end ------------------------------------------------------------------


def test_the_end_of_a_grading_says_where_files_went_and_what_to_do(tmp_path):
    results, class_list = ordinary_class()
    class_list.write(tmp_path)
    (tmp_path / "overrides.csv").write_text("student,exercise,points,reason\nzoe,02,1,x\n")
    lines = summary(results, tmp_path)
    assert lines[0] == f"{len(results) - 3} of {len(results)} submissions graded, 1 needs a look"
    assert lines[1].startswith(f"{len(results) + 142} files seen = ")
    assert "system files: 12" in lines[1]
    text = "\n".join(lines)
    assert "  unreadable: week.zip/" in text
    assert "  whose is this?: 3" in lines
    assert "  overrides.csv line 2: nobody here is 'zoe'" in text
    assert "class.html" in lines[-1]


def test_the_end_of_a_grading_is_short_and_plain_whatever_was_handed_in(tmp_path):
    one = without_points(submission("ann"), UNREADABLE, "bad\x1b[2J\nfile")
    results = [dataclasses.replace(one, file=f"\x1b{n}.ipynb") for n in range(500)]
    lines = summary(results, tmp_path)
    assert len(lines) < 30
    assert "  unreadable: 480 more" in lines
    assert all(line.isprintable() for line in lines)
