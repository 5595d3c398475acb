"""Whose a file is: no two students become one, and where nobody can know it is said."""

import time
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from course_utils.instructor.people.names import said
from course_utils.instructor.people.platforms import moment
from course_utils.instructor.people.students import who_is_who
from course_utils.instructor.reports.class_list import Person
from course_utils.instructor.reports.safe_text import feedback_path


def lecture_of(file):
    """Return the lecture that a file's name ends with, as its content would tell."""
    if not file.endswith((".ipynb", ".txt", "사본", "コピー")):
        return ""
    return next((lecture for lecture in ("02", "03", "05") if lecture in file[-25:]), "")


def owners(files, people=(), pattern=""):
    files = files if isinstance(files, dict) else {file: lecture_of(file) for file in files}
    return who_is_who(files, people, pattern)


def names(*files, **other):
    return [owners(files, **other)[file].person.name for file in files]


def groups(found):
    """Return which files are one student's."""
    keys = {owner.person.key for owner in found.values()}
    return {frozenset(f for f, owner in found.items() if owner.person.key == key) for key in keys}


def student(key, name, **other):
    return Person(key, name, evidence="roster", is_on_roster=True, **other)


# --- platforms -----------------------------------------------------------------------------------

MOODLE = "Jane Doe_4711_assignsubmission_file_"
BRIGHTSPACE = "12345-67890 - Jane Doe - Oct 1, 2026 1205 PM"


@pytest.mark.parametrize(
    ("file", "name", "handed_in", "attempt"),
    [
        (f"{MOODLE}/02_convolution.ipynb", "Jane Doe", "", 0),
        (f"class.zip/{MOODLE}02_convolution.ipynb", "Jane Doe", "", 0),
        ("Jane Doe_4711_assignsubmission_onlinetext_/onlinetext.html", "Jane Doe", "", 0),
        ("Group A-Jane Doe_4711_assignsubmission_file_/02.ipynb", "Jane Doe", "", 0),
        ("Mei-Ling Chen_4711_assignsubmission_file_/02.ipynb", "Mei-Ling Chen", "", 0),
        ("Participant 9001_4711_assignsubmission_file_/02.ipynb", "Participant 9001", "", 0),
        ("Participant_9001_assignsubmission_file_/02.ipynb", "Participant 9001", "", 0),
        ("doejane_12345_678901_02_convolution.ipynb", "doejane", "", 1),
        ("van_der_bergjan_12345_678901_02_convolution.ipynb", "van der bergjan", "", 1),
        ("doejane_12345_678901_02_convolution-1.ipynb", "doejane", "", 2),
        ("doejane_12345_678901_work.zip/02_convolution-7.ipynb", "doejane", "", 1),
        ("Lab 2_jdoe7_attempt_2026-10-01-12-05-00_02.ipynb", "jdoe7", "2026-10-01T12:05", 0),
        (f"{BRIGHTSPACE}/02.ipynb", "Jane Doe", "2026-10-01T12:05", 0),
        ("submission_123456/02_convolution.ipynb", "submission 123456", "", 0),
        ("Doe, Jane(jdoe7)/Submission attachment(s)/02.ipynb", "Doe, Jane", "", 0),
        ("Submitted files/Jane Doe/Lab 2/Version 2/02.ipynb", "Jane Doe", "", 2),
        ("submitted/jdoe7/02_convolution/02_convolution.ipynb", "jdoe7", "", 0),
    ],
)
def test_platforms_say_who_and_when(file, name, handed_in, attempt):
    more = "zhang_99999_111111_work.zip/02.ipynb"  # several students' zips lie here
    found = owners([file, more])[file]
    assert (found.person.name, found.handed_in, found.attempt) == (name, handed_in, attempt)
    assert found.person.evidence == "platform"
    assert not found.is_late


@pytest.mark.parametrize(
    ("starts", "roster", "logins"),
    [
        (["Lab 2_ann_m", "Lab 2_bob_m", "Lab 2_cy9"], "", ["ann_m", "bob_m", "cy9"]),
        (["Lab 2_ann_m", "Lab 2_bob_m"], "", ["ann_m", "bob_m"]),
        (["Lab 2_ann_m"], "", ["m"]),
        (["Lab 2_ann_m"], "ann_m", ["ann_m"]),
        (["Lab 2_stu_ann", "Lab 2_stu_bob", "Lab 2_stu_cy"], "", ["ann", "bob", "cy"]),
        (["Lab 2_stu_ann", "Lab 2_stu_bob"], "", ["ann", "bob"]),
        (["Lab 2_stu_ann", "Lab 3_stu_ann"], "", ["ann", "ann"]),
        (["Lab 2_stu_ann", "Lab 2_stu_bob", "Lab 2_cy"], "ann bob cy", ["ann", "bob", "cy"]),
        (["Lab 2_ann_m", "Lab 2_m"], "m", ["ann_m", "m"]),
        (["Lab 2_stu_1", "Lab 2_stu_2", "Lab 2_stu_3"], "stu_1", ["stu_1", "stu_2", "stu_3"]),
        (["Lab_2_ann", "Lab_2_bob", "Lab_3_bob"], "", ["ann", "bob", "bob"]),
        (["my_lab_ann", "my_lab_bob", "my_lab_cy"], "", ["ann", "bob", "cy"]),
        (["my_lab_ann", "my_lab_bob"], "ANN", ["ANN", "bob"]),
        (["a b_c d_ann"], "", ["ann"]),
    ],
)
def test_blackboards_logins_may_have_underscores(starts, roster, logins):
    files = [f"g.zip/{start}_attempt_2026-10-01-12-05-00_02.ipynb" for start in starts]
    people = [student(login, "", login=login) for login in roster.split()]
    assert [owners(files, people)[file].person.login for file in files] == logins


