"""Lecture 08: gradient norms, shortcut, two kinds of blocks, a network without one of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .core import Case, Exercise, Verdict, describe, right, same_number, same_tensor, wrong
from .shared import BuildModule, close, field, first_mistake

# --- 08.1 ----------------------------------------------------------------------------------------


def network(state: dict[str, Tensor]) -> nn.Sequential:
    """The network of a case: convolutions and linear layers with ReLU between, by their shapes.

    A norm of the logits comes last: its weight has one axis, as batch norm's has.
    """
    layers: list[nn.Module] = []
    weights = [value for name, value in state.items() if name.endswith("weight")]
    for place, weight in enumerate(weights):
        out, read = weight.shape[:2]
        if weight.ndim == 4:
            layers += [nn.Conv2d(read, out, weight.shape[-1]), nn.ReLU()]
        else:
            flat = [] if place and weights[place - 1].ndim == 2 else [nn.Flatten()]
            layers += [*flat, nn.Linear(read, out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    model.load_state_dict(dict(zip(model.state_dict(), state.values(), strict=True)))
    return model.append(nn.LayerNorm(len(weights[-1])))


class GradientNorms(Exercise):
    """The answer: `gradient_norms(model, images, labels)` → dict of floats."""

    id, points, title = "08.1", 5, "Gradient norms"

    def describe(self, case: Case) -> str:
        shapes = [tuple(v.shape) for k, v in case["state"].items() if k.endswith("weight")]
        old = ", gradients of an earlier batch are still there" if case["old_gradients"] else ""
        return f"a network with weights of shapes {shapes}{old}"

    def run(self, answer: Any, case: Case) -> Any:
        model = network(case["state"])
        if case["old_gradients"]:
            for parameter in model.parameters():
                parameter.grad = torch.ones_like(parameter)
        norms = answer(model, case["images"], case["labels"])
        return {"returned": norms, "order": list(norms) if isinstance(norms, dict) else None}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        norms, want = field(result, "returned"), key["want"]
        if not isinstance(norms, dict):
            return wrong(f"return a dict from name to norm; your code returned {describe(norms)}")
        if norms.keys() == {*want, *key["biases"]}:
            return wrong("leave the biases out: only tensors with two or more axes are asked for")
        if norms.keys() != want.keys():
            return wrong(f"the names should be {list(want)}, yours are {list(norms)}")
        if any(isinstance(norm, Tensor) for norm in norms.values()):
            return wrong("the norms should be plain numbers: end with .item()")
        if self._same(norms, want):
            if result.get("order") == list(want):
                return right()
            return wrong("keep the order of model.named_parameters(): it is that of the layers")
        if hint := first_mistake(norms, key["mistakes"], same=self._same):
            return wrong(hint)
        name = next(k for k, v in want.items() if not self._same({k: norms[k]}, {k: v}))
        return wrong(f"{name}: expected {want[name]:.5f}, got {describe(norms[name])}")

    def _same(self, norms: dict, want: dict[str, float]) -> bool:
        return all(same_number(norms[k], v, 1e-4 * max(1.0, abs(v))) for k, v in want.items())


# --- 08.2 ----------------------------------------------------------------------------------------


class ShortcutA(Exercise):
    """The answer: `pad_shortcut(x, out_channels, stride=1)` → tensor."""

    id, points, title = "08.2", 4, "A shortcut without weights"
    worth_a_look = ("PadShortcut",)

    def run(self, answer: Any, case: Case) -> Any:
        before = case["x"].clone()
        returned = answer(case["x"], case["out_channels"], case["stride"])
        return {"returned": returned, "unchanged": torch.equal(before, case["x"])}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        value, want = field(result, "returned"), key["want"]
        if same_tensor(value, want):
            if result.get("unchanged") is True:
                return right()
            return wrong("x was changed: the block still needs it, so build a new tensor")
        if hint := first_mistake(value, key["mistakes"], same=same_tensor):
            return wrong(hint)
        return wrong(f"the result should have shape {tuple(want.shape)}; it is {describe(value)}")


# --- 08.3 and 08.4 -------------------------------------------------------------------------------


class Block(BuildModule):
    """The answer is a class of residual blocks, whose state dict has torchvision's names."""

    def output_hint(self, output: Any, want: Tensor) -> str:
        return (
            f"names and shapes are right, but the output is not: it should have shape "
            f"{tuple(want.shape)}, it is {describe(output)}. Compare forward with the drawing"
        )

    def state_hint(self, have: dict, want: dict) -> str:
        extra, missing = sorted(set(have) - set(want)), sorted(set(want) - set(have))
        if any(name.startswith("conv") and name.endswith("bias") for name in extra):
            return "batch norm follows each convolution and has a bias: bias=False in nn.Conv2d"
        if absent := [name for name in missing if not name.startswith("downsample")]:
            return f"the state dict has no tensor {absent[0]}; it has {', '.join(sorted(have))}"
        if any(name.startswith("downsample") for name in extra):
            return "here x fits as it is: self.downsample = None, so that there are no weights"
        if missing:
            return (
                "here x does not fit: self.downsample should be nn.Sequential of a 1×1 convolution "
                "without bias and a batch norm; it has no tensor " + missing[0]
            )
        return super().state_hint(have, want)


