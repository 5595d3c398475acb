"""Names come out in the letters that they had, harmless, and each different."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reader import GOOD, read, zipped, zipped_raw

from course_utils.instructor.intake.file_names import decoded, distinct, plain_path

NAMES = {
    "cp949": [
        "김민수/02_convolution.ipynb",
        "이영희/과제2.ipynb",
        "박서준_hw1",
        "황보라/뷁",
        "독고영재",
    ],
    "cp932": [
        "山田太郎/02.ipynb",
        "佐藤花子_課題2",
        "鈴木一郎",
        "高橋さくら",
        "ソフィア表/能",
        "田中_提出",
    ],
    "gbk": ["王小明/02.ipynb", "张伟_作业2", "李娜", "陈丽", "欧阳修/副本", "诸葛亮", "曾国藩"],
    "cp437": ["Jörg_Müller/02.ipynb", "Zoë", "François", "José Nuñez", "Björn Åkesson", "Weiß"],
    "cp850": ["Françoise Hélène", "Óscar Ibáñez", "Ángel Muñoz", "Élodie Desprès", "João", "Özil"],
    "cp852": ["Paweł Wójcik/02.ipynb", "Małgorzata Dąbrowska", "Łukasz Żółć", "Święty jaźń"],
}
CLASSES = [(codec, names) for codec, names in NAMES.items()]
# Names of one kind in their letters: any class of them is read, not only this one.
SYLLABLES = st.text(
    st.sampled_from("김이박최정민서준지우현수영하은연경희재훈"), min_size=2, max_size=4
)
KANA = st.text(
    st.sampled_from("あいうえおかきくけこさしすせそアイウエオカキクケコ田山川本村"), min_size=3
)
HANZI = st.text(st.sampled_from("王李张刘陈杨黄赵吴周小明伟丽华文国建军"), min_size=2, max_size=3)


@pytest.mark.parametrize(("codec", "names"), CLASSES, ids=NAMES)
def test_a_class_is_read_in_its_letters(codec, names):
    assert decoded([name.encode(codec) for name in names]) == names


@pytest.mark.parametrize(("codec", "names"), CLASSES, ids=NAMES)
def test_the_other_names_of_the_archive_tell_how_to_read_one(codec, names):
    ascii_names = [b"class/README.md"] * 20
    assert decoded([*ascii_names, *(n.encode(codec) for n in names)])[20:] == names


@pytest.mark.parametrize("codec", ["cp949", "cp932", "gbk", "cp437", "cp850"])
def test_even_one_name_is_enough(codec):
    for name in NAMES[codec]:
        assert decoded([name.encode(codec)]) == [name]


@given(st.lists(SYLLABLES, min_size=3, max_size=30))
def test_korean_classes(names):
    assert decoded([f"{name}/02.ipynb".encode("cp949") for name in names]) == [
        f"{name}/02.ipynb" for name in names
    ]


@given(st.lists(KANA, min_size=3, max_size=30))
def test_japanese_classes(names):
    assert decoded([name.encode("cp932") for name in names]) == names


@given(st.lists(HANZI, min_size=3, max_size=30))
def test_chinese_classes(names):
    assert decoded([name.encode("gbk") for name in names]) == names


@given(st.lists(st.text(max_size=20), max_size=10))
def test_utf_8_is_always_taken_for_itself(names):
    names = [name.encode("utf-8", "ignore").decode() for name in names]
    assert decoded([name.encode() for name in names]) == names


@given(st.lists(st.binary(max_size=30), max_size=10))
@example([b"\xe1\x80", b"\x80"])
def test_any_bytes_are_read(names):
    assert len(decoded(names)) == len(names)


def test_names_in_a_zip_are_read(tmp_path):
    for codec, names in NAMES.items():
        raw = [f"{name.partition('/')[0]}/a.ipynb".encode(codec) for name in names]
        (tmp_path / f"{codec}.zip").write_bytes(zipped_raw(raw))
        found = {s.file for s in read([tmp_path / f"{codec}.zip"])}
        assert found == {f"{codec}.zip/{name.partition('/')[0]}/a.ipynb" for name in names}


def test_each_zip_in_a_zip_has_its_own_encoding(tmp_path):
    inner = {
        f"{codec}.zip": zipped_raw([f"{NAMES[codec][2]}.ipynb".encode(codec)])
        for codec in ("cp949", "cp932", "gbk")
    }
    (tmp_path / "class.zip").write_bytes(zipped(inner | {"김민수.ipynb": GOOD}))
    found = {s.file.removeprefix("class.zip/") for s in read([tmp_path / "class.zip"])}
    assert found == {"김민수.ipynb"} | {f"{c[:-4]}.zip/{NAMES[c[:-4]][2]}.ipynb" for c in inner}


def test_composed_and_decomposed_letters_are_the_same(tmp_path):
    decomposed = unicodedata.normalize("NFD", "김민수 Zoë.ipynb")
    (tmp_path / decomposed).write_bytes(GOOD)
    (tmp_path / "a.zip").write_bytes(zipped_raw([decomposed.encode()]))
    found = [s.file for s in read([tmp_path])]
    assert found == ["a.zip/김민수 Zoë.ipynb", "김민수 Zoë.ipynb"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("alice\\02.ipynb", "alice/02.ipynb"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\class\\.\\ada.ipynb", "class/ada.ipynb"),
        ("\\\\server\\share\\a", "server/share/a"),
        ("a//b/", "a/b"),
        ("a\0b\ud800.ipynb", "ab?.ipynb"),
        ("..", "a file without a name"),
        ("", "a file without a name"),
    ],
)
def test_paths_lead_nowhere_else(name, plain):
    assert plain_path(name) == plain


@given(st.text())
def test_any_path_is_plain(name):
    plain = plain_path(name)
    assert plain == plain_path(plain)
    assert not {"", ".", ".."} & set(plain.split("/"))
    plain.encode()


@given(st.lists(st.sampled_from(["a.txt", "a (2).txt", "b/a.txt", ".ipynb", "a", "a (2)"])))
def test_names_become_distinct_and_none_is_lost(names):
    found = distinct(names)
    assert len(set(found)) == len(names)
    assert found[:1] == names[:1]


def test_the_second_of_a_name_keeps_its_suffix():
    assert distinct(["b/a.zip", "b/a.zip", "b/a.zip"]) == ["b/a.zip", "b/a (2).zip", "b/a (3).zip"]
