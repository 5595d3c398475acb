"""What makes the questions of an exercise: its cases, and the key of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.random import Generator
from torch import Tensor

from ...exercises.core import Case, equal, to_plain


class Examiner(ABC):
    """Makes the questions of the exercise with this ``id``.

    The students' ``check`` asks `examples` and the cases of one generator; a grading asks the cases
    of another. A case that students have seen is not asked again, so each kind of case must have
    something that is drawn.
    """

    id: str

    def examples(self) -> Iterator[Case]:
        """Yield cases for ``check`` alone: the lecture's own examples."""
        return iter(())

    @abstractmethod
    def cases(self, rng: Generator) -> Iterator[Case]:
        """Yield the inputs as plain data: edge cases first, then any."""

    @abstractmethod
    def key(self, case: Case) -> Any:
        """Return what is right and what each mistake leads to, as plain data that JSON can hold."""


class ModuleExaminer(Examiner):
    """Asks for a module (`BuildModule`): its output with given weights is what is right.

    Attributes:
        mistakes: hints, each with the options of ``reference`` that lead there.
    """

    mistakes: dict[str, dict[str, Any]]

    @abstractmethod
    def reference(self, case: Case, *options: Any, **mistake: Any) -> Tensor:
        """Return the output, computed with functions only."""

    def key(self, case: Case) -> Any:
        """Return the output and what each mistake makes of it."""
        want = self.reference(case)
        made = mistaken(self.mistakes, lambda mistake: self.reference(case, **mistake), want)
        return {"want": want, "mistakes": made}


def mistaken(
    mistakes: Mapping[str, Any], make: Callable[[Any], Any], want: Any = None
) -> dict[str, Any]:
    """Return what each mistake leads to, by its hint.

    Left out are mistakes with which the shapes of the case do not fit, and those that make no
    difference in this case.
    """
    made = {}
    for hint, mistake in mistakes.items():
        try:
            result = to_plain(make(mistake))
        except RuntimeError:
            continue
        if not equal(result, to_plain(want)):
            made[hint] = result
    return made
