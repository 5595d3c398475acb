"""A lecture under ``pytest --nbval``: nbval's file and cell, stricter where nbval looks away.

With nbval alone a dead kernel is noticed only when the time is over, all cells after a time-out
count as expected failures, an error that a cell hides passes, and so does a missing figure.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any, NoReturn

import nbval.plugin
import pytest
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from .kernel import KernelDied, LectureKernel

OUTPUT_SECONDS = 30  # for outputs that come after a cell's answer: a busy machine is slow


class LectureFile(IPyNbFile):
    """The notebook of one lecture as a collection of its code cells.

    ``end`` says what ended the lecture before its last cell; empty while it goes on.
    """

    end = ""
    is_told = False

    def setup(self) -> None:
        """Start the kernel."""
        nbval.plugin.RunningKernel = LectureKernel
        super().setup()

    def collect(self) -> Iterator[LectureCell]:
        """Yield the code cells."""
        for cell in super().collect():
            yield LectureCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )

    def refuse(self) -> str:
        """Return why a cell does not run. Only the first that asks fails; the others are skipped.

        Raises:
            pytest.skip.Exception: the lecture's failure is told already.
        """
        reason = f"not run: {self.end}"
        if self.is_told:
            pytest.skip(reason)
        self.is_told = True
        return reason


class LectureCell(IPyNbCell):
    """One code cell: it runs, reports no error, prints what is stored and shows its figures."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.output_timeout = OUTPUT_SECONDS

    def setup(self) -> None:
        """Expect success, also after a cell that timed out."""

    def runtest(self) -> None:
        """Run the cell and compare its outputs.

        Raises:
            NbCellError: it says what is wrong, or that the lecture ended before this cell.
        """
        lecture = self.parent
        if lecture.end:
            self.raise_cell_error(lecture.refuse())
        lecture.timed_out = False
        try:
            super().runtest()
        except KernelDied as death:
            lecture.end = f"the kernel died in cell {self.cell_num}"
            self.raise_cell_error(str(death))
        except NbCellError as error:
            if not lecture.timed_out:
                raise
            self.stopped(str(error), error.inner_traceback)
        if self.options["skip"]:
            return
        if lecture.timed_out:
            self.stopped("", "The cell hid it.")
        if lecture.kernel.reply.get("status") != "ok" and not self.options["check_exception"]:
            self.raise_cell_error("The kernel reported an error that the outputs do not show")
        problem = figure_problem(self.cell.outputs, self.test_outputs)
        if problem and lecture.compare_outputs:  # not with --nbval-lax
            self.raise_cell_error(problem)

    def stopped(self, reason: str, traceback: str | None) -> NoReturn:
        """Fail, and with it the rest of the lecture: its variables are not what they should be.

        Raises:
            NbCellError: it says what the cell used too much of, or else ``reason``.
        """
        self.parent.end = f"cell {self.cell_num} was stopped"
        reason = self.parent.kernel.budget.excess or reason
        raise NbCellError(self.cell_num, f"stopped: {reason}", self.cell.source, traceback)


def figure_problem(stored: list[NotebookNode], shown: list[NotebookNode]) -> str | None:
    """Return what is wrong with the figures of a cell, which nbval does not look at."""
    wanted, got = pictures(stored), pictures(shown)
    if len(got) != len(wanted):
        return f"The cell shows {len(got)} figures; {len(wanted)} are stored"
    blank = [number for number, png in enumerate(got, start=1) if is_blank(png)]
    return f"Figure {blank[0]} of this cell is blank" if blank else None


def pictures(outputs: list[Any]) -> list[str]:
    """Return the PNG pictures among a cell's outputs, as base64."""
    return [o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {})]


def is_blank(png: str) -> bool:
    """Return whether a base64 PNG has less than four different grey levels."""
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("L")
    return len(picture.getcolors(256) or ()) < 4