@pytest.fixture
def utc_plus_two(monkeypatch):
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "CEST-2")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("utc_plus_two")
def test_gradescopes_people_are_those_of_its_list():
    jane = "submission_33301 at 2026-10-01T2330Z by Jane Doe (20231234, jane@uni.edu)/02.ipynb"
    pair = "submission_33302 by Bo Li (bo@uni.edu); Jan van der Berg (4712); Jane Doe (1)/02.ipynb"
    again = "z.zip/submission_44401 by J. Doe (20231234)/03.ipynb"
    found = owners([jane, pair, again])
    assert groups(found) == {frozenset([jane, again]), frozenset([pair])}
    person = found[jane].person
    assert (person.id, person.email, person.doubts) == ("20231234", "jane@uni.edu", ())
    assert found[jane].handed_in == "2026-10-02T01:30"
    assert (found[pair].person.id, found[pair].handed_in) == ("", "")
    assert found[pair].person.name == "Bo Li, Jan van der Berg, Jane Doe"
    found = owners([jane, pair, again], CLASS)
    assert found[jane].person.key == found[again].person.key == "20231234"
    assert PAIR in found[pair].person.doubts[0]
    pair = "submission_33303 by Jan van der Berg (4712); Jane Doe (20231234)/02.ipynb"
    assert PAIR in owners([pair], CLASS)[pair].person.doubts[0]


@pytest.mark.parametrize("late", ["LATE", "late"])
def test_canvas_says_late(late):
    file = f"doejane_{late}_12345_678901_02_convolution-1.ipynb"
    found = owners([file])[file]
    assert (found.person.name, found.attempt, found.is_late) == ("doejane", 2, True)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("Oct 1, 2026 1205 PM", "2026-10-01T12:05"),
        ("1 oct. 2026 12h05", "2026-10-01T12:05"),
        ("1. Okt. 2026 1305", "2026-10-01T13:05"),
        ("1 juil. 2026 105 AM", "2026-07-01T01:05"),
        ("1 juin 2026 1205 AM", "2026-06-01T00:05"),
        ("2026년 10월 1일 오후 105", "2026-10-01T13:05"),
        ("2026年10月1日 12:05", "2026-10-01T12:05"),
        ("Oct 41, 2026", ""),
        ("some day", ""),
        ("", ""),
    ],
)
def test_dates_in_words_are_read(text, when):
    assert moment(text) == when


@pytest.mark.parametrize(
    "two",
    [
        ("lab2.zip/a_12345_1111_02.ipynb", "lab3.zip/a_12345_2222_03.ipynb"),
        ("a_12345_1111_02.ipynb", "a_12345_2222_02-1.ipynb"),
        (
            "Lab_j7_attempt_2026-10-01-12-05-00_02.ipynb",
            "L_j7_attempt_2026-10-02-12-05-00_02.ipynb",
        ),
        (f"{BRIGHTSPACE}/02.ipynb", "12345-67890 - Jane Doe - Oct 2, 2026 1205 PM/02.ipynb"),
        (f"{MOODLE}/02.ipynb", "Jane Doe_4711_assignsubmission_onlinetext_/onlinetext.html"),
        ("20231234_한지우_02.ipynb", "late/20231234_한지우/02.ipynb"),
    ],
)
def test_an_id_makes_two_files_one_students(two):
    assert len(groups(owners(two))) == 1


@pytest.mark.parametrize(
    "two",
    [
        (
            "a.zip/김민수_4711_assignsubmission_file_/02.ipynb",
            "b.zip/김민수_4712_assignsubmission_file_/02.ipynb",
        ),
        ("a.zip/kim_12345_1111_02.ipynb", "a.zip/kim_02.ipynb"),
        ("a.zip/kim/02.ipynb", "b.zip/kim/02.ipynb"),
        ("lab 2/kim/02.ipynb", "lab 3/kim/02.ipynb"),
        ("kim/02.ipynb", "kim_03.ipynb"),
        ("kim_02.ipynb", "kim_02 (1).ipynb"),
        ("kim_02.ipynb", "Kim_02.ipynb"),
        ("kim_02.ipynb", "kim.ipynb"),
        (normalize("NFC", "Zoé_02.ipynb"), normalize("NFD", "Zoé_02.ipynb")),
        ("20231234_한지우_02.ipynb", "20235678_한지우_03.ipynb"),
    ],
)
def test_a_name_alone_does_not_and_both_are_flagged(two):
    found = owners(two)
    assert len(groups(found)) == 2
    for owner in found.values():
        (doubt,) = (
            d for d in owner.person.doubts if d.startswith("another student here is called")
        )
        assert "name a roster" in doubt


@pytest.mark.parametrize(
    "two",
    [
        (
            "김민수_4711_assignsubmission_file_/02.ipynb",
            "김민수_4712_assignsubmission_file_/02.ipynb",
        ),
        (
            "김민수_4711_assignsubmission_file_/02.ipynb",
            "김민수_4712_assignsubmission_file_/03.ipynb",
        ),
        ("a.zip/kim_12345_1111_02.ipynb", "b.zip/kim_12346_2222_03.ipynb"),
        (f"{BRIGHTSPACE}/02.ipynb", "12346-67890 - Jane Doe - Oct 2, 2026 1205 PM/02.ipynb"),
    ],
)
def test_two_of_one_name_whom_a_platform_numbers_are_in_no_doubt(two):
    found = owners(two)
    assert len(groups(found)) == 2
    for owner in found.values():
        assert not owner.person.doubts
        assert "another student here is called" in owner.person.remarks[0]


