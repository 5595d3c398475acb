"""What planning and reviewing a submission costs, and how that grows with its number of cells.

    python benchmarks/planning.py [--cells 500 1000 2000 4000]

Submissions of lecture 02 with all exercises solved and many added cells, of four kinds: long
answers beside tiny cells; cells with many names that an answer needs, one through the other; cells
with imports and what changes them; and cells that all bind and use the same name. The growth is
the exponent of the number of cells that the seconds follow: 1 is linear, 2 is quadratic. The table
is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np

from course_utils.instructor.answers.plan import make_plan
from course_utils.instructor.answers.review import review
from course_utils.instructor.answers.skeleton import ANSWER, Skeleton, read_skeleton
from course_utils.instructor.answers.submission import StudentCell, Submission
from course_utils.instructor.cell_names import read_cell
from course_utils.runtime import project_root

NAMES = 10  # that a cell binds
KINDS: dict[str, tuple[Callable[[int], str], Callable[[int], str]]] = {
    # kind: the n-th added cell, and what the answers hold beside the solution with n cells
    "long answers": (lambda n: f"y{n} = 0", lambda n: "long = [" + "0, " * n + "]"),
    "many names": (
        lambda n: "\n".join(f"y{n}_{i} = y{n - 1}_{i} + z{n}_{i}" for i in range(NAMES)),
        lambda n: f"z = y{n - 1}_0",
    ),
    "imports": (
        lambda n: f"import m{n}\nfrom torch import t{n}\nz = t{n}\nz.x = t{n}.y = m{n}",
        lambda n: f"z = m{n - 1}",
    ),
    "one name": (lambda n: f"y = (y, {n})", lambda n: "z = y"),
}


def submission(skeleton: Skeleton, kind: str, count: int) -> Submission:
    """Return the solved lecture with added cells before the first answer."""
    added, beside = KINDS[kind]
    cells = [StudentCell(added(number)) for number in range(count)]
    for step in skeleton.steps:
        source = f"{step.source}\n{beside(count)}" if step.kind == ANSWER else step.source
        cells.append(StudentCell(source, ids=(step.id,)))
    return Submission("a.ipynb", cells=tuple(cells))


def seconds(skeleton: Skeleton, handed_in: Submission) -> float:
    """Return the processor time of the plan and its review; nothing was read before."""
    read_cell.cache_clear()
    began = time.process_time()
    review(make_plan(skeleton, handed_in), skeleton)
    return time.process_time() - began


def growth(counts: list[int], times: list[float]) -> float:
    """Return the exponent of ``counts`` that the times follow."""
    return float(np.polyfit(np.log(counts), np.log(times), 1)[0])


def rows(counts: list[int]) -> Iterator[str]:
    """Yield the lines of the table."""
    skeleton = read_skeleton(project_root() / "notebooks" / "02_convolution.ipynb")
    yield f"| added cells | {' | '.join(f'{count:,}' for count in counts)} | growth |"
    yield "|---" * (len(counts) + 2) + "|"
    for kind in KINDS:
        times = [seconds(skeleton, submission(skeleton, kind, count)) for count in counts]
        found = " | ".join(f"{value:.2f} s" for value in times)
        yield f"| {kind} | {found} | {growth(counts, times):.2f} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[500, 1000, 2000, 4000])
    for row in rows(parser.parse_args().cells):
        print(row, flush=True)


if __name__ == "__main__":
    main()
