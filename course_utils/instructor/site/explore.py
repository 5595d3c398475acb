"""The explorable pages: what is on them, and how they get into the site.

A piece NAME is `explore/NAME.md` (its text and controls), `explore/NAME.js`, and perhaps numbers
that are made here from the course's data and weights: `data_NAME.js`. Nothing is loaded otherwise.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .explore_attention import attention_data
from .explore_calibration import calibration_data
from .explore_claims import claims_data
from .explore_data import kernels_data
from .explore_garments import garments_data
from .explore_inside import inside_data
from .explore_sizes import sizes_data

HERE = Path(__file__).parent / "explore"
STYLE = "explore.css"
SCRIPTS = ("ops.js", "ui.js")
# Markdown ends a block of HTML at the first empty line.
BLOCK = re.compile(r'^<div class="explore" id=.*?\n(?=\n)', re.DOTALL | re.MULTILINE)
TOCTREE = "```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"
START = """\
The networks of this course are made of **convolutions**. Here is one. Nine weights lie on a window
of the image. Nine products are added up: the sum is one number of the output.

> **Predict.** Which number does *vertical edges* give in the smooth sky, and which on the left edge
> of the building? Move the window there. Then choose another kernel, or change a weight.
"""
SHELL = """\
<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 sans-serif; margin: 0 auto; max-width: 56rem; padding: 0 1rem }}
html[data-theme="dark"] {{ background: #14181e; color: #e6edf3 }}
html[data-theme="dark"] a {{ color: #56b4e9 }}
</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""


@dataclass(frozen=True)
class Piece:
    """One explorable page: its name in addresses, its title, and the lectures that lead to it.

    about: the question that it answers, in one sentence.
    data: makes what `Course.data.NAME` holds; arrays in it are packed.
    helpers: further scripts of the folder that it loads before its own.
    """

    name: str
    title: str
    lectures: tuple[str, ...]
    about: str
    data: Callable[[], dict[str, Any]] | None = None
    helpers: tuple[str, ...] = ()

    @property
    def scripts(self) -> tuple[str, ...]:
        """The scripts that are written by hand, in the order in which they are loaded."""
        return (*SCRIPTS, *self.helpers, f"{self.name}.js")


PIECES = (
    Piece(
        "kernels",
        "Image kernels",
        ("02",),
        "What does a convolution make of a photograph?",
        kernels_data,
    ),
    Piece(
        "sizes",
        "Sizes and fields",
        ("02", "04", "05"),
        "How many numbers does a layer give, and what does each see of the image?",
        sizes_data,
        ("stack.js",),
    ),
    Piece(
        "garments",
        "K-NN beside LeNet-5",
        ("01", "03"),
        "What happens to both when the garment moves by three pixels?",
        garments_data,
        ("inflate.js", "classify.js"),
    ),
    Piece(
        "inside",
        "Inside a network",
        ("02", "05", "09"),
        "What do the layers of VGG-11 make of a picture, and how far does one unit see?",
        inside_data,
        ("inflate.js", "network.js"),
    ),
    Piece(
        "attention",
        "What a patch reads",
        ("14",),
        "What does a patch read in a vision transformer, and how far away is it?",
        attention_data,
        ("inflate.js", "vit.js"),
    ),
    Piece(
        "calibration",
        "Sure, and right?",
        ("09",),
        "Is a network that is 80 % sure right in 80 % of the cases?",
        calibration_data,
    ),
    Piece(
        "claims",
        "Every claim, tried",
        (),
        "How often was each claim of the lectures tried, and how close did it come to failing?",
        claims_data,
    ),
)


def packed(value: object) -> object:
    """Return arrays as what `Course.ops.unpack` reads; all else in a form that JSON has."""
    if isinstance(value, np.ndarray):
        content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"dtype": str(value.dtype), "shape": list(value.shape), "base64": content}
    raise TypeError(f"{type(value).__name__} has no place in a data file")


def data_script(piece: Piece) -> str:
    """Return the script that holds a piece's numbers; empty if it has none."""
    if piece.data is None:
        return ""
    content = json.dumps(piece.data(), default=packed, ensure_ascii=False, separators=(",", ":"))
    return f"Course.data.{piece.name} = {content};\n"


def loading(piece: Piece) -> str:
    """Return the HTML that loads a piece's style and scripts, in their order."""
    names = [*piece.scripts]
    if piece.data is not None:
        names.insert(len(SCRIPTS), f"data_{piece.name}.js")
    lines = [f'<link rel="stylesheet" href="_static/explore/{STYLE}">']
    lines += [f'<script defer src="_static/explore/{name}"></script>' for name in names]
    return "\n".join(lines)


def source_of(piece: Piece) -> str:
    """Return the page of a piece in Markdown, with its scripts."""
    return f"{(HERE / f'{piece.name}.md').read_text('utf-8').rstrip()}\n\n{loading(piece)}\n"


def block_of(name: str) -> str:
    """Return the HTML of a piece alone, to show it on another page."""
    found = BLOCK.search((HERE / f"{name}.md").read_text("utf-8"))
    if not found:
        raise ValueError(f'{name}.md has no <div class="explore" id=…> with an empty line behind')
    return found[0]


def write_scripts(folder: Path, pieces: tuple[Piece, ...] = PIECES) -> None:
    """Write what the pages load into a new folder."""
    folder.mkdir(parents=True)
    for name in {STYLE, *(script for piece in pieces for script in piece.scripts)}:
        shutil.copyfile(HERE / name, folder / name)
    for piece in pieces:
        if piece.data is not None:
            (folder / f"data_{piece.name}.js").write_text(data_script(piece), "utf-8")


def write_explore(source: Path) -> None:
    """Write the pages and their scripts into the folder of a Sphinx project."""
    write_scripts(source / "static" / "explore")
    for piece in PIECES:
        (source / f"{piece.name}.md").write_text(source_of(piece), "utf-8")


def explore_toctree() -> str:
    """Return the list of the pieces for the side bar, in Markdown."""
    entries = "\n".join(f"{piece.title} <{piece.name}>" for piece in PIECES)
    return TOCTREE.format(caption="Explore", entries=entries)


def touch_it(lecture: str) -> str:
    """Return the line of a lecture's page that leads to its pieces, in Markdown; empty if none."""
    links = [f"[{piece.title}]({piece.name}.md)" for piece in PIECES if lecture in piece.lectures]
    return f"**Touch it:** {' · '.join(links)}" if links else ""


def start() -> str:
    """Return what the site begins with, in Markdown: a piece that runs, and links to all others."""
    first, *others = PIECES
    block = block_of(first.name).replace('class="explore"', 'class="explore compact"')
    more = [f"- [{piece.title}]({piece.name}.md): {piece.about}" for piece in others]
    lead = f"[{first.title}]({first.name}.md) has padding, stride and your own photograph."
    return "\n".join([START, block, loading(first), "", f"{lead} More to touch:", "", *more, ""])


def write_plain(folder: Path, pieces: tuple[Piece, ...] = PIECES) -> None:
    """Write the pages alone, without Sphinx: for tests, and to look at them while one writes."""
    from markdown_it import MarkdownIt

    write_scripts(folder / "_static" / "explore", pieces)
    texts = {piece.name: (piece.title, source_of(piece)) for piece in pieces}
    texts["index"] = ("Start", f"# Start\n\n{start()}")
    for name, (title, text) in texts.items():
        body = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
        (folder / f"{name}.html").write_text(SHELL.format(title=title, body=body), "utf-8")
