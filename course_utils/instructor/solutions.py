"""Where solutions stand in the cells of answers, and what students see in their place."""

from __future__ import annotations

import re

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
REGION = re.compile(rf"^( *){BEGIN}\n(.*?)^ *{END}$", re.DOTALL | re.MULTILINE)


def stub(source: str) -> str:
    """Return an answer's cell with a stub in place of its solution."""
    return REGION.sub(r"\1raise NotImplementedError", source)


def solution(source: str) -> str:
    """Return the lines of an answer's cell that students must not see."""
    return "\n".join(match[2] for match in REGION.finditer(source))
