"""Reading what was handed in, as tests do it: a clerk in this process, and things to hand in."""

import io
import json
import tarfile
import zipfile
from itertools import islice
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.instructor.answers.skeleton import Skeleton
from course_utils.instructor.grading import reading
from course_utils.instructor.intake.intake import Intake

GOOD = nbformat.writes(
    new_notebook(
        cells=[new_markdown_cell("# Title"), new_code_cell("a = 1\nb = 2")],
        metadata={"course": {"id": "02", "version": "abc"}},
    )
).encode()
ONE_LECTURE = {"02": Skeleton("02", "v", ())}


class Here:
    """A clerk that works in this process."""

    phase = "reading"

    def __init__(self, skeletons, out=None):
        self.skeletons, self.out = skeletons, out

    def ask(self, what, path, start, broken):
        entries = Intake(self.skeletons, broken=broken, out=self.out).entries(Path(path))
        for entry in islice(entries, start, None):
            yield entry.read().as_json()


def read(paths, passed_over=None, skeletons=ONE_LECTURE, out=None):
    """Return what is handed in at ``paths``, where 02 is the only lecture."""
    return list(reading.read_submissions(paths, Here(skeletons, out), passed_over))


def change(**parts):
    """Return the notebook with other parts."""
    return json.dumps(json.loads(GOOD) | parts).encode()


def zipped(files):
    """Return a zip of files, by their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return buffer.getvalue()


def tarred(files, mode="w"):
    """Return a tar of files, by their names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as out:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class _Raw(zipfile.ZipInfo):
    """An entry whose name is written as it is, and not marked as UTF-8."""

    raw = b""

    def _encodeFilenameFlags(self):
        return self.raw, 0


def zipped_raw(names, content=GOOD):
    """Return a zip of files with names in bytes, in an encoding that it does not tell."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for number, name in enumerate(names):
            entry = _Raw(f"x{number}")
            entry.raw = name
            out.writestr(entry, content)
    return buffer.getvalue()