@pytest.mark.parametrize(
    "files",
    [
        ("alice_02.ipynb", "alice_03.ipynb", "alice_05.ipynb", "alice_03.pdf"),
        ("lab2.zip/alice/02.ipynb", "lab3.zip/alice/03.ipynb"),
        ("lab 2/alice/02.ipynb", "lab 3/alice/03.ipynb"),
        (
            "lab2.zip/" + MOODLE + "/02.ipynb",
            "lab3.zip/Jane Doe_5822_assignsubmission_file_/03.ipynb",
        ),
    ],
)
def test_what_a_name_alone_puts_together_is_told(files):
    found = owners(files)
    assert len(groups(found)) == 1
    (remark,) = found[files[0]].person.remarks
    assert remark.startswith("put together by name alone")


def test_three_of_one_name_stay_apart_where_two_could_be_one():
    files = ["alice_02.ipynb", "alice_02 (1).ipynb", "alice_03.ipynb"]
    assert len(groups(owners(files))) == 3


def test_a_name_inside_a_hand_in_cannot_claim_anothers():
    theirs = "eve_111_9998_work.zip/bob_222_9999_02.ipynb"
    files = ["class.zip/" + theirs, "class.zip/bob_222_8888_02.ipynb"]
    assert names(*files) == ["eve", "bob"]
    files = ["eve/bob/02.ipynb", "eve/bob_03.ipynb", "bob/02.ipynb"]
    assert names(*files) == ["eve", "eve", "bob"]


# --- folders and file names ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("submitted/alice/02_convolution.ipynb", "alice"),
        ("class.zip/alice/02_convolution (1).ipynb", "alice"),
        ("alice_02_convolution.ipynb", "alice"),
        ("02_convolution_alice.ipynb", "alice"),
        ("van der Berg 02.ipynb", "van der Berg"),
        ("alice.ipynb", "alice"),
        ("alice (2).ipynb", "alice"),
        ("group_12_02_convolution.ipynb", "group_12"),
        ("group-12.ipynb", "group-12"),
        ("student_13_02.ipynb", "student_13"),
        ("O'Neill_02.ipynb", "O'Neill"),
        ("tomasz.wójcik_02.ipynb", "tomasz.wójcik"),
        ("Jane Doe - 02_convolution.ipynb", "Jane Doe"),
        ("20231234_한지우_02.ipynb", "한지우"),
        ("컴퓨터비전_2026_20235678_박서준.ipynb", "박서준"),
        ("dora/notebooks/02_convolution.ipynb", "dora"),
        ("dora/hw2/week 3/Untitled.ipynb", "dora"),
        ("class.zip/class/dora/02.ipynb", "dora"),
        ("fay/Copy of 02_convolution.ipynb", "fay"),
        ("fay/02_convolution - 복사본.ipynb", "fay"),
        ("fay/02_convolution.ipynb의 사본", "fay"),
        ("fay/02_convolution.ipynb のコピー", "fay"),
        ("fay/Kopie von 02_convolution final2.ipynb", "fay"),
        ("copia de fay_02 v2.ipynb", "fay"),
    ],
)
def test_the_student_is_found_in_the_name(file, name):
    assert names(file) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "notebooks",
            "submissions",
            "homework",
            "assignment 4",
            "week 3",
            "3주차",
            "Copy of",
            "사본",
        ),
        *(
            "복사본",
            "のコピー",
            "副本",
            "Kopie von",
            "copia de",
            "final",
            "final2",
            "v2",
            "(1)",
            "lab",
        ),
        *(
            "Participant",
            "Untitled",
            "Untitled1",
            "solution",
            "answers",
            "02",
            "convolution",
            "2026",
        ),
        *("02_convolution - Copy", "submission", "download", "LeNet", "hw2", "copy", "Lecture 2"),
    ],
)
def test_labels_are_nobodys_names(name):
    assert said(name).name == ""
    files = [f"class.zip/{name}/02_convolution.ipynb", "class.zip/02_convolution.ipynb"]
    found = owners(files)
    assert len(groups(found)) == 2
    for file in files:
        person = found[file].person
        assert (person.name, person.evidence) == (f"whose is this? ({file})", "")
        assert "name a roster, give --names, or rename the file" in person.doubts[0]


def test_without_a_known_lecture_only_a_title_is_cut_off():
    assert names("bob_02_convolution.txt") == ["bob"]
    assert names("student_12.ipynb") == ["student_12"]


def test_the_first_case_of_an_ordinary_class():
    expected = {
        "02_convolution_alice.ipynb": "alice",
        "02_convolution_bob.ipynb": "bob",
        "Participant_9001_assignsubmission_file_/02_convolution.ipynb": "Participant 9001",
        "Participant_9002_assignsubmission_file_/02_convolution.ipynb": "Participant 9002",
        "김민수_4711_assignsubmission_file_/02_convolution.ipynb": "김민수",
        "김민수_4712_assignsubmission_file_/02_convolution.ipynb": "김민수",
        "dora/notebooks/02_convolution.ipynb": "dora",
        "emil/notebooks/02_convolution.ipynb": "emil",
        "fay/Copy of 02_convolution.ipynb": "fay",
        "gus/Copy of 02_convolution (1).ipynb": "gus",
        "20231234_한지우/02_convolution - 복사본.ipynb": "한지우",
        "hana/02_convolution final.ipynb": "hana",
        "컴퓨터비전_2026_20235678_박서준.ipynb": "박서준",
        "van_der_bergjan_12345_678901_02_convolution.ipynb": "van der bergjan",
    }
    found = owners([f"class.zip/{file}" for file in expected])
    assert {f: found[f"class.zip/{f}"].person.name for f in expected} == expected
    assert len(groups(found)) == len(expected)
    assert [o.person.id for o in found.values() if o.person.id] == ["20231234", "12345", "20235678"]


