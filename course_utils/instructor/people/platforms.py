"""What learning platforms write into the names of what they hand out.

The outermost part of a path that a platform wrote counts: what lies below it a student named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .names import KINDS, LONGEST, TOKEN, YEAR, said
from .places import MANY

MOST_PARTS = 12  # of a path that are looked at for a platform's folders


@dataclass(frozen=True)
class Record:
    """What a platform says of a file.

    platform: which one; number: what tells its people apart. is_everywhere: whether the number is
    the same in all downloads; else it counts among the files beside. login: what the platform's
    people log in with; id, email: what else it knows of one. text: what it says of them, if that is
    more than the name. depth: how many parts of the path say it.
    """

    platform: str
    number: str
    name: str = ""
    login: str = ""
    id: str = ""
    email: str = ""
    text: str = ""
    is_everywhere: bool = True
    handed_in: str = ""
    attempt: int = 0
    is_late: bool = False
    depth: int = 0


def record_of(parts: Sequence[str]) -> Record | None:
    """Return what a platform wrote into a path; None if nothing."""
    parts = [part[:LONGEST] for part in parts]
    for place, part in enumerate(parts):
        below = parts[place + 1 :]
        for read in READERS:
            if record := read(part, below):
                return replace(record, depth=place + 1 + record.depth)
    return None


_GROUP = re.compile(r"^(?:group|gruppe|groupe|grupo|team)\s*\w{1,3}\s*-\s*(?=\S)", re.IGNORECASE)


def _moodle(part: str, below: Sequence[str]) -> Record | None:
    """``Jane Doe_4711_assignsubmission_file_``, a folder or in front of the file's name.

    Blind: ``Participant_9001_assignsubmission_file_``, in German ``Teilnehmer_in_9001_…``. Of
    groups: ``Group A-Jane Doe_4711_…``.
    """
    before, mark, _ = part.partition("_assignsubmission_")
    name, _, number = before.rpartition("_")
    if not mark or not number.isdecimal() or not name:
        return None
    if name.casefold().replace("_", "") in KINDS:
        name = f"{name} {number}"
    name = _GROUP.sub("", name).replace("_", " ").strip()
    return Record("moodle", number, name, is_everywhere=False)


_BLACKBOARD = re.compile(r"_attempt_(\d{4}-\d\d-\d\d)-(\d\d)-(\d\d)-\d\d")
_LOGIN = re.compile(r"(?!\d+_)\S+")


def _blackboard(part: str, below: Sequence[str]) -> Record | None:
    """``Lab 2_jdoe7_attempt_2026-10-01-12-00-00_file.ipynb``.

    Where the login begins, the names beside it tell: see `blackboard_logins`.
    """
    match = _BLACKBOARD.search(part)
    before = part[: match.start()] if match else ""
    if not match or "_" not in before or before.endswith("_"):
        return None
    when = f"{match[1]}T{match[2]}:{match[3]}"
    return Record("blackboard", before.casefold(), before, handed_in=when)


def blackboard_logins(names: Collection[str], roster: Collection[str]) -> dict[str, str]:
    """Return the login in each name of one download, as ``ann_m`` in ``Lab 2_ann_m``.

    It is what is behind the last "_", as in all other downloads, unless the roster knows others, or
    two people would have the same. Then what most names begin with is the assignment's; of equally
    many it is the shortest, or of many names the longest.
    """
    pairs = [(_start(name, login), login) for name in names for login in _logins(name)]
    shared = Counter(start for start, _ in pairs)
    known = Counter(start for start, login in pairs if login.casefold() in roster)
    last = {name: _logins(name)[-1] for name in names}
    beside = Counter((start, last[start + login]) for start, login in pairs)

    def fits(start: str) -> tuple[int, int, int]:
        return known[start], shared[start], len(start) * (1 if shared[start] >= MANY else -1)

    def login_in(name: str) -> str:
        ends = _logins(name)
        is_several = any(beside[_start(name, end), last[name]] > 1 for end in ends)
        if not is_several and not any(known[_start(name, end)] for end in ends):
            return last[name]
        return max(ends, key=lambda end: fits(_start(name, end)))

    return {name: login_in(name) for name in names}


def _start(name: str, login: str) -> str:
    return name.removesuffix(login)


def _logins(name: str) -> list[str]:
    """Return what may be the login at the end of a name, the longest first."""
    words = name.split("_")
    ends = ["_".join(words[place:]) for place in range(1, len(words))]
    return [end for end in ends if _LOGIN.fullmatch(end)] or ends[-1:]


def _brightspace(part: str, below: Sequence[str]) -> Record | None:
    """``12345-67890 - Jane Doe - Oct 1, 2026 1205 PM``, a folder or in front of the file's name."""
    numbers, *rest = part.split(" - ")
    match = re.fullmatch(r"(\d+)-\d+", numbers.strip())
    if not match or not rest:
        return None
    return Record("brightspace", match[1], rest[0].strip(), handed_in=moment(" ".join(rest[1:])))


