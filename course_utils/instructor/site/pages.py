"""The sources of the site: the lectures' notebooks made ready for Sphinx, and the first page."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from ...lectures import BADGE, Lecture, course_map, readme_figure
from ...lectures.evidence import claims_table, evidence_of
from ...lectures.files import WIDGET_STATE
from ..release.edition import students_readme
from .explore import explore_toctree, start, touch_it

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
FIGURE_NAME = "first_page.png"
EVIDENCE = """\
## Evidence

Each line with ✓ above is a claim. It was tried before you read it: this lecture was run with
{seeds} seeds, and at {budgets} times its training length. When the bounds were set, {fresh} further
seeds tried them; a bound that one of these broke was widened. *Tried* says in how many runs,
*held* in how many of them the claim was true. The *margin* is how far inside its bound the number
lay in the worst run. *Deviations* is the distance of the mean from the bound, in standard
deviations between the runs; a dash says that all runs gave the same number.
[All lectures' claims](claims.md) can be sorted.

<details>
<summary>{count} claims, tried {tried} times, held {held} times</summary>

{table}

</details>
"""
BADGE_LINK = re.compile(rf"\[!\[([^]]*)\]\({re.escape(BADGE)}\)\]\(([^)]*)\)")


def with_buttons(markdown: str) -> str:
    """Return a text with links in place of badges: their image would come from the network."""
    return BADGE_LINK.sub(r"[\1](\2){.colab-button}", markdown)


def page(notebook: NotebookNode) -> NotebookNode:
    """Make a notebook ready for Sphinx, in place, and return it.

    Raises:
        ValueError: a cell has several figures, or a figure has no description.
    """
    widgets = notebook.metadata.pop("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_buttons(cell.source)
            continue
        if "nbgrader" in cell.metadata:
            cell.metadata.tags = [*cell.metadata.get("tags", ()), "exercise"]
        for output in cell.outputs:
            if WIDGET_VIEW in output.get("data", {}):
                output.data = shown_widget(output.data[WIDGET_VIEW]["model_id"], widgets)
        describe_figure(cell)
    return notebook


def describe_figure(cell: NotebookNode) -> None:
    """Pass the description of a cell's figure on to myst-nb, which knows one a cell.

    Raises ValueError.
    """
    figures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
    shown = [figure.metadata.get("image/png", {}) for figure in figures]
    if len(shown) > 1:
        raise ValueError(f"cell {cell.id} has {len(shown)} figures: split it, one figure a cell")
    if shown:
        if not shown[0].get("alt"):
            raise ValueError(f"the figure of cell {cell.id} has no description: use described()")
        cell.metadata.mystnb = {"image": {"alt": shown[0].alt}}


def shown_widget(model_id: str, widgets: dict) -> NotebookNode:
    """Return what a page shows of a widget, which needs a kernel: its stored figures and texts."""
    parts, pending = [], [model_id]
    while pending:
        state = widgets.get(pending.pop(0), {}).get("state", {})
        if state.get("_model_name") == "HTMLModel":
            parts.append(f"<div>{state['value']}</div>")
        pending += [child.removeprefix("IPY_MODEL_") for child in state.get("children", ())]
    note = "<p><em>In a running notebook, sliders change this.</em></p>"
    return NotebookNode({"text/html": "\n".join([note, *parts])})


def first_page(lectures: list[Lecture], repository: str, branch: str) -> str:
    """Return the first page: the students' README with a piece and the course map; all pages."""
    table = with_buttons(course_map(lectures, repository, branch)).replace("](notebooks/", "](")
    _, alt = readme_figure(lectures)
    table = f"{start()}\n## The lectures\n\n{{.course-map}}\n{table}\n\n![{alt}]({FIGURE_NAME})"
    text = students_readme(table, repository, branch)
    entries = [f"{lecture.id} · {lecture.title} <{lecture.path.stem}>" for lecture in lectures]
    lectures_list = ["```{toctree}", ":hidden:", ":caption: Lectures", "", *entries, "```", ""]
    return "\n".join([text, explore_toctree(), *lectures_list])


def with_evidence(notebook: NotebookNode, lecture: str) -> NotebookNode:
    """Add what became of a lecture's claims in its stored runs, in place, if there are any."""
    if found := evidence_of(lecture):
        text = EVIDENCE.format(
            seeds=max(one.seeds for one in found),
            fresh=max(one.fresh for one in found),
            budgets=" and ".join(f"{budget:g}" for budget in found[0].budgets),
            count=len(found),
            tried=sum(one.tried for one in found),
            held=sum(one.held for one in found),
            table="\n".join(claims_table(found)),
        )
        notebook.cells.append(new_markdown_cell(text))
    return notebook


def with_pieces(notebook: NotebookNode, lecture: str) -> NotebookNode:
    """Add the links to a lecture's explorable pages behind its title and promise, in place."""
    if links := touch_it(lecture):
        notebook.cells[0].source += f"\n\n{links}"
    return notebook


def write_pages(folder: Path, lectures: list[Lecture], repository: str, branch: str) -> None:
    """Write the sources of all pages. Raises ValueError, naming the notebook."""
    for lecture in lectures:
        notebook = nbformat.read(lecture.path, as_version=4)
        try:
            made = with_evidence(with_pieces(page(notebook), lecture.id), lecture.id)
        except ValueError as error:
            raise ValueError(f"{lecture.path.name}: {error}") from error
        (folder / lecture.path.name).write_text(nbformat.writes(made), "utf-8")
    (folder / "index.md").write_text(first_page(lectures, repository, branch), "utf-8")
    (folder / FIGURE_NAME).write_bytes(readme_figure(lectures)[0])
