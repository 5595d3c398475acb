"""What in the name of a file or a folder is a person's name, and what is only its label.

Names come from students: they are cut to a length, and no pattern goes over them twice.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ...runtime import project_root

LONGEST = 300  # characters of a part of a path that are looked at

TOKEN = re.compile(r"[^\s_.,:+()\[\]{}（）“”\"–—-]+")
OWN_ID = re.compile(
    r"(?<![^\W_])(?:\d{6,10}|[A-Za-z]{1,2}\d{5,9}|(?:19|20)\d\d-\d{4,6})(?![^\W_])"
)  # 20231234, s1234567, 2023-12345
YEAR = re.compile(r"(?:19|20)\d\d")
DATE = re.compile(r"20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
SHORT_TIME = re.compile(  # 261001, 235959
    r"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
)
# As Moodle numbers people: "Participant 9001", in whatever language, "Teilnehmer/in9001".
PARTICIPANT = re.compile(r"(?:\D+\s|teilnehmer\D*)(\d+)", re.IGNORECASE)
COPIES = re.compile(r"(?<!^)\s*[(\[（](\d{1,3})[)\]）]")  # as browsers and systems number them
COPY_OF = re.compile(
    r"(?:copy of|copie de|kopie von|c[oó]pia d[eoi]|kopia)(?=\s|$)|のコピー|の複製|의\s?사본|"
    r"복사본|사본|的?副本|拷贝|复制",
    re.IGNORECASE,
)
SUFFIX = re.compile(
    r"(?:\.(?:ipynb|zip|json|txt|download|html?|pdf|docx?|py|md|png|jpe?g|tar|gz|7z|rar|heic|gif|"
    r"hwpx?|pages|odt|rtf|xlsx?|csv|pptx?|eml|msg|url|webloc|lnk|pth?|npz|mp4|mov))+"
    r"(?=$|[\s의の的”\"])",
    re.IGNORECASE,
)
# A label counts something: "week 3", "hw2", "3주차".
COUNTED = re.compile(
    r"(?:weeks?|w|hw|homework|labs?|lecture|lec|l|ps|ex|exercise|assignment|a|task|part|tp|td|ch|"
    r"chapter|unit|module|nb|notebook|final|copy|version|ver|v|attempt|submission|blatt|übung|"
    r"aufgabe|과제|실습|숙제|최종|제)\d{1,2}(?:주차|주|차시|차|강|장)?|"
    r"\d{1,2}(?:주차|주|차시|차|강|장)|(?:untitled|copy|image|document|img|dscn?)\d*"
)
_LABELS = """
    notebook notebooks nb submission submissions submitted submit homework homeworks hw assignment
    assignments week weeks lecture lectures lec copy copie kopie copia final finale finalized
    finished done last latest new old updated update corrected fixed version ver draft untitled
    solution solutions solved answer answers lab labs download downloads exercise exercises ex task
    tasks problem problems ps project file files upload uploads colab drive ipynb backup attempt
    try first second third completed complete unit module part chapter ch late resubmission
    abgabe abgaben aufgabe aufgaben hausaufgabe hausaufgaben übung übungen uebung blatt lösung
    loesung kopia devoir devoirs rendu entrega entregas tarea tareas ejercicio ejercicios tp td
    main master readme report notes requirements data model index link
    img dsc dscn pxl image images photo photos picture screenshot scan screen shot kakaotalk re fwd
    bildschirmfoto foto 스크린샷 사진 보고서
    과제 과제물 실습 숙제 제출 제출물 최종 최종본 완성 완성본 수정 수정본 강의 의
    작업 作业 作業 課題 提出 宿題 最終
"""
# These name a person only together with the number or letter behind them.
_KINDS = """
    participant participants teilnehmer teilnehmerin participante student students user group
    groups team teams pair gruppe groupe grupo equipo équipe anon anonymous 참가자 학생 그룹 조 팀
    参加者