GRADESCOPE_LIST = "submission_metadata.yml"


def own_pages(names: Collection[str]) -> set[str]:
    """Return what platforms put beside the folders of students.

    That is Brightspace's ``index.html`` and Gradescope's list of who handed in what.
    """
    kinds = {"index.html": _brightspace, GRADESCOPE_LIST: _gradescope}
    pages = {name for name in names if name.rpartition("/")[2] in kinds}
    folders: dict[str, set[str]] = {page: set() for page in kinds}
    for name in names if pages else ():
        parts = name.split("/")
        for place, part in enumerate(parts[:MOST_PARTS]):
            for page, read in kinds.items():
                if read(part[:LONGEST], parts[place + 1 :]):
                    folders[page].add("/".join(parts[:place]))
    return {page for page in pages if page.rpartition("/")[0] in folders[page.rpartition("/")[2]]}


_CANVAS = re.compile(r"_(?:(late)_)?(\d{3,})_\d{3,}_", re.IGNORECASE)


def _canvas(part: str, below: Sequence[str]) -> Record | None:
    """``doejane_LATE_12345_678901_file-1.ipynb``; the name may have underscores, too."""
    match = _CANVAS.search(part)
    if not match or not match.start() or YEAR.fullmatch(match[2]):
        return None
    again = re.search(r"-(\d{1,2})\.\w+$", part[match.end() - 1 :])
    return Record(
        "canvas",
        match[2],
        part[: match.start()].replace("_", " ").strip(),
        attempt=int(again[1]) + 1 if again else 1,
        is_late=bool(match[1]),
    )


GRADESCOPE = re.compile(r"submission_(\d{4,})(?: at (\S+)Z)?(?: by (.+))?")


def _gradescope(part: str, below: Sequence[str]) -> Record | None:
    """``submission_123456/``: nothing of the person.

    With its list, ``submission_123456 at 2026-10-01T1205Z by Jane Doe (4711, jane@uni.edu)/``; of
    a group, people with ";" between them.
    """
    match = GRADESCOPE.fullmatch(part)
    if not match or not below:
        return None
    if not match[3]:
        return Record("gradescope", match[1], f"submission {match[1]}")
    people = [_marked(text) for text in match[3].split("; ")]
    name = ", ".join(name for name, *_ in people)
    marks = [id or email for _, id, email in people]
    number = "+".join(sorted(marks)).casefold() if all(marks) else match[1]
    _, id, email = people[0] if len(people) == 1 else ("", "", "")
    return Record(
        "gradescope", number, name, id=id, email=email, text=match[3], handed_in=_local(match[2])
    )


def _marked(text: str) -> tuple[str, str, str]:
    """Return name, id and e-mail of "Jane Doe (4711, jane@uni.edu)"; either may be missing."""
    name, _, rest = text.partition(" (")
    marks = rest.rstrip(")").split(", ")
    id = next((mark for mark in marks if "@" not in mark), "")
    return name, id, next((mark for mark in marks if "@" in mark), "")


def _local(when: str | None) -> str:
    """Return a time in UTC as the clocks of this machine show it."""
    try:
        moment = datetime.strptime(f"{when}+0000", "%Y-%m-%dT%H%M%z")
    except ValueError:
        return ""
    return f"{moment.astimezone():%Y-%m-%dT%H:%M}"


