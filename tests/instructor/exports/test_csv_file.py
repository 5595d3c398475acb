"""Another system's table comes back as it was, but for the cells that were filled in."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.instructor.exports.csv_file import BOM, read_csv_file

any_cell = st.text(st.sampled_from('ab ,;\t"\n\r1é田\\='), max_size=6)
tables = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(any_cell, min_size=width, max_size=width), max_size=5)
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("tables") / "table.csv"


def written(rows, delimiter=",", end="\r\n", quoting=csv.QUOTE_MINIMAL):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return text.getvalue()


def read(content, delimiter=","):
    text = content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@given(
    tables,
    st.sampled_from(",;\t"),
    st.sampled_from(["\r\n", "\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
    st.data(),
)
def test_only_what_is_filled_in_changes(file, rows, delimiter, end, quoting, bom, data):
    if any("\r" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # csv writes it without quotes where lines end with "\n"
    header = [f"column {place}" for place in range(len(rows[0]) if rows else 2)]
    content = BOM * bom + written([header, *rows], delimiter, end, quoting).encode()
    file.write_bytes(content)
    table = read_csv_file(file)
    assert table.columns == header
    rows = [row for row in rows if len(row) > 1]
    assert [[cell.value for cell in row] for row in table.rows] == rows
    assert table.content() == content
    if not rows:
        return
    row, column = data.draw(st.tuples(*(st.integers(0, len(x) - 1) for x in (rows, header))))
    value = data.draw(any_cell)
    table.fill(row, column, value)
    rows[row][column] = value
    assert read(table.content(), delimiter)[1:] == rows
    assert table.content().startswith(BOM) == bom


def test_a_table_without_an_end_of_line_and_with_blank_lines_stays_so(file):
    file.write_bytes(b'a,b\n\n"x",1\n\ny,')
    table = read_csv_file(file)
    table.fill(0, 0, "z")
    table.fill(1, 1, "2")
    assert table.content() == b'a,b\n\n"z",1\n\ny,2'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a,b\n1,2,3\n", "row 2 has 3 cells, the first has 2"),
        (b'a,b\n"1,2\n', "a quote in line 2 has no end"),
        ("a,b\n\xe9,1".encode("latin-1"), "is not in UTF-8"),
        ("a,b".encode("utf-16"), "is not in UTF-8"),
    ],
)
def test_what_is_no_table_is_one_clear_error(file, content, problem):
    file.write_bytes(content)
    with pytest.raises(ValueError, match=problem) as caught:
        read_csv_file(file)
    assert "download" in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_file_far_too_large_is_not_read(file, monkeypatch):
    monkeypatch.setattr("course_utils.instructor.exports.csv_file.MOST_BYTES", 10)
    file.write_bytes(b"a,b\n" * 5)
    with pytest.raises(ValueError, match="is it the right file"):
        read_csv_file(file)


def test_an_empty_file_has_no_columns(file):
    file.write_bytes(b"")
    table = read_csv_file(file)
    assert (table.columns, table.rows, table.content()) == ([], [], b"")