def test_what_many_names_begin_with_is_nobodys():
    files = [f"convnets-{name}/notebooks/02_convolution.ipynb" for name in ("ann", "bob", "cy-d")]
    assert names(*files) == ["ann", "bob", "cy-d"]
    files = [f"cv_class_{name}.ipynb" for name in ("ann", "bob", "cy")]
    assert names(*files) == ["ann", "bob", "cy"]
    assert names("group_1/02.ipynb", "group_2/02.ipynb", "group_3/02.ipynb") == [
        *("group_1", "group_2", "group_3")
    ]


def test_below_a_persons_folder_all_is_hers():
    files = {
        "alice/02_convolution.ipynb": "02",
        "alice/hw2/03_lenet.ipynb": "03",
        "alice/experiments/my tries.ipynb": "",
        "alice/my notes.ipynb": "",
        "alice/report.pdf": "",
        "alice/old/02_convolution.ipynb": "02",
        "bob/02_convolution.ipynb": "02",
    }
    found = owners(files)
    assert len(groups(found)) == 2
    assert {o.person.name for f, o in found.items() if f.startswith("alice")} == {"alice"}


@pytest.mark.parametrize(
    "files",
    [
        {"cs231/alice_02.ipynb": "02", "cs231/bob_02.ipynb": "02"},
        {"cs231/alice_02.ipynb": "02", "cs231/bob_03.ipynb": "03"},
        {"cs231/alice_02.ipynb": "02", "cs231/bob.ipynb": ""},
        {"cs231/alice.ipynb": "", "cs231/bob.ipynb": ""},
        {"cs231/alice.docx": "", "cs231/bob.docx": ""},
        {"cs231/alice_02.ipynb": "02", "cs231/02_convolution.ipynb": "02"},
        {"cs231/alice/02.ipynb": "02", "cs231/bob/03.ipynb": "03"},
        {"cs231/alice_02.ipynb": "02", "cs231/alice_02 (1).ipynb": "02"},
        {"cs231/20231234 Kim 02.ipynb": "02", "cs231/20235678 Kim 03.ipynb": "03"},
        {"4010001 A/20231234 Kim.ipynb": "02", "4010001 A/20235678 Lee.ipynb": "03"},
        {f"cs231/{MOODLE}/02.ipynb": "02", "cs231/bob_03.ipynb": "03"},
    ],
)
def test_a_folder_of_several_people_is_nobodys(files):
    assert len(groups(owners(files))) == 2


def test_a_folder_in_which_a_platform_names_people_is_no_persons():
    assert names(f"cs231/{MOODLE}02.ipynb", "cs231/bob_03.ipynb") == ["Jane Doe", "bob"]


def test_files_that_are_called_alike_belong_to_their_folders():
    files = ["alice/homework.ipynb", "bob/homework.ipynb", "carol/mine.ipynb"]
    assert names(*files) == ["alice", "bob", "carol"]


def test_a_zip_that_the_instructor_named_is_nobody():
    files = ["CS_231_2026_cs231.zip/02.ipynb", "CS_231_2026_cs231.zip/sub/02.ipynb"]
    assert len(groups(owners(files))) == 2
    assert names("jane doe.zip/02.ipynb") == ["whose is this? (jane doe.zip/02.ipynb)"]
    files = ["a.zip/ann.zip/02.ipynb", "a.zip/ann.zip/03.ipynb", "a.zip/bob.zip/02.ipynb"]
    assert names(*files) == ["ann", "ann", "bob"]


def test_zips_that_students_handed_in_are_theirs():
    files = [
        "erin.zip/02.ipynb",
        "erin.zip/report.pdf",
        "greg lab2.zip/02.ipynb",
        "fay.zip/x/02.ipynb",
    ]
    assert names(*files) == ["erin", "erin", "greg", "x"]  # x may be another than fay
    clone = "lab-{0}-main.zip/lab-{0}-main/notebooks/02.ipynb"
    assert names(clone.format("ann"), clone.format("bob")) == ["ann", "bob"]
    person = owners(["Jane Doe_lab.zip/02.ipynb", "Eve.zip/02.ipynb"], CLASS)
    assert person["Jane Doe_lab.zip/02.ipynb"].person.key == "20231234"


@pytest.mark.parametrize(
    "files",
    [
        ["ann.zip/02.ipynb", "ann.zip/02 (1).ipynb", "bob.zip/02.ipynb"],
        ["cs231.zip/02.ipynb", "cs231.zip/bob_03.ipynb", "cs232.zip/02.ipynb"],
        ["lab.zip/02.ipynb", "lab 3.zip/02.ipynb"],
        [f"cs231.zip/{MOODLE}02.ipynb", "cs231.zip/03.ipynb", "cs232.zip/02.ipynb"],
    ],
)
def test_a_zip_that_may_hold_a_class_is_nobodys(files):
    found = owners(files)
    assert len(groups(found)) == len(files)
    assert not {owner.person.name for owner in found.values()} & {"cs231", "ann"}


@pytest.mark.parametrize(
    "file",
    [
        *("IMG_2034.jpg", "DSC0001.JPG", "Document1.docx", "README.md", "report.pdf", "link.url"),
        *("RE: homework.eml", "notes.txt", "model.pt", "image0.jpeg", "스크린샷 2026-10-01.png"),
        *("“02_convolution.ipynb”的副本", "02_convolution的副本.ipynb"),
    ],
)
def test_what_says_what_it_is_says_not_whose(file):
    assert names(file) == [f"whose is this? ({file})"]


