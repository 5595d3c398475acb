"""The threat model names tests that exist, and its table of attacks is that of the corpus."""

import re
from pathlib import Path

from attack_table import attack_table

import course_utils.instructor.sandbox as room
from course_utils.runtime import project_root

README = Path(room.__file__).with_name("README.md")


def test_each_promise_names_a_test():
    named = set(re.findall(r"`(test_\w+)`", README.read_text("utf-8")))
    files = (project_root() / "tests").rglob("test_*.py")
    there = {name for f in files for name in re.findall(r"def (test_\w+)", f.read_text("utf-8"))}
    assert len(named) > 25
    assert named - there == set()


def test_the_attacks_are_those_of_the_corpus():
    text = README.read_text("utf-8")
    shown = re.search(r"<!-- attacks -->\n(.*)\n<!-- /attacks -->", text, re.DOTALL)
    assert shown, "run: python tests/submissions/attack_table.py"
    assert shown[1] == attack_table(), "run: python tests/submissions/attack_table.py"