def _sakai(part: str, below: Sequence[str]) -> Record | None:
    """``Doe, Jane(jdoe7)/Submission attachment(s)/file.ipynb``."""
    match = re.fullmatch(r"([^()]+)\(([^()]+)\)", part)
    if not match or not below or not below[0].casefold().startswith("submission attachment"):
        return None
    return Record("sakai", match[2].casefold(), match[1].strip(), match[2])


def _teams(part: str, below: Sequence[str]) -> Record | None:
    """``Submitted files/Jane Doe/Lab 2/Version 2/file.ipynb``."""
    if part.casefold() not in ("submitted files", "eingereichte dateien") or len(below) < 2:
        return None
    versions = (re.fullmatch(r"version (\d{1,3})", name.casefold()) for name in below[1:])
    attempt = max((int(match[1]) for match in versions if match), default=0)
    return Record("teams", below[0], below[0], is_everywhere=False, attempt=attempt, depth=1)


def _nbgrader(part: str, below: Sequence[str]) -> Record | None:
    """``submitted/jdoe7/ps1/ps1.ipynb``."""
    if part != "submitted" or len(below) < 3 or not said(below[0]).name:
        return None
    return Record("nbgrader", below[0], below[0], below[0], depth=1)


READERS: tuple[Callable[[str, Sequence[str]], Record | None], ...] = (
    _moodle,
    _blackboard,
    _brightspace,
    _canvas,
    _gradescope,
    _sakai,
    _teams,
    _nbgrader,
)

# How months begin, in the languages that platforms write dates in.
MONTHS = (
    ("jan", "ene", "gen", "sty"),
    ("feb", "fév", "fev", "lut"),
    ("mar", "mär", "mrt"),
    ("apr", "avr", "abr", "kwi"),
    ("may", "mai", "maj", "mei", "mag"),
    ("jun", "juin", "giu", "cze"),
    ("jul", "juil", "lug", "lip"),
    ("aug", "aoû", "ago", "sie"),
    ("sep", "set", "wrz"),
    ("oct", "okt", "ott", "out", "paź"),
    ("nov", "lis"),
    ("dec", "dez", "déc", "dic", "gru"),
)
_BY_NUMBERS = re.compile(r"(\d{4})\s?[年년.-]\s?(\d{1,2})\s?[月월.-]\s?(\d{1,2})")


def moment(text: str) -> str:
    """Return a date in words, as "2026-10-01T12:05"; "" if it is none."""
    text = text[:60].casefold()
    words = TOKEN.findall(text.replace(":", ""))
    month = next((n for word in words if (n := _month(word))), 0)
    year = next((word for word in words if re.fullmatch(r"20\d\d", word)), "")
    day = next((word for word in words if re.fullmatch(r"\d{1,2}", word)), "")
    rest = text.partition(year)[2] if year else ""
    if numbers := _BY_NUMBERS.search(text):
        year, month, day = numbers[1], int(numbers[2]), numbers[3]
        rest = text[numbers.end() :]
    hour, minute = _time(rest)
    try:
        return datetime(int(year), month, int(day), hour, minute).isoformat(timespec="minutes")
    except ValueError:
        return ""


def _month(word: str) -> int:
    """Return which month a word names; 0 if none. "juin" and "juil" begin alike."""
    fits = [(len(b), n) for n, starts in enumerate(MONTHS, 1) for b in starts if word.startswith(b)]
    return max(fits)[1] if fits else 0


def _time(text: str) -> tuple[int, int]:
    """Return hour and minute of "1205 pm", "12:05", "오후 1205"; midnight if there is none."""
    match = re.search(r"(?<!\d)(\d{1,2})[:.h]?(\d\d)(?!\d)", text)
    if not match:
        return 0, 0
    hour, is_afternoon = int(match[1]), re.search(r"\bp\.?\s?m|오후|午後|下午", text)
    is_morning = re.search(r"\ba\.?\s?m|오전|午前|上午", text)
    if is_afternoon and hour < 12:
        hour += 12
    return (0 if is_morning and hour == 12 else hour), int(match[2])