@pytest.mark.parametrize(
    "file", ["hana.webloc", "report_hana.pdf", "hana.hwp", "IMG hana.heic", "[02] hana.ipynb"]
)
def test_an_ending_or_a_label_is_no_part_of_a_name(file):
    owner = owners([file])[file]
    assert (owner.person.name, owner.attempt) == ("hana", 0)


def test_a_number_that_stands_in_many_names_is_no_ones():
    files = ["4010001_alice_02.ipynb", "bob_4010001_02.ipynb"]
    found = owners(files)
    assert len(groups(found)) == 2
    assert "4010001 stands in names of different people" in found[files[0]].person.doubts[0]


def test_a_date_is_no_ones_number():
    files = ["20261001_alice_02.ipynb", "bob_20261001_02.ipynb", "cy_20261003_02.ipynb"]
    people = [owner.person for owner in owners(files).values()]
    assert [(p.name, p.id, p.doubts) for p in people] == [
        (n, "", ()) for n in ("alice", "bob", "cy")
    ]
    assert names(*(f"ada_2026100{day}.ipynb" for day in (1, 2, 3))) == ["ada"] * 3
    assert owners(["20261301_alice_02.ipynb"])["20261301_alice_02.ipynb"].person.id == "20261301"


@pytest.mark.parametrize(
    ("files", "id"),
    [
        (["20231105_02.ipynb", "20231105_02 (1).ipynb", "20231105_03.ipynb"], "20231105"),
        (["20231105_20261001.ipynb", "20231105_20261008.ipynb"], "20231105"),
        (["20231234_261001.ipynb", "20231234_261008.ipynb"], "20231234"),
        (["20231234_20261001_02.ipynb", "20261008_20231234_03.ipynb"], "20231234"),
        (["20231234_ada_235959.ipynb", "235958_ada_20231234.ipynb"], "20231234"),
    ],
)
def test_a_number_alone_is_an_id_and_times_beside_it_are_none(files, id):
    found = owners(files)
    assert len(groups(found)) == 1
    assert {owner.person.id for owner in found.values()} == {id}
    assert said("20261001_123456_02").id == "123456"


def test_a_plain_name_is_its_own_key_and_page():
    found = owners(["alice/02.ipynb", "20231234_한지우/02.ipynb"])
    assert [o.person.key for o in found.values()] == ["20231234", "alice"]
    assert feedback_path("alice") == "feedback/alice.html"


def test_places_that_are_shown_are_short():
    (person,) = (o.person for o in owners(["hw2/" * 900 + "02.ipynb"]).values())
    assert len(person.name) < 150
    assert person.name.startswith("whose is this? (hw2/hw2/")


# --- the instructor's pattern --------------------------------------------------------------------

PATTERN = r"(?P<id>\d+)_(?P<name>.+)"


@pytest.mark.parametrize(
    ("file", "pattern", "expected"),
    [
        ("class.zip/77_Jane Doe.ipynb", PATTERN, ("Jane Doe", "77", "", "")),
        ("77_Jane Doe/02_convolution.ipynb", PATTERN, ("Jane Doe", "77", "", "")),
        ("77_Jane Doe/02_convolution.ipynb", r"(?P<id>\d+)", ("77", "77", "", "")),
        ("lab-02/x-jd7.ipynb", r"x-(?P<login>\w+)", ("jd7", "", "jd7", "")),
        ("by/j@u.edu/02.ipynb", r"(?P<email>\S+@\S+)", ("j@u.edu", "", "", "j@u.edu")),
        ("in/Jane/of/02.ipynb", r"in/(?P<name>\w+)/of", ("Jane", "", "", "")),
        ("Jane Doe [lab].ipynb", r"(?P<name>.+) \[(?P<lecture>.+)\]", ("Jane Doe", "", "", "")),
    ],
)
def test_the_pattern_says_who(file, pattern, expected):
    person = owners({file: "02"}, pattern=pattern)[file].person
    assert (person.name, person.id, person.login, person.email) == expected
    assert person.evidence == "pattern"


def test_the_pattern_finds_no_lecture_and_no_zip():
    files = {
        "2026_cs231.zip/02_convolution.ipynb": "02",
        "2026_cs231.zip/x/02_convolution.ipynb": "02",
        "2026_cs231.zip/02_alice.ipynb": "02",
        "2026_cs231.zip/7_bob.ipynb": "02",
    }
    found = owners(files, pattern=PATTERN)
    assert len(groups(found)) == 4
    evidence = [found[file].person.evidence for file in files]
    assert evidence == ["", "folder", "file name", "pattern"]


def test_ids_of_the_pattern_join_everywhere_names_do_not():
    files = {"a.zip/7_Ann.ipynb": "02", "b.zip/7_Ann B.ipynb": "02", "b.zip/8_Ann.ipynb": "02"}
    found = owners(files, pattern=PATTERN)
    assert groups(found) == {frozenset([*files][:2]), frozenset([*files][2:])}
    files = {"a.zip/x Ann.ipynb": "02", "b.zip/x Ann.ipynb": "02"}
    assert len(groups(owners(files, pattern="x (?P<name>.+)"))) == 2


# --- the roster ----------------------------------------------------------------------------------

