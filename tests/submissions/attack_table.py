"""The attacks of the corpus as a table: what each tries, and what must come of it.

Run as a script it renews the table in the sandbox's README.
"""

from __future__ import annotations

from pathlib import Path

from corpus import POINTS, Handed, all_notebooks

import course_utils.instructor.sandbox as room

TRIES = {
    "points": "points without an answer",
    "escape": "to reach what a kernel must not reach",
    "neighbours": "to reach other submissions",
    "starve": "to end, fill or slow down the grading",
}


def attack_table() -> str:
    """Return a Markdown table of the corpus' attacks."""
    rows = [
        "| attack | tries | points | state | note for the instructor |",
        "|---|---|---|---|---|",
    ]
    rows += map(_row, (h for h in all_notebooks(1, Path("/outside")) if h.category in TRIES))
    return "\n".join(rows)


def _row(handed: Handed) -> str:
    lost = {e: p for e, p in handed.points.items() if p < POINTS[e]}
    points = ", ".join(f"{e}: {p:g} of {POINTS[e]}" for e, p in lost.items()) or "of right results"
    state = "a failure or " * handed.varies + handed.state
    note = handed.note.replace(".*", "…").replace("|", "\\|") or "–"
    return f"| {handed.name} | {TRIES[handed.category]} | {points} | {state} | {note} |"


if __name__ == "__main__":
    readme = Path(room.__file__).with_name("README.md")
    begin, end = "<!-- attacks -->\n", "\n<!-- /attacks -->"
    before, rest = readme.read_text("utf-8").split(begin)
    readme.write_text(f"{before}{begin}{attack_table()}{end}{rest.split(end.strip())[1]}", "utf-8")