"""
LABELS, KINDS = frozenset(_LABELS.split()), frozenset(_KINDS.split())


@dataclass(frozen=True)
class Said:
    """What a name says: of whom, by which student number, and which copy (0: nothing) it is."""

    name: str = ""
    id: str = ""
    copy: int = 0


@functools.lru_cache(maxsize=20_000)
def said(text: str, lecture: str = "") -> Said:
    """Return what the name of a file or folder says; lecture: the id of the file's, if known."""
    text = unicodedata.normalize("NFC", text[:LONGEST])
    copy = COPIES.search(text)
    text = COPY_OF.sub(" ", SUFFIX.sub(" ", COPIES.sub(" ", text)))
    ids, rest = _own_ids(text), _name(OWN_ID.sub(" ", text), lecture)
    dates = [one for one in ids if DATE.fullmatch(one[0])]
    ids = [one for one in ids if one not in dates] or ([] if rest else dates[:1])
    own = ids[0][0] if len({one[0] for one in ids}) == 1 else ""  # of several, none is its own
    if own:
        before, after = (
            OWN_ID.sub(" ", part) for part in (text[: ids[0].start()], text[ids[0].end() :])
        )
        name = _name(after, lecture) or _name(before, lecture) or own
    else:
        name = rest or _name(text, lecture)
    return Said(name, own, int(copy[1]) + 1 if copy else 0)


def _own_ids(text: str) -> list[re.Match[str]]:
    """Return what may be student numbers or dates; none of six digits that is a time beside one."""
    found = list(OWN_ID.finditer(text))
    has_longer = any(len(one[0]) > 6 and not DATE.fullmatch(one[0]) for one in found)
    return [one for one in found if not has_longer or not SHORT_TIME.fullmatch(one[0])]


def _name(text: str, lecture: str) -> str:
    """Return a text without labels, from its first to its last word of a name."""
    tokens = list(TOKEN.finditer(text))
    words = [token[0].casefold() for token in tokens]
    labels = _labels(words, lecture)
    runs: list[str] = []
    start = None
    for place, is_label in enumerate([*labels, True]):
        if not is_label and start is None:
            start = place
        elif is_label and start is not None:
            runs.append(text[tokens[start].start() : tokens[place - 1].end()])
            start = None
    name = " ".join(runs)
    return "" if re.fullmatch(r"\d{0,2}|\W*", name) else name


@functools.lru_cache(maxsize=20_000)
def _is_label(word: str) -> bool:
    """Return whether a word alone is nobody's name."""
    if word in LABELS or word in KINDS or word in lecture_words():
        return True
    return bool(COUNTED.fullmatch(word) or YEAR.fullmatch(word))


def _labels(words: Sequence[str], lecture: str) -> list[bool]:
    """Return for each word whether it is nobody's name."""
    titles = lecture_words()
    found = [_is_label(word) for word in words]
    fixed = list(found)
    for place, word in enumerate(words):
        before = place and words[place - 1]
        is_numbered = word.isdecimal() or len(word) == 1 and word.isalpha()
        if before in KINDS and is_numbered:
            fixed[place - 1] = fixed[place] = False
        elif word.isdecimal() and len(word) <= 2:
            follows = place > 0 and found[place - 1] and words[place - 1] not in KINDS
            leads = place + 1 < len(words) and words[place + 1] in titles
            is_lecture = lecture.isdecimal() and int(word) == int(lecture)
            zero = len(word) == 2 and word[0] == "0"
            fixed[place] = follows or leads or is_lecture or zero
    return fixed


def lecture_named(name: str) -> str:
    """Return the id of the lecture that a file's name holds; "" if none can be seen in it."""
    words = TOKEN.findall(SUFFIX.sub(" ", COPIES.sub(" ", name[:LONGEST])))
    titles = lecture_words()
    for place, word in enumerate(words):
        follows = place + 1 < len(words) and words[place + 1].casefold() in titles
        if re.fullmatch(r"\d\d", word) and (word[0] == "0" or follows or len(words) == 1):
            return word
    return ""


@functools.cache
def lecture_words() -> frozenset[str]:
    """Return the words of the lectures' titles, as their files are called."""
    stems = (path.stem for path in (project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    words = {word for stem in stems for word in stem.casefold().split("_")[1:] if len(word) > 2}
    return frozenset(words)


_BARE = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})


def plain(text: str) -> str:
    """Return a name as equal names are compared: case, Unicode's form and spaces do not count."""
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


@functools.lru_cache(maxsize=20_000)
def bare(text: str) -> str:
    """Return a name without case and accents; letters that are no accents (か, が) stay apart."""
    text = unicodedata.normalize("NFKD", text[:LONGEST].casefold()).translate(_BARE)
    return unicodedata.normalize("NFKC", re.sub("[\u0300-\u036f]", "", text))