CLASS = (
    student("20231234", "Jane Doe", id="20231234", login="jdoe7", email="jane@uni.edu"),
    student("123", "Zoé Müller", id="00123456", aliases=("5551",)),
    student("a", "김민수", id="20230001"),
    student("b", "김민수", id="20230002"),
    student("c", "Anna Maria López"),
    student("d", "Maria López", aliases=("Participant 9001",)),
    student("e", "Jan van der Berg"),
    student("f", "Yu Na", id="20240229"),
)
BY_CHANCE = (
    student("g", "Na An", id="1430"),
    student("h", "Ada Octo", login="octo-ada1"),
    student("i", "John Smith", login="john-smith99"),
    student("j", "Bo Li", login="ada1"),
    student("k", "Cy Xu", login="smith99"),
)


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("Doe, Jane/02.ipynb", "20231234"),
        ("doejane_12345_678901_02.ipynb", "20231234"),
        ("jane_doe_02_convolution.ipynb", "20231234"),
        ("02_convolution_20231234.ipynb", "20231234"),
        ("Lab 2_jdoe7_attempt_2026-10-01-12-05-00_02.ipynb", "20231234"),
        ("jane@uni.edu/02.ipynb", "20231234"),
        ("zoe muller_4711_assignsubmission_file_/02.ipynb", "123"),
        ("Mueller Zoe/02.ipynb", "123"),
        (normalize("NFD", "Zoé Müller/02.ipynb"), "123"),
        ("123456_02.ipynb", "123"),
        ("mz_5551_678901_02.ipynb", "123"),
        ("김민수 20230002.ipynb", "b"),
        ("lopez anna maria 02.ipynb", "c"),
        ("anna maria lopez 02.ipynb", "c"),
        ("maria lópez 02.ipynb", "d"),
        ("Participant 9001_4711_assignsubmission_file_/02.ipynb", "d"),
        ("van_der_bergjan_12345_678901_02.ipynb", "e"),
        ("jane_doe_20261001.ipynb", "20231234"),
        ("20240229.ipynb", "f"),
        ("20231234 Jan van der Berg 02.ipynb", "20231234"),
        ("20230001 Jane Maria Lopez 02.ipynb", "a"),
        ("20231234_Anna_Schmidt-Meyer_02.ipynb", "20231234"),
        ("20231234_1430_02.ipynb", "20231234"),
        ("lab-2-octo-ada1/02.ipynb", "h"),
        ("john-smith99/02.ipynb", "i"),
    ],
)
def test_people_of_the_roster_are_found(file, key):
    person = owners({file: "02"}, (*CLASS, *BY_CHANCE))[file].person
    assert (person.key, person.evidence, person.doubts) == (key, "roster", ())


def test_a_name_that_two_of_the_roster_have_is_given_to_neither():
    person = owners({"김민수/02.ipynb": "02"}, CLASS)["김민수/02.ipynb"].person
    assert person.key not in {"a", "b"}
    assert "김민수 (20230001) or 김민수 (20230002)" in person.doubts[0]


PAIR = "names several people of the roster: Jane Doe (20231234), Jan van der Berg (no id)"
IDS = "names several people of the roster: Jane Doe (20231234), 김민수 (20230001)"


@pytest.mark.parametrize(
    ("file", "doubt"),
    [
        ("Jane Doe and Jan van der Berg_02.ipynb", PAIR),
        ("Jane Doe, Jan van der Berg/02.ipynb", PAIR),
        ("x/20231234_20230001_02.ipynb", "a file in it is called as Jane Doe (20231234), 김민수"),
        ("20231234_20230001_02.ipynb", IDS),
        ("20231234 Jane Doe, 20230001 김민수.ipynb", IDS),
    ],
)
def test_what_names_several_of_the_roster_is_given_to_none(file, doubt):
    person = owners({file: "02"}, CLASS)[file].person
    assert (person.is_on_roster, person.id) == (False, "")
    assert doubt in person.doubts[0]


def test_a_hand_in_of_several_takes_nothing_from_one_who_wrote_only_the_number():
    own, pair = "20231234_02.ipynb", "20231234 vdberg9 02.ipynb"
    people = [*CLASS, student("g", "Jo van der Berg", login="vdberg9")]
    found = owners([own, pair], people)
    assert (found[own].person.key, found[own].person.doubts) == ("20231234", ())
    assert not found[pair].person.is_on_roster
    assert "names several people" in found[pair].person.doubts[0]


def test_a_pair_has_no_id_of_its_own():
    files = [f"lab{n}.zip/20231234 20230001 {n}.ipynb" for n in ("02", "03")]
    assert {(o.person.id, o.person.is_on_roster) for o in owners(files, CLASS).values()} == {
        ("", False)
    }
    (said_of_pair, said_of_one) = said("1001001_1001002_02"), said("1001001 Ann")
    assert (said_of_pair.name, said_of_pair.id) == ("1001001_1001002", "")
    assert (said_of_one.name, said_of_one.id) == ("Ann", "1001001")


@pytest.mark.parametrize("alias", ["Participant {}", "Teilnehmer/in {}", "Teilnehmer/in{}"])
def test_moodles_numbers_tell_people_of_one_name_apart(alias):
    people = [student(f"s{n}", "Li Wei", id=f"s{n}", aliases=(alias.format(n),)) for n in (11, 12)]
    files = [f"Li Wei_{n}_assignsubmission_file_/02.ipynb" for n in (11, 12)]
    found = owners([*files, "Teilnehmer_in_13_assignsubmission_file_/02.ipynb"], people)
    assert [owner.person.key for owner in found.values()] == ["s11", "s12", "Teilnehmer in 13"]
    assert found[files[0]].person.doubts == ()


@pytest.mark.parametrize("form", ["lab-2-{0}/02.ipynb", "nets-{0}/02.ipynb"])
def test_logins_of_github_classroom_may_have_hyphens(form):
    logins = ["octo-ada", "bobby", "cy"]
    people = [student(login, login[::-1], login=login) for login in logins]
    found = owners([form.format(login) for login in logins], people)
    assert {owner.person.key for owner in found.values()} == set(logins)
    assert not any(owner.person.doubts for owner in found.values())
    file = form.format("octo-ada")
    assert owners([file], people)[file].person.key == "octo-ada"


