"""A lecture under ``pytest --nbval``: nbval's file and cell, stricter where nbval looks away.

With nbval alone a dead kernel is noticed only when the time is over, all cells after a time-out
count as expected failures, an error that a cell hides passes, and so does a missing figure.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import nbval.plugin
from nbformat import NotebookNode
from nbval.plugin import IPyNbCell, IPyNbFile

from .kernel import KernelDied, WatchedKernel


class LectureFile(IPyNbFile):
    """The notebook of one lecture as a collection of its code cells."""

    def setup(self) -> None:
        """Start the kernel."""
        nbval.plugin.RunningKernel = WatchedKernel
        super().setup()

    def collect(self) -> Iterator[LectureCell]:
        """Yield the code cells."""
        for cell in super().collect():
            yield LectureCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )


class LectureCell(IPyNbCell):
    """One code cell: it runs, reports no error, prints what is stored and shows its figures."""

    def setup(self) -> None:
        """Expect success, also after a cell that timed out."""

    def runtest(self) -> None:
        """Run the cell and compare its outputs.

        Raises NbCellError or KernelDied, with what is wrong.
        """
        self.parent.timed_out = False
        try:
            super().runtest()
        except KernelDied as end:
            self.raise_cell_error(str(end))
        if self.options["skip"]:
            return
        if self.parent.timed_out:
            limit = self.config.option.nbval_cell_timeout
            self.raise_cell_error(f"Timeout of {limit:g} seconds exceeded; the cell hid it")
        if self.parent.kernel.reply.get("status") != "ok" and not self.options["check_exception"]:
            self.raise_cell_error("The kernel reported an error that the outputs do not show")
        if problem := figure_problem(self.cell.outputs, self.test_outputs):
            self.raise_cell_error(problem)


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
