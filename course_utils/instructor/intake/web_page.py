"""A web page that was handed in: the notebook may be inside."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

# How the text of a notebook begins, whatever its file is called.
BEGINNING = re.compile(r'\{\s*"(?:cells|metadata|nbformat|nbformat_minor|worksheets)"')
START = re.compile(r"<(pre|script)\b[^<>]*>", re.IGNORECASE)
ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("pre", "script")}


def notebook_in_page(page: str) -> dict[str, Any] | None:
    """Return the notebook that a page holds, as JSON knows it; None if there is none.

    A browser saves the text that it shows in ``<pre>``; GitHub keeps a file's lines in a script.
    """
    for kind, text in _blocks(page):
        for found in (_first_object(text), *(_texts_in(text) if kind == "script" else ())):
            if isinstance(found, str):
                found = _first_object(found)
            if isinstance(found, dict) and "nbformat" in found:
                return found
    return None


def _blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield the text of each ``pre`` and ``script``, with which of these it is."""
    at = 0
    while start := START.search(page, at):
        kind = start[1].lower()
        end = ENDS[kind].search(page, start.end())
        at = end.start() if end else len(page)
        text = page[start.end() : at]
        yield kind, text if kind == "script" else html.unescape(text)


def _first_object(text: str) -> Any:
    """Return what begins like a notebook in a text, if it is JSON."""
    try:
        begin = BEGINNING.search(text)
        return json.JSONDecoder().raw_decode(text, begin.start())[0] if begin else None
    except (ValueError, RecursionError):
        return None


def _texts_in(script: str) -> Iterator[str]:
    """Yield the texts, and the lists of lines, in a script that is JSON."""
    try:
        waiting = [json.loads(script)]
    except (ValueError, RecursionError):
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            if value and all(isinstance(line, str) for line in value):
                yield "\n".join(value)
            else:
                waiting += value