def test_a_stranger_is_told_and_keeps_its_name():
    person = owners({"eve/02.ipynb": "02"}, CLASS)["eve/02.ipynb"].person
    assert (person.key, person.doubts) == ("eve", ("not on the roster",))


def test_a_stranger_never_gets_the_key_of_one_of_the_roster():
    people = [student("eve", "Eve Online", login="eve")]
    files = {"eve adams/02.ipynb": "02", "adams/eve/03.ipynb": "03"}
    assert "eve" not in {o.person.key for o in owners(files, people).values()}
    people = [student("bob", "Somebody Else")]
    assert owners({"bob_02.ipynb": "02"}, people)["bob_02.ipynb"].person.key != "bob"


@pytest.mark.parametrize(
    "file",
    [
        "20239999 jane doe.ipynb",
        "e123456 Jane Doe 02.ipynb",
        "s20239999 jane doe.ipynb",
        "muellerzoe_5552_678901_02.ipynb",
    ],
)
def test_another_number_is_another_person(file):
    person = owners({file: "02"}, CLASS)[file].person
    assert not person.is_on_roster
    assert "but with another number" in person.doubts[0]


def test_a_courses_number_in_several_names_is_no_ones():
    files = [
        "CS101234 Jane Doe 02.ipynb",
        "CS101234_김민수_20230001_02.ipynb",
        "CS101234_eve.ipynb",
    ]
    found = owners(files, CLASS)
    assert [found[file].person.key for file in files[:2]] == ["20231234", "a"]


@pytest.mark.parametrize(
    ("files", "count"),
    [
        (
            [
                "Jane Doe_1_assignsubmission_file_/02.ipynb",
                "Jane Doe_2_assignsubmission_file_/03.ipynb",
            ],
            2,
        ),
        (["jane doe_02.ipynb", "doe_jane_02.ipynb"], 2),
        (["jane doe_02.ipynb", "doe_jane_03.ipynb"], 1),
        (["a.zip/jane doe_02.ipynb", "b.zip/doe_jane_02.ipynb"], 1),
        (["doejane_111_9999_02.ipynb", "doejane_222_9999_03.ipynb"], 2),
        (["20231234_x_02.ipynb", "jane doe_02.ipynb"], 2),
        (["20231234_x_02.ipynb", "jane doe_03.ipynb"], 1),
        (["20231234_x_02.ipynb", "20239999 jane doe_03.ipynb"], 2),
    ],
)
def test_one_name_of_the_roster_does_not_make_two_hand_ins_one(files, count):
    found = owners(files, CLASS)
    assert len(groups(found)) == count
    assert (count == 1) == all(not o.person.doubts for o in found.values())


def test_what_the_roster_puts_together_needs_no_remark():
    files = ["Jane Doe_02.ipynb", "Jane Doe_03.ipynb", "b.zip/Jane Doe_05.ipynb"]
    found = owners(files, CLASS)
    assert {(o.person.key, o.person.doubts, o.person.remarks) for o in found.values()} == {
        ("20231234", (), ())
    }


def test_with_a_roster_nobody_is_told_to_name_one():
    files = [
        "김민수_02.ipynb",
        "김민수_02 (1).ipynb",
        "02_convolution.ipynb",
        "eve.ipynb",
        "Eve.ipynb",
    ]
    doubts = {f: owner.person.doubts for f, owner in owners(files, CLASS).items()}
    assert not any("name a roster" in doubt for said in doubts.values() for doubt in said)
    assert len(doubts["김민수_02.ipynb"]) == len(doubts["eve.ipynb"]) == 1
    assert doubts["02_convolution.ipynb"] == (
        "nothing says whose this is: give --names, or rename the file",
    )


def test_a_login_that_is_a_common_word_is_no_id_inside_a_name():
    people = [student("jane", "Jane Doe", login="jane"), student("x", "Li Lab", login="final")]
    assert owners({"jane smith_02.ipynb": "02"}, people)["jane smith_02.ipynb"].person.key != "jane"
    assert owners({"jane_02.ipynb": "02"}, people)["jane_02.ipynb"].person.key == "jane"
    file = "eve/02_convolution final.ipynb"
    assert owners({file: "02"}, people)[file].person.key == "eve"


# --- properties ----------------------------------------------------------------------------------

CALLED = st.sampled_from(
    ["Kim", "Kim Minsu", "김민수", "Zoé", "final", "Copy of", "02", "van der B"]
)
OWN_FILE = st.sampled_from(["02_convolution", "Copy of 02", "Kim_02", "9999_77777_x_02", "02 (1)"])
LABELS = st.sampled_from(["02_convolution", "Copy of 02", "02 (1)", "hw2/03 final"])
FORMS = {
    "moodle": "{name}_{number}_assignsubmission_file_/{file}.ipynb",
    "moodle files": "{name}_{number}_assignsubmission_file_{file}.ipynb",
    "canvas": "{name}_{number}_{other}_{file}.ipynb",
    "canvas zips": "{name}_{number}_{other}_x.zip/{file}.ipynb",
    "blackboard": "Lab_u{number}_attempt_2026-10-01-12-05-00_{file}.ipynb",
    "brightspace": "{number}-77 - {name} - Oct 1, 2026 1205 PM/{file}.ipynb",
    "sakai": "{name}(u{number})/Submission attachment(s)/{file}.ipynb",
    "gradescope": "submission_{number}/{file}.ipynb",
    "nbgrader": "submitted/u{number}/ps/{file}.ipynb",
    "own ids": "2023{number} {name}/{file}.ipynb",
    "folders": "{name} n{number}x/{file}.ipynb",
}


