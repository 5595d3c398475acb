"""Why the points of an exercise may be fewer than its work deserves. A doubt gives no points.

What the student's own check printed, and what the code asked for and did not find, is known from
what was handed in. Both can be forged: it makes a note to the instructor and a sentence to the
student, no more.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..reports.results import MISSING, UNSOLVED, ExerciseResult
from ..reports.safe_text import one_line
from ..sandbox.settings import DIED, TIMEOUT

Version = tuple[int, ...]
HERE: Version = sys.version_info[:2]
LONGEST_NAME, LONGEST_REASON = 80, 200
# Modules that students use, and the packages that they are in. Nobody is told to install any other
# package: whoever hands in could have made one of that name.
KNOWN = """
    albumentations einops imageio ipywidgets keras kornia lightning networkx pandas plotly requests
    scipy seaborn sympy tensorboard tensorflow timm torchinfo torchmetrics torchsummary torchvision
    torchviz tqdm transformers
    """
OTHERWISE_NAMED = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
PACKAGES = {name: name for name in KNOWN.split()} | OTHERWISE_NAMED
STOPS = r"(?:your code stops with )?"
NO_NAME = re.compile(rf"{STOPS}NameError: name '(\w+)' is not defined")
NO_MODULE = re.compile(rf"{STOPS}ModuleNotFoundError: No module named '([^'\n]+)'")
NO_FILE = re.compile(rf"{STOPS}FileNotFoundError: (.*)")
NO_NETWORK = re.compile(rf"{STOPS}(?:URLError|gaierror|ConnectionError|MaxRetryError): ")
NO_GPU = re.compile(rf"{STOPS}\w+(?:Error|Exception): .*\b(?:CUDA|MPS|NVIDIA)\b")
NO_SYNTAX = re.compile(r"SyntaxError: ")
# What Python 3.12 reads: as an older one complains of it, and as it is written.
ERRORS_OF_3_12 = re.compile(r"f-string(?:: (?:expecting '}'|unmatched)| expression part cannot)")
SYNTAX_OF_3_12 = re.compile(
    r"(?m)^[ \t]*(?:type \w+(?:\[[^]\n]*\])? *=|(?:async )?(?:def|class) \w+\[)"
)


@dataclass(frozen=True)
class Reason:
    """A likely reason for lost points. ``advice`` is for the instructor alone."""

    to_student: str
    to_instructor: str
    advice: str = ""


def with_doubt(
    result: ExerciseResult,
    shown: tuple[float, float] | None = None,
    error: str = "",
    python: str = "",
    has_gpu: bool = False,
) -> tuple[ExerciseResult, str]:
    """Return a result with its doubt, and the note to the instructor; empty if there is none.

    Args:
        result: what grading found, with ``other`` filled in.
        shown: the points that the student's own check printed, and of how many.
        error: the first error in what the answer needs; empty if there was none.
        python: the version of Python that the student had; empty if unknown.
        has_gpu: whether the student's code was given an accelerator.
    """
    result = replace(result, shown=shown[0] if shown else None)
    if result.points >= result.max_points:
        return result, ""
    reasons = [*_reasons(result, error, python, has_gpu)]
    numbers = ""
    if shown and _is_lower(result, *shown):
        reasons.append(_any_reason(result, error, is_partial=shown[0] < shown[1]))
        numbers = f"the notebook shows {shown[0]:g} of {shown[1]:g} points, "
        numbers += f"grading gives {result.points:g}: "
    if not reasons:
        return result, ""
    note = f"{result.id}: {numbers}{reasons[0].to_instructor}{reasons[0].advice}"
    return replace(result, doubt=reasons[0].to_student), note


def _is_lower(result: ExerciseResult, points: float, of: float) -> bool:
    """Return whether grading gives less than was shown, or a smaller part of the points."""
    return result.points < points or result.points * of < points * result.max_points


def _reasons(result: ExerciseResult, error: str, python: str, has_gpu: bool) -> Iterator[Reason]:
    """Yield what speaks against a mistake of the student's.

    Where the answer needs what stopped with an error, all that follows is of this error.
    """
    cause = error or result.hint
    yield from _not_there(cause, has_gpu)
    yield from _not_read(cause, result.source, python)
    if result.other and (result.status in (MISSING, UNSOLVED) or NO_SYNTAX.match(error)):
        yield Reason(*["another definition, which is solved, was not graded"] * 2)


def _not_there(text: str, has_gpu: bool) -> Iterator[Reason]:
    """Yield what an error says to be missing."""
    if found := NO_NAME.match(text):
        name = one_line(found[1], LONGEST_NAME)
        yield Reason(
            f"`{name}` is not defined where your answer runs",
            f"`{name}` is not defined where the answer runs",
        )
    if found := NO_MODULE.match(text):
        yield _no_module(found[1].split(".")[0])
    if found := NO_FILE.match(text):
        path = re.search(r"'([^'\n]+)'", found[1])
        name = one_line(path[1] if path else found[1], LONGEST_NAME)
        yield Reason(
            f"the file {name}, which your machine had, is not where your work was graded",
            f"the file {name}, which the student's machine had, is not here",
        )
    if NO_NETWORK.match(text):
        yield Reason(
            "your code asks for the network, which is not there while it is graded",
            "it asks for the network, which is not there while it is graded",
        )
    if NO_GPU.match(text) and not has_gpu:
        yield Reason(
            "its result was asked for on a GPU, and your work was graded without one",
            "its result was asked for on a GPU, and this grading has none",
            " (grade with --gpu where there is one)",
        )


def _no_module(module: str) -> Reason:
    name = one_line(module, LONGEST_NAME)
    advice = "; it may be a file of the student's own"
    if module in PACKAGES:
        advice = f": pip install {PACKAGES[module]}"
    elif module == "google":
        advice = "; it is there in Colab only"
    return Reason(
        f"the module {name} is not installed where your work was graded",
        f"the module {name} is not installed here",
        advice,
    )


def _not_read(text: str, source: str, python: str) -> Iterator[Reason]:
    """Yield that a newer Python may read what this one does not."""
    if not NO_SYNTAX.match(text):
        return
    here = _in_words(HERE)
    signs = ERRORS_OF_3_12.search(text) or SYNTAX_OF_3_12.search(source)
    if signs and HERE < (3, 12):
        yield Reason(
            f"your cell may use syntax of Python 3.12, and it was graded with {here}",
            f"the cell may use syntax of Python 3.12; this grader runs {here}",
            " (grade with 3.12)",
        )
    had = re.match(r"3\.(\d{1,3})", python)
    if had and (3, int(had[1])) > HERE:
        theirs = _in_words((3, int(had[1])))
        yield Reason(
            f"your cell cannot be read by Python {here}, with which it was graded",
            f"the cell cannot be read by Python {here}, and the student had {theirs}",
            f" (grade with {theirs})",
        )


def _in_words(version: Version) -> str:
    return ".".join(map(str, version))


def _any_reason(result: ExerciseResult, error: str, is_partial: bool) -> Reason:
    """Return what is likely where the student's own check gave more and nothing is missing."""
    to_student = "the check in your notebook gave more points"
    if result.status in (TIMEOUT, DIED):
        return Reason(to_student, one_line(result.hint, LONGEST_REASON))
    if result.status == MISSING:
        return Reason(to_student, "no cell that was handed in defines it")
    if result.status == UNSOLVED:
        return Reason(to_student, "what was handed in is the stub; it may have been changed later")
    if error:
        return Reason(to_student, f"it needs what stops with {one_line(error, LONGEST_REASON)}")
    if result.other:
        return Reason(to_student, "another definition of it was not graded")
    if is_partial and result.points:
        return Reason(to_student, "partly right there and here: the cases are others")
    hint = one_line(result.hint, LONGEST_REASON)
    return Reason(to_student, f"it may have been changed after its check ran; here, {hint}")
