"""Pairs of students whose solutions are near identical, for a person to look at; nothing more.

An answer becomes a set of shingles: short runs of its syntax tree, in which the names that it gives
itself are numbered. So other names, comments, docstrings, type hints and white space change
nothing. Two answers are alike if they share most shingles. On a short exercise honest answers are
alike, so that alone means little: for each exercise the chance of it is estimated, from its length
and from how many others in the class wrote the same, and a pair is listed when all its chances
together are smaller than one pair in the class would have by accident. What is like the
instructor's solution counts nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import math
import re
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .results import MISSING, UNSOLVED, ExerciseResult, SubmissionResult

SHINGLE = 6  # tokens of one shingle, about one statement
ALIKE = 0.8  # the share of all their shingles that two answers must have in common
RUN = 25  # tokens in which an author makes one choice between two ways to write it
PRIOR = 20  # the length of an answer says as much of the chance as this many classmates
MARGIN = 4  # bits: honest authors are alike more often than independent choices would be
LARGEST = 10_000  # characters; of a longer answer the beginning is compared, as text
BLOCK = 4096  # shingles compared at once: 8 MB for a class of 500

LOCAL = "\0"  # marks a name that the solution gives itself
SKIPPED = {"annotation", "ctx", "kind", "level", "returns", "simple", "type_comment", "type_params"}
PLAIN = {"AnnAssign": "Assign", "Attribute": ".", "Constant": "", "Name": "", "arg": ""}
MAGIC = re.compile(r"^\s*[%!].*$", re.MULTILINE)


@dataclass(frozen=True)
class Pair:
    """Two submissions of different students, and the exercises in which they are alike.

    likeness: the share of what they have in common in these exercises; 1.0 where only names differ.
    """

    first: SubmissionResult
    second: SubmissionResult
    exercises: tuple[str, ...]
    likeness: float


@dataclass(frozen=True)
class Comparison:
    """The pairs of alike answers to one exercise, in four arrays with an entry for each pair.

    pairs: int64, i * n + j for the answers i < j of n, ascending. both, either: the shingles that
    both and any of the two hold. bits: the surprise in it.
    """

    pairs: np.ndarray
    both: np.ndarray
    either: np.ndarray
    bits: np.ndarray

    def of(self, pair: int) -> tuple[float, float]:
        """Return ``both`` and ``either`` of a pair, zeros if it is not alike."""
        at = np.searchsorted(self.pairs, pair)
        if at == len(self.pairs) or self.pairs[at] != pair:
            return 0.0, 0.0
        return float(self.both[at]), float(self.either[at])


def near_identical(
    results: Sequence[SubmissionResult], reference: Mapping[str, str] | None = None
) -> list[Pair]:
    """Return the pairs of near-identical solutions, by lecture; most exercises alike come first.

    reference: the instructor's answer to each exercise, by its id.
    """
    lectures = defaultdict(list)
    for result in sorted(results, key=lambda result: (result.student, result.owner, result.file)):
        if answers(result):
            lectures[result.lecture].append(result)
    pairs: list[Pair] = []
    for lecture in sorted(lectures):
        pairs += pairs_of_lecture(
            tuple(lectures[lecture]), tuple(sorted((reference or {}).items()))
        )
    return pairs


def answers(result: SubmissionResult) -> dict[str, str]:
    """Return the sources of the exercises that were worked on, by their ids."""
    return {e.id: e.source for e in result.exercises if is_worked_on(e)}


def is_worked_on(exercise: ExerciseResult) -> bool:
    """Return whether there is a solution, right or wrong."""
    return bool(exercise.source.strip()) and exercise.status not in (UNSOLVED, MISSING)


@functools.lru_cache(maxsize=16)  # while one lecture is graded, the others stay as they are
def pairs_of_lecture(
    results: tuple[SubmissionResult, ...], reference: tuple[tuple[str, str], ...]
) -> tuple[Pair, ...]:
    """Return the pairs among the submissions of one lecture, the most alike first."""
    known = dict(reference)
    sources = [answers(result) for result in results]
    names, student = np.unique([result.owner for result in results], return_inverse=True)
    found = {
        exercise: compare([s.get(exercise, "") for s in sources], student, known.get(exercise))
        for exercise in sorted(set().union(*sources))
    }
    needed = 2 * math.log2(len(names)) + MARGIN
    bits = np.zeros(len(results) ** 2, np.float32)
    for one in found.values():
        bits[one.pairs] += one.bits
    best: dict[tuple[int, int], Pair] = {}
    for place in map(int, np.flatnonzero(bits >= needed)):
        shares = {exercise: one.of(place) for exercise, one in found.items()}
        alike = tuple(exercise for exercise, (both, _) in shares.items() if both)
        both, either = (sum(values) for values in zip(*shares.values(), strict=True))
        i, j = divmod(place, len(results))
        pair = Pair(results[i], results[j], alike, round(both / either, 3))
        key = (student[i], student[j])
        if key not in best or weight(pair) > weight(best[key]):
            best[key] = pair
    return tuple(sorted(best.values(), key=weight, reverse=True))


def weight(pair: Pair) -> tuple[int, float]:
    """Return what orders pairs: the number of exercises, then the likeness."""
    return len(pair.exercises), pair.likeness


def compare(sources: list[str], student: np.ndarray, reference: str | None) -> Comparison:
    """Compare each two answers to one exercise; ``student`` numbers the authors.

    An empty source is no answer. What is found is small; the square arrays, 400 MB each for 10,000
    answers, end here.
    """
    sets = [shingles(source) for source in [*sources, reference or ""]]
    sizes = np.array([len(one) for one in sets], np.float32)
    both = in_common(sets)
    either = np.maximum(sizes[:, None] + sizes - both, 1)
    alike = both >= ALIKE * either
    own = ~alike[-1, :-1]  # not like the reference
    sizes, alike = sizes[:-1], alike[:-1, :-1]
    alike &= own[:, None] & own & (student[:, None] != student)
    i, j = np.nonzero(alike)
    count, writers = len(sizes), len(set(student[sizes > 0]))
    authors = np.unique(i * count + student[j]) // count  # each author counts once
    others = np.bincount(authors, minlength=count) - 1.0
    i, j = i[i < j], j[i < j]
    by_length = 2.0 ** -(np.minimum(sizes[i], sizes[j]) / RUN)
    chance = np.maximum(others[i], others[j]) + PRIOR * by_length
    bits = np.log2((max(writers - 2, 0) + PRIOR) / chance).astype(np.float32)
    return Comparison(i * count + j, both[i, j], either[i, j], bits)


def in_common(sets: list[np.ndarray]) -> np.ndarray:
    """Return for each two sets of numbers how many they have in common."""
    owner = np.repeat(np.arange(len(sets)), [len(one) for one in sets])
    values, column = np.unique(np.concatenate(sets), return_inverse=True)
    total = np.zeros((len(sets), len(sets)), np.float32)
    for start in range(0, len(values), BLOCK):
        here = (column >= start) & (column < start + BLOCK)
        block = np.zeros((len(sets), min(BLOCK, len(values) - start)), np.float32)
        block[owner[here], column[here] - start] = 1
        total += block @ block.T
    return total


@functools.lru_cache(maxsize=50_000)
def shingles(source: str) -> np.ndarray:
    """Return the shingles of a source as sorted numbers, each once."""
    words = tokens(source)
    runs = (words[i : i + SHINGLE] for i in range(len(words) - SHINGLE + 1))
    return np.unique(np.array([hashed(run) for run in runs], np.uint64))


def hashed(run: list[str]) -> int:
    """Return a number for a run of tokens; its own names count by the order of their first use."""
    order: dict[str, str] = {}
    plain = [order.setdefault(t, f"{LOCAL}{len(order)}") if t[:1] == LOCAL else t for t in run]
    text = "\n".join(plain).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def tokens(source: str) -> list[str]:
    """Return the tokens of a source: of its syntax tree, or its words where it is no Python."""
    if len(source) <= LARGEST:
        for text in (source, MAGIC.sub("", source)):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # what Python thinks of a student's escapes
                    tree = ast.parse(text)
                own = own_names(tree)
                found: list[str] = []
                add_tokens(tree, *own, found)
                return found
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return re.findall(r"\w+|[^\w\s]", re.sub(r"#.*", "", source[:LARGEST]))


def own_names(tree: ast.AST) -> tuple[set[str], set[str]]:
    """Return the names and the attributes that a tree gives values to."""
    names, attributes = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            attributes.add(node.attr)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
            attributes.add(node.name)
    return names, attributes


def add_tokens(node: ast.AST, names: set[str], attributes: set[str], found: list[str]) -> None:
    """Append the tokens of a node and all that it holds, in the order of the source."""
    if isinstance(node, (ast.Import, ast.ImportFrom, ast.Pass)) or is_text(node):
        return
    kind = type(node).__name__
    if word := PLAIN.get(kind, kind):
        found.append(word)
    own = attributes if isinstance(node, ast.Attribute) else names
    for field, value in ast.iter_fields(node):
        if field in SKIPPED or value is None and not isinstance(node, ast.Constant):
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                add_tokens(item, names, attributes, found)
            elif isinstance(node, ast.Constant):
                found.append(repr(item))
            else:
                found.append(f"{LOCAL}{item}" if item in own else str(item))


def is_text(node: ast.AST) -> bool:
    """Return whether a statement is only a string: a docstring, or a comment by other means."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return False
    return isinstance(node.value.value, str)
