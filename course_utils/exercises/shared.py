"""What exercises of several lectures share: building modules, random tensors, common mistakes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from .core import Case, Exercise, Verdict, describe, right, same_tensor, wrong

Value = TypeVar("Value")

TOLERANCE = 1e-4  # networks add up thousands of products: more than single numbers need
NO_MODULE = "the answer should be a class that inherits from nn.Module"
NO_PARAMETERS = (
    "the model has no parameters: layers in a plain Python list stay invisible. "
    "Assign each to self, or put them in nn.Sequential"
)


def identity(x: Any) -> Any:
    """Return x: stands where a mistake would change something."""
    return x


def field(result: Any, name: str) -> Any:
    """Return the named part of a result that should be a dict, or None."""
    return result.get(name) if isinstance(result, dict) else None


def fields(result: Any, *names: str) -> list[Any]:
    """Return several parts of a result; None for each that is missing."""
    return [field(result, name) for name in names]


# --- right or wrong ------------------------------------------------------------------------------


def close(result: Any, want: Tensor) -> bool:
    """Return whether ``result`` is what a network should give, up to rounding."""
    return same_tensor(result, want, TOLERANCE)


def first_mistake(
    result: Any,
    mistakes: Mapping[str, Any],
    make: Callable[[Any], Any] = identity,
    same: Callable[[Any, Any], bool] = close,
) -> str | None:
    """Return the hint of the first mistake that leads to this result, or None.

    Args:
        result: what the student's code returned.
        mistakes: hints, each with its mistake.
        make: returns what a mistake leads to. By default the mistake is the wrong result itself.
        same: whether the student's result and a mistaken one are the same.
    """
    for hint, mistake in mistakes.items():
        try:
            mistaken = make(mistake)
        except RuntimeError:  # with this mistake the shapes of the case do not fit
            continue
        if same(result, mistaken):
            return hint
    return None


def has_ties(rows: Tensor) -> bool:
    """Return whether a row of numbers (N, K) holds one of them twice."""
    return bool((rows.sort(dim=1).values.diff(dim=1) == 0).any())


# --- modules -------------------------------------------------------------------------------------


def numbered(values: Iterable[Value]) -> dict[str, Value]:
    """Return values by their place: for weights whose names are the student's own."""
    return {str(place): value for place, value in enumerate(values)}


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, list[int]]:
    """Return the shapes of a state dict, without batch norm's counters."""
    return {k: list(v.shape) for k, v in state.items() if not k.endswith("num_batches_tracked")}


class BuildModule(Exercise):
    """The answer is a class of modules: it is built, given weights, and its output compared.

    A case holds the ``arguments`` of the class by name, the ``state`` to load, and the input ``x``;
    a key the output ``want`` and the outputs of ``mistakes``.
    """

    def describe(self, case: Case) -> str:
        """Return the arguments as one line."""
        return ", ".join(f"{name}={value}" for name, value in case["arguments"].items())

    def run(self, answer: Any, case: Case) -> Any:
        """Build the module; if its weights have the right shapes, set them and run it."""
        module = self.build(answer, case)
        if not isinstance(module, nn.Module):
            return {"shapes": None}
        result = self.look(module)
        if result["shapes"] == self.shapes(case):
            with torch.no_grad():
                for name, weight in self.weights(module).items():
                    if name in case.get("state", ()):
                        weight.copy_(case["state"][name])
                result |= self.outputs(module.eval(), case)
        return result

    def build(self, answer: Any, case: Case) -> Any:
        """Return what the answer makes of the arguments."""
        return answer(*case["arguments"].values())

    def look(self, module: nn.Module) -> dict[str, Any]:
        """Return what is noted of the module as it was built."""
        return {"shapes": shapes_of(self.weights(module))}

    def weights(self, module: nn.Module) -> dict[str, Tensor]:
        """Return the tensors of the module under the names that the state has."""
        return module.state_dict()

    def shapes(self, case: Case) -> dict[str, list[int]]:
        """Return the shapes that the weights should have."""
        return shapes_of(case["state"])

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        """Run the module, which is in evaluation mode and has the case's weights."""
        return {"output": module(case["x"])}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        """Compare the shapes of the weights, then the output."""
        shapes, want = field(result, "shapes"), self.shapes(case)
        if not isinstance(shapes, dict):
            return wrong(NO_MODULE)
        if shapes != want:
            return wrong(self.state_hint(shapes, want) if shapes else NO_PARAMETERS)
        return self.judge_output(case, key, result)

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        """Compare the output with that of the key."""
        output = field(result, "output")
        if close(output, key["want"]):
            return right()
        hint = first_mistake(output, key["mistakes"])
        return wrong(hint or self.output_hint(output, key["want"]))

    @abstractmethod
    def output_hint(self, output: Any, want: Tensor) -> str:
        """Return the hint for an output that comes from no known mistake."""

    def state_hint(self, have: dict, want: dict) -> str:
        """Return what is wrong with the shapes of the weights."""
        if missing := sorted(set(want) - set(have)):
            return f"the state dict has no tensor {missing[0]}; it has {', '.join(sorted(have))}"
        if extra := sorted(set(have) - set(want)):
            return f"the tensor {extra[0]} is not in the task"
        name = next(name for name in want if have[name] != want[name])
        return self.shape_hint(name, have[name], want[name])

    def shape_hint(self, name: str, have: Any, want: list[int]) -> str:
        """Return the hint for a weight of another shape."""
        return f"{name} should have shape {want}, yours has {describe(have)}"


def not_logits(output: Any, want: Tensor) -> str | None:
    """Return the hint for an output that has not the shape of logits; None if it has."""
    if isinstance(output, Tensor) and output.shape == want.shape:
        return None
    return (
        f"the output should be logits of shape (N, num_classes) = {tuple(want.shape)}, "
        f"it is {describe(output)}"
    )
