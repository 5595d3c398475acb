"""A roster is read as learning platforms and spreadsheets write it; a wrong one says what to do."""

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.instructor.people.roster import read_roster

MOODLE = """\
First name,Last name,ID number,Email address,Groups
Jane,Doe,20231234,jane@uni.edu,A
민수,김,20235678,minsu@uni.edu,B
"""
WORKSHEET = """\
Identifier,Full name,Email address,Status,Grade,"Maximum Grade"
Participant 9001,Jane Doe,jane@uni.edu,Submitted,,10
Participant 9002,John Roe,john@uni.edu,No submission,,10
"""
WORKSHEET_DE = """\
ID,"Vollständiger Name",ID-Nummer,E-Mail-Adresse,Status
"Teilnehmer/in 4712","Jane Doe",20231234,jane@uni.de,"Zur Bewertung abgegeben"
"""
WORKSHEET_FR = """\
Identifiant,"Nom complet","Adresse de courriel"
"Participant 4712","Jane Doe",jane@uni.fr
"""
BLIND = "Identifier,Status,Grade\nParticipant 9001,Submitted,\nParticipant 9002,No submission,\n"
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Lab 1 (98765)
,,,,,Manual Posting
    Points Possible,,,,,10
"Doe, Jane",12345,20231234,jdoe7,CS231,8
"Roe, John",12346,,jroe,CS231,
"Student, Test",99,,f00ba4,CS231,
"""
BLACKBOARD = """\
"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Lab 1 [Total Pts: 10] |123"
"Doe"\t"Jane"\t"jdoe7"\t"20231234"\t"8"
"""
CLASSROOM = """\
"identifier","github_username","github_id","name"
"20231234","octo-jane","1","Jane Doe"
"john@uni.edu","","",""
"""
CLASSROOM_GRADES = """\
"assignment_name","github_username","roster_identifier","student_repository_name","points_awarded"
"lab 2","octo-jane","jane@uni.edu","lab-2-octo-jane","0"
"""
BRIGHTSPACE = """\
OrgDefinedId,Username,Last Name,First Name,Email,Lab 1 Points Grade,End-of-Line Indicator
#20231234,#jdoe7,Doe,Jane,jane@uni.edu,8,#
"""


def people(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "roster.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read_roster(path)


def who(found):
    return [(p.name, p.id, p.login, p.email) for p in found]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (MOODLE, ("Jane Doe", "20231234", "", "jane@uni.edu")),
        (WORKSHEET, ("Jane Doe", "", "", "jane@uni.edu")),
        (WORKSHEET_DE, ("Jane Doe", "20231234", "", "jane@uni.de")),
        (WORKSHEET_FR, ("Jane Doe", "", "", "jane@uni.fr")),
        (BLIND, ("Participant 9001", "", "", "")),
        (CANVAS, ("Jane Doe", "20231234", "jdoe7", "")),
        (BLACKBOARD, ("Jane Doe", "20231234", "jdoe7", "")),
        (BRIGHTSPACE, ("Jane Doe", "20231234", "jdoe7", "jane@uni.edu")),
        (CLASSROOM, ("Jane Doe", "20231234", "octo-jane", "")),
        (CLASSROOM_GRADES, ("jane@uni.edu", "", "octo-jane", "jane@uni.edu")),
    ],
    ids=[
        *(
            "moodle",
            "worksheet",
            "worksheet de",
            "worksheet fr",
            "blind",
            "canvas",
            "blackboard",
            "brightspace",
        ),
        *("classroom", "classroom grades"),
    ],
)
def test_what_platforms_export_is_read(tmp_path, table, expected):
    found = people(tmp_path, table)
    assert who(found)[0] == expected
    assert all(p.is_on_roster and p.evidence == "roster" for p in found)


def test_what_a_platform_calls_a_person_is_kept(tmp_path):
    assert [p.aliases for p in people(tmp_path, WORKSHEET)] == [
        ("Participant 9001",),
        ("Participant 9002",),
    ]
    assert [(p.id, p.aliases) for p in people(tmp_path, CANVAS)] == [
        ("20231234", ("12345",)),
        ("12346", ("12346",)),
    ]
    (jane,) = people(tmp_path, WORKSHEET_DE)
    assert jane.aliases == ("Teilnehmer/in 4712",)
    (jane,) = people(tmp_path, WORKSHEET_DE.replace("in 4712", "in4712"))
    assert jane.aliases == ("Teilnehmer/in4712",)
    (jane,) = people(tmp_path, "id,name,student id\n1,Jane Doe,20231234\n")
    assert (jane.id, jane.aliases) == ("20231234", ())


def test_rows_of_canvas_that_are_no_student_are_passed_over(tmp_path):
    assert [p.name for p in people(tmp_path, CANVAS)] == ["Jane Doe", "John Roe"]


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        ("이름,학번,이메일", ("Jane Doe", "0012")),
        ("Name,Matrikelnummer,E-Mail", ("Jane Doe", "0012")),
        ("Nom complet,Numéro étudiant,Courriel", ("Jane Doe", "0012")),
        ("Nombre,Número de identificación,Correo electrónico", ("Jane Doe", "0012")),
        ("氏名,学籍番号,メールアドレス", ("Jane Doe", "0012")),
        ("姓名,学号,邮箱", ("Jane Doe", "0012")),
    ],
)
def test_columns_are_known_in_other_languages(tmp_path, headings, expected):
    (found,) = people(tmp_path, f"{headings}\nJane Doe,0012,j@uni.edu\n")
    assert (found.name, found.id, found.email) == (*expected, "j@uni.edu")


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("Name;Vorname\nDoe;Jane\n", "Jane Doe"),
        ("Nom;Prénom\nDoe;Jane\n", "Jane Doe"),
        ("Nombre;Apellidos\nJane;Doe Roe\n", "Jane Doe Roe"),
        ("id,first_name,last_name,email\njdoe7,Jane,Doe,\n", "Jane Doe"),
        ("Last,First\nDoe,Jane\n", "Jane Doe"),
        ("성;이름\n김;민수\n", "김민수"),
        ('Name\n"Doe, Jane"\n', "Jane Doe"),
        ('Student\n"王, 小明"\n', "王小明"),
    ],
)
def test_names_in_parts_become_one(tmp_path, table, name):
    assert [p.name for p in people(tmp_path, table)] == [name]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "이름,학번\n김민수,20231234\n"),
        ("utf-8-sig", "이름,학번\n김민수,20231234\n"),
        ("utf-16", "이름\t학번\n김민수\t20231234\n"),
        ("utf-16-le", "이름\t학번\n김민수\t20231234\n"),
        ("cp949", "이름,학번\n김민수,20231234\n"),
        ("cp949", "name,id\n김민수,20231234\n"),
        ("cp1252", "Name;Matrikelnummer\nJürgen Müßig;20231234\n"),
        ("cp1252", "prénom;nom;numéro étudiant\nZoé;Lefèvre;20231234\n"),
        ("cp932", "氏名,学籍番号\n田中さくら,20231234\n"),
        ("gb18030", "姓名,学号\n李明,20231234\n"),
    ],
)
def test_the_encoding_is_found(tmp_path, encoding, text):
    (found,) = people(tmp_path, text, encoding)
    assert found.id == "20231234"
    assert found.name in text or found.name == "Zoé Lefèvre"


def test_titles_above_the_columns_and_empty_lines_are_passed_over(tmp_path):
    (found,) = people(tmp_path, "sep=;\n컴퓨터비전 2026;;\n\n이름;학번;조\n;;\n김민수;1234;2\n")
    assert (found.name, found.id) == ("김민수", "1234")


def test_what_spreadsheets_add_to_ids_is_taken_off(tmp_path):
    found = people(tmp_path, 'name,id\nann,="0012"\nbob,20231234.0\n')
    assert [p.id for p in found] == ["0012", "20231234"]


def test_keys_are_the_best_mark_and_no_two_are_equal(tmp_path):
    table = "name,id,login,email\nA,1234,ann,\nB,,bob,\nC,,,c@u.edu\nD,,,\nD,,,\nE,,1234,\n"
    keys = [p.key for p in people(tmp_path, table)]
    assert keys == ["1234", "bob", "c@u.edu", "D", "D (2)", "E"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "is a workbook: save it as CSV"),
        (b"\xd0\xcf\x11\xe0rest", "is a workbook: save it as CSV"),
        ("points,section\n1,2\n", r"line 1: no column has names or ids\. Name the columns"),
        ("", "no column has names or ids"),
        ("name,id\n", "nobody is on this roster"),
        ("name,id\nann,7001\nbob,7002\ncid,07001\n", "line 4: the id 07001 stands in line 2, too"),
        ("name,login\nann,x1\nbob,X1\n", "line 3: the login X1 stands in line 2, too"),
        ("name,id\nann,2.02E+07\n", r"line 2: the spreadsheet has rounded the id to 2\.02E\+07"),
        ("name\n" + "x" * 200_000, r"roster.csv, line 2: field larger than .* Save the table"),
        (b"name\n" + b"x\n" * 3_000_000, "has more than 5 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 99 else "content",
)
def test_a_wrong_roster_says_what_to_do(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        people(tmp_path, content)
    assert str(tmp_path / "roster.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_roster_is_named(tmp_path):
    with pytest.raises(OSError, match="nothing"):
        read_roster(tmp_path / "nothing.csv")


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_file_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("roster") / "roster.csv"
    path.write_bytes(b"name,id\n" + content)
    try:
        found, error = read_roster(path), ""
    except ValueError as problem:
        found, error = (), str(problem)
    assert found or str(path) in error
    assert len({p.key for p in found}) == len(found)


letters = st.characters(categories=["Lu", "Ll", "Lo"], max_codepoint=0xD7A3)


@given(
    names=st.lists(st.text(letters, min_size=2, max_size=9), min_size=1, max_size=9),
    separator=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_nobody_of_a_roster_is_lost(tmp_path_factory, names, separator, encoding):
    path = tmp_path_factory.mktemp("roster") / "roster.csv"
    rows = ["note,name,id".replace(",", separator)]
    rows += [f'"a, b; c"{separator}{name}{separator}{n}' for n, name in enumerate(names, 1)]
    path.write_text("\n".join(rows), encoding)
    found = [(p.name, p.id) for p in read_roster(path)]
    assert found == [(normalize("NFC", name), str(n)) for n, name in enumerate(names, 1)]
