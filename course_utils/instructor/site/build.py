"""Build the site with Sphinx, from the students' edition or from the notebooks as they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from ... import lectures as course
from ...lectures import STUDENT_BRANCH, Lecture, all_lectures
from ..release.edition import release, replaced
from .checks import problems
from .explore import write_explore
from .pages import write_pages

HERE = Path(__file__).parent
NEEDED = {  # import name: name to install
    "sphinx": "sphinx",
    "myst_nb": "myst-nb",
    "sphinx_book_theme": "sphinx-book-theme",
    "mathjax": "django-static-mathjax",
}
# <script … src="_static/scripts/fontawesome.js?digest=…"></script>, and links that load it early
ICONS = re.compile(r"<(script|link)\b[^>]*/fontawesome\.js[^>]*>(</script>)?")


class NotBuilt(RuntimeError):
    """The site could not be built, or has faults; the message names the pages."""


def missing_packages() -> list[str]:
    """Return the names of the packages that the site needs and that are not installed."""
    return [name for module, name in NEEDED.items() if find_spec(module) is None]


def build(
    out: Path,
    *,
    solutions: bool = False,
    repository: str | None = None,
    branch: str = STUDENT_BRANCH,
) -> int:
    """Write the site into the folder ``out``, in place of an earlier one. Return its pages' count.

    solutions: show the notebooks as they are, for instructors; otherwise the students' edition.
    repository, branch: where students find the course; the "Open in Colab" buttons lead there.

    Raises:
        NotBuilt: a package is missing, Sphinx warned, or the site has faults.
        ValueError: the students' edition is refused, or a figure has no description.
        FileExistsError: ``out`` holds something else than an earlier site.
    """
    repository = repository or course.repository()
    if missing := missing_packages():
        verb = "is" if len(missing) == 1 else "are"
        names = ", ".join(missing)
        raise NotBuilt(f"{names} {verb} missing: python -m pip install -e '.[site]'")
    with replaced(out.resolve(), "site") as tree, tempfile.TemporaryDirectory() as work:
        lectures = all_lectures() if solutions else students(Path(work), repository, branch)
        source = Path(work) / "source"
        write_source(source, lectures, repository, branch)
        run_sphinx(source, tree)
        lighten(tree)
        if found := problems(tree):
            raise NotBuilt("the site has faults:\n" + "\n".join(found))
        return len(list(tree.glob("*.html")))


def students(work: Path, repository: str, branch: str) -> list[Lecture]:
    """Write the students' edition below ``work``, and return its lectures."""
    edition = work / "edition"
    lectures = release(edition, repository, branch)
    return [replace(x, path=edition / "notebooks" / x.path.name) for x in lectures]


def write_source(source: Path, lectures: list[Lecture], repository: str, branch: str) -> None:
    """Write a complete Sphinx project: pages, settings, style and MathJax."""
    shutil.copytree(HERE / "static", source / "static")
    shutil.copyfile(HERE / "conf.py", source / "conf.py")
    spec = find_spec("mathjax")
    if spec is None or spec.origin is None:
        raise NotBuilt(f"{NEEDED['mathjax']} is damaged: install it again")
    mathjax = Path(spec.origin).parent / "static" / "mathjax"
    (source / "static" / "mathjax").mkdir()
    for name in ("es5/tex-svg.js", "LICENSE"):
        shutil.copy(mathjax / name, source / "static" / "mathjax")
    write_explore(source)
    write_pages(source, lectures, repository, branch)


def run_sphinx(source: Path, out: Path) -> None:
    """Run Sphinx. Raises NotBuilt with its warnings."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-b",
        "html",
        "-q",
        "-W",
        "--keep-going",
        "-j",
        "auto",
    ]
    command += ["-d", str(source.parent / "doctrees"), str(source), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NotBuilt(f"Sphinx failed:\n{done.stderr.strip()}".replace(f"{source}/", ""))


def lighten(site: Path) -> None:
    """Take out the script with all icons of the theme: `course.css` has those in use."""
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        page.write_text(ICONS.sub("", text), "utf-8")
    (site / "_static" / "scripts" / "fontawesome.js").unlink(missing_ok=True)
