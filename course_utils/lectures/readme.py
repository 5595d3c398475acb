"""The parts of the README, and of other Markdown files, that are made from the lectures."""

from __future__ import annotations

import base64
import re

from ..runtime import project_root, write_whole
from .addresses import BADGE, STUDENT_BRANCH, repository
from .files import Lecture, all_lectures

README_FIGURE_TAG = "readme-figure"
FIGURE_PATH = "data/readme_figure.png"


def course_map(lectures: list[Lecture], repository: str, branch: str = STUDENT_BRANCH) -> str:
    """Return the table of lectures as Markdown; its badges lead to the students' edition."""
    rows = ["| | Lecture | Study | Points | Needs | |", "|---|---|---|---|---|---|"]
    for lecture in lectures:
        rows.append(
            f"| {lecture.id} | [{lecture.title}](notebooks/{lecture.path.name}) "
            f"| {lecture.minutes} min | {lecture.points} | {', '.join(lecture.requires) or '–'} "
            f"| [![Open in Colab]({BADGE})]({lecture.colab_url(repository, branch)}) |"
        )
    return "\n".join(rows)


def readme_figure(lectures: list[Lecture]) -> tuple[bytes, str]:
    """Return the figure that the README shows, as PNG bytes and its description.

    It is the stored output of the one cell that carries the tag ``readme-figure``.

    Raises:
        ValueError: no cell with this tag stores a figure.
    """
    import nbformat

    for lecture in lectures:
        for cell in nbformat.read(lecture.path, as_version=4).cells:
            if README_FIGURE_TAG in cell.metadata.get("tags", ()):
                for output in cell.outputs:
                    if "image/png" in output.get("data", {}):
                        alt = output.metadata["image/png"]["alt"]
                        return base64.b64decode(output.data["image/png"]), alt
    raise ValueError(f"no notebook stores a figure in a cell tagged {README_FIGURE_TAG!r}")


def renewed(page: str, part: str, text: str, file: str = "README.md") -> str:
    """Return a page with ``text`` in its ``part``, between that part's two marks.

    Args:
        page: the whole text of the page.
        part: the name between the marks.
        text: what to put between them.
        file: how an error names the page.

    Raises:
        ValueError: the text has lost these marks.
    """
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    marks = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not marks.search(page):
        raise ValueError(f"{file} lacks the marks {begin} and {end}")
    return marks.sub(lambda _: f"{begin}\n{text}\n{end}", page)


def store_part(file: str, part: str, lines: list[str]) -> None:
    """Put lines into a part of one of the course's Markdown files.

    Args:
        file: its path below the course's folder.
        part: its name between the two marks.
        lines: what to write between them.

    Raises:
        ValueError: the file has no such marks.
    """
    path = project_root() / file
    write_whole(path, renewed(path.read_text("utf-8"), part, "\n".join(lines), file).encode())


def renewed_readme(readme: str, lectures: list[Lecture], repository: str) -> str:
    """Return the README's text with what is made from the lectures, and its address, made anew."""
    _, alt = readme_figure(lectures)
    address = re.compile(
        r"((?:git clone (?:--branch \w+ )?|\?repo=)https://github\.com/)[\w.-]+/[\w.-]+"
    )
    readme = address.sub(rf"\g<1>{repository}", readme)
    with_figure = renewed(readme, "figure", f"![{alt}]({FIGURE_PATH})")
    return renewed(with_figure, "course map", course_map(lectures, repository))


def refresh_readme() -> None:
    """Write the README's generated parts and its figure, each in place of the old one at once."""
    root, lectures = project_root(), all_lectures()
    readme = root / "README.md"
    text = renewed_readme(readme.read_text("utf-8"), lectures, repository())
    write_whole(readme, text.encode())
    write_whole(root / FIGURE_PATH, readme_figure(lectures)[0])