@st.composite
def class_with_ids(draw):
    """Return files by number of the student who handed them in."""
    kind = draw(st.sampled_from(sorted(FORMS)))
    form, own_file = FORMS[kind], LABELS if kind == "folders" else OWN_FILE
    archive = draw(st.sampled_from(["", "class.zip/", "week 3/", "class.zip/homework/"]))
    numbers = draw(st.lists(st.integers(3000, 9999), unique=True, min_size=2, max_size=6))
    found = {}
    for number in numbers:
        name, other = draw(CALLED), draw(st.integers(10_000, 99_999))
        for file in draw(st.lists(own_file, unique=True, min_size=1, max_size=3)):
            path = form.format(name=name, number=number, other=other, file=file)
            found[archive + path] = number
    return found


@given(class_with_ids(), st.randoms(use_true_random=False))
def test_the_number_of_students_is_right(handed_in, rng):
    found = owners([*handed_in])
    by_number = {
        n: frozenset(f for f in handed_in if handed_in[f] == n) for n in handed_in.values()
    }
    assert groups(found) == set(by_number.values())
    mixed = [*handed_in]
    rng.shuffle(mixed)
    assert owners(mixed) == found


@given(class_with_ids(), class_with_ids())
def test_a_stranger_more_makes_no_two_others_one(handed_in, strangers):
    before = groups(owners([*handed_in]))
    after = groups(owners([*handed_in, f"others.zip/{[*strangers][0]}"]))
    for group in after:
        assert len([one for one in before if one & group]) <= 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "a.zip/", "b.zip/", "lab/", "cs231/"]),
            st.sampled_from(["20231199", "20232299", "s1234567", ""]),
            CALLED,
            st.sampled_from(["02", "03", "05"]),
        ),
        unique=True,
        max_size=9,
    ),
    st.booleans(),
)
@example(
    [("", i, n, "02") for i in ("20231199", "20232299") for n in ("Kim", "Kim Minsu")]
    + [("", "20232299", "Kim Minsu", "03")],
    False,
)
@example(
    [("", "20231199", "Kim", "02"), ("", "20231199", "Kim Minsu", "03")]
    + [("", "20232299", "Kim", "02"), ("", "20232299", "Kim Minsu", "02")],
    False,
)
@example(
    [("", "20232299", "Kim", "02"), ("", "20232299", "Zoé", "02")]
    + [("", "s1234567", "Kim", "02"), ("a.zip/", "s1234567", "Zoé", "02")],
    True,
)
def test_no_student_has_two_ids(handed_in, has_roster):
    people = [student("20231199", "Kim Minsu", id="20231199"), student("z", "Zoé")]
    files = {f"{where}{i} {name} {n}.ipynb": i for where, i, name, n in handed_in}
    found = owners([*files], people if has_roster else ())
    for group in groups(found):
        assert len({files[file] for file in group} - {""}) <= 1


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from(["02", "03"])), max_size=8)
)
def test_nobody_of_the_roster_gets_anothers_work(handed_in):
    called = ["Ann Lee", "Ann Lee", "Bo Li", "Li Bo Yu", "Zoé", "Boli Yu"]
    people = [student(f"k{n}", name, id=f"2023000{n}") for n, name in enumerate(called)]
    files = {
        f"{place}/{people[n].id if by_id else people[n].name}/{lecture}.ipynb": n
        for place, (n, by_id, lecture) in enumerate(handed_in)
    }
    for file, owner in owners(files and {f: lecture_of(f) for f in files}, people).items():
        if owner.person.is_on_roster:
            assert owner.person.key == f"k{files[file]}"
        else:
            assert called[files[file]] == "Ann Lee" or "another hand-in" in owner.person.doubts[0]


any_name = st.text(st.characters(exclude_characters="/", codec="utf-8"), min_size=1, max_size=12)


@given(
    st.dictionaries(
        st.lists(any_name | CALLED, min_size=1, max_size=4).map("/".join),
        st.sampled_from(["", "02", "03"]),
        max_size=6,
    ),
    st.booleans(),
)
def test_any_names_find_an_owner(files, has_roster):
    found = who_is_who(files, CLASS if has_roster else (), PATTERN)
    assert found.keys() == files.keys()
    assert who_is_who(dict(reversed(files.items())), CLASS if has_roster else (), PATTERN) == found
    people = {owner.person.key: owner.person for owner in found.values()}
    assert all(people[owner.person.key] == owner.person for owner in found.values())


HOSTILE = (
    "_",
    "1_",
    "(",
    "_LATE",
    "_assignsubmission_",
    "a - ",
    "12-3 - ",
    "년1월",
    "x.ipynb",
    "_1_a",
)


def test_hostile_names_take_no_time():
    """Nothing is asserted of time: what is not linear in a name would not end."""
    people = [student(str(n), f"First{n} Last{n % 90}", id=f"2023{n:04}") for n in range(300)]
    files = {
        f"lab{n}.zip/{p.name}_{n}{p.key}_assignsubmission_file_/0{n}.ipynb": f"0{n}"
        for p in people
        for n in range(5)
    }
    files |= {f"{junk * 20_000}{n}.ipynb": "02" for n in range(50) for junk in HOSTILE}
    files |= {"a/" * 20_000 + "kim_02.ipynb": "02", "a/" * 20_001 + "kim_02.ipynb": "02"}
    found = who_is_who(files, people)
    assert len({o.person.key for o in found.values() if o.person.is_on_roster}) == 300


def test_files_that_lie_very_deep_stay_apart():
    deep = "hw2/" * 20
    ann, bob = ([f"{deep}{name}/kim_0{n}.ipynb" for n in (2, 3)] for name in ("ann", "bob"))
    assert groups(owners([*ann, *bob])) == {frozenset(ann), frozenset(bob)}