class BasicBlockExercise(Block):
    """The answer: a class `ResidualBlock(in_channels, channels, stride=1)`."""

    id, points, title = "08.3", 7, "The basic block"
    worth_a_look = ("BasicBlock",)


class PreActivationExercise(Block):
    """The answer: a class `PreActivation(in_channels, channels, stride=1)`."""

    id, points, title = "08.4", 6, "Pre-activation"
    worth_a_look = ("PreActivationBlock",)

    def state_hint(self, have: dict, want: dict) -> str:
        if any(name.startswith("downsample") for name in have):
            return "shortcut A has no weights: it takes pixels and adds zeros"
        if have.get("bn1.weight") not in (None, want["bn1.weight"]):
            return "bn1 stands before the first convolution: it has in_channels channels"
        return super().state_hint(have, want)


# --- 08.5 ----------------------------------------------------------------------------------------


def stages(kinds: list[str]) -> nn.Sequential:
    """Three blocks of each kind after a convolution; the first one changes the channels."""
    from ..models import resnet  # the course's blocks

    made, channels = [], 3
    for kind in kinds:
        block = resnet.Bottleneck if kind == "bottleneck" else resnet.BasicBlock
        made.append(resnet.make_stage(block, channels, 2, 3, 1))
        channels = 2 * block.expansion
    return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), *made)


class WithoutBlock(Exercise):
    """The answer: `without_block(model, name)` → a network, or a ValueError."""

    id, points, title = "08.5", 5, "A network without one of its blocks"
    worth_a_look = ("remove_block",)

    def describe(self, case: Case) -> str:
        return f"stages of {', '.join(case['kinds'])} blocks, without the block {case['name']!r}"

    def run(self, answer: Any, case: Case) -> Any:
        model = stages(case["kinds"])
        model.load_state_dict(case["state"], strict=False)
        model.eval()
        try:
            made = answer(model, case["name"])
        except ValueError:
            return {"refused": True}
        if not isinstance(made, nn.Module):
            return {"refused": False, "returned": made}
        with torch.no_grad():
            kept = model.eval()(case["x"])
            try:
                return {"refused": False, "output": made.eval()(case["x"]), "kept": kept}
            except RuntimeError as error:  # shapes do not fit
                return {"refused": False, "stopped": str(error)}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        refused, output = field(result, "refused"), field(result, "output")
        if key["want"] is None:
            if refused is True:
                return right()
            return wrong("this block changes the shape (downsample is not None): raise ValueError")
        if refused is True:
            return wrong("nothing changes the shape here: no ValueError is due")
        if stopped := field(result, "stopped"):
            return wrong(f"the network that you return stops with: {stopped}")
        if not isinstance(output, Tensor):
            returned = field(result, "returned")
            return wrong(f"return a network; your code returned {describe(returned)}")
        if not close(field(result, "kept"), key["kept"]):
            return wrong("the model that was given has changed: change a copy (copy.deepcopy)")
        if close(output, key["want"]):
            return right()
        if hint := first_mistake(output, key["mistakes"]):
            return wrong(hint)
        return wrong("the output is not that of a network in which this block hands on its input")


EXERCISES = [
    GradientNorms(),
    ShortcutA(),
    BasicBlockExercise(),
    PreActivationExercise(),
    WithoutBlock(),
]
