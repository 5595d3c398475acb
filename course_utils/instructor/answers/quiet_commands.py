"""Magics and shell commands that honest notebooks are full of: nobody needs to look at them.

A fence is around all of them, and there is no network behind it.
"""

from __future__ import annotations

import re

LINE_MAGICS = """
    autoreload cd colors conda config debug dirs doctest_mode env hist history load_ext ls lsmagic
    matplotlib memit mkdir notebook pdb pdoc pfile pinfo pinfo2 pip precision psource pwd pylab
    quickref reload_ext set_env tb tensorboard tensorflow_version unload_ext uv watermark who who_ls
    whos xmode
    """
CELL_MAGICS = {"html", "latex", "markdown", "svg"}
SHELLS = {"bash", "sh", "shell"}
# What a command is given: no quotes that stay open, nothing that the shell works out; a variable or
# a name in braces is one of the notebook's.
GIVEN = r"""(?:>&[12]|[^;&|`$(){}\\\n'"]|'[^'\n]*'|"[^"`$\\\n]*"|\$\w+|\{\w+\})*"""
TOOL = r"""(?:sudo\ )?(?:
    (?:python3?\ -m\ |uv\ )?pip3? | conda | apt(?:-get)? | git\ (?:clone|pull|status|log|lfs)
    | wget | curl | gdown | kaggle | unzip | tar | gunzip | gzip | unrar | 7z
    | ls | cd | pwd | mkdir | cp | mv | rm | chmod | touch | tree | du | df | free | date | echo
    | nvidia-smi | lscpu | uname | which | whoami | export | python3?\ (?:--version|-V)
    | cat\ /proc/(?:cpuinfo|meminfo)
    )(?![\w./-])"""
FILTER = r"(?:head|tail|grep|wc|sort|uniq|cut)(?![\w./-])"
COMMANDS = re.compile(
    rf"\ *{TOOL}{GIVEN}(?:\|\ *{FILTER}{GIVEN}|(?:&&|\|\||;)\ *{TOOL}{GIVEN})*[;&]?\ *", re.VERBOSE
)


def is_quiet(how: str, arguments: list[str]) -> bool:
    """Return whether a call of IPython's shell needs no look: its method, and what it is given."""
    first, *others = arguments
    if how in ("system", "getoutput"):
        return bool(COMMANDS.fullmatch(first))
    if how == "run_line_magic":
        return first in LINE_MAGICS.split()
    if how != "run_cell_magic":
        return False
    return first in CELL_MAGICS or (first in SHELLS and _all_quiet(others[-1]))


def _all_quiet(script: str) -> bool:
    # A line that begins with "pip install" was read as the magic.
    lines = [line.strip().removeprefix("%") for line in script.splitlines()]
    return all(COMMANDS.fullmatch(line) for line in lines if line and not line.startswith("#"))
