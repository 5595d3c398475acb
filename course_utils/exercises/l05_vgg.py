"""Lecture 05: layers from a list, the whole VGG, counting, batch norm, a run that forgot calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from ..arithmetic import conv_parameters, linear_parameters
from .core import Case, Exercise, Verdict, Watch, describe, right, same_number, same_tensor, wrong
from .shared import (
    NO_MODULE,
    BuildModule,
    close,
    field,
    fields,
    first_mistake,
    identity,
    layer_state,
    norm_state,
    normal,
    normed,
    not_logits,
)

Configuration = Sequence[int | str]


# --- small helpers -------------------------------------------------------------------------------


def _kinds(configuration: Configuration, batch_norm: bool) -> list[str]:
    """The layers that a configuration stands for, by class name."""
    block = ["Conv2d", "BatchNorm2d", "ReLU"] if batch_norm else ["Conv2d", "ReLU"]
    return [kind for entry in configuration for kind in (["MaxPool2d"] if entry == "M" else block)]


def _features_state(
    rng: Generator, configuration: Configuration, batch_norm: bool, in_channels: int
) -> dict[str, Tensor]:
    """Random weights for the layers, under the names that nn.Sequential gives them."""
    state: dict[str, Tensor] = {}
    place = 0
    for entry in configuration:
        if isinstance(entry, int):
            state |= layer_state(rng, str(place), entry, in_channels, 3, 3)
            if batch_norm:
                state |= norm_state(rng, entry, f"{place + 1}.", mean_scale=1)
            in_channels = entry
        place += 1 if entry == "M" else 3 if batch_norm else 2
    return state


def _features(
    case: Case,
    *,
    prefix: str = "",
    padding: int = 1,
    pool: Callable = F.max_pool2d,
    pool_options: tuple[int, ...] = (2,),
    relu: Callable = F.relu,
) -> Tensor:
    """The last feature maps, computed with functions only; the options are the likely mistakes."""
    state, x, place = case["state"], case["x"], 0
    for entry in case["arguments"]["configuration"]:
        if entry == "M":
            x, place = pool(x, *pool_options), place + 1
            continue
        name = f"{prefix}{place}"
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)
        if case["arguments"]["batch_norm"]:
            place += 1
            x = normed(x, state, f"{prefix}{place}")
        x, place = relu(x), place + 2
    return x


def _shape_problem(have: dict, want: dict) -> str | None:
    """The first tensor of a state dict that has the wrong shape; None if all names are there."""
    for name, shape in want.items():
        if name in have and have[name] != shape:
            return f"{name} should have shape {shape}, yours has {describe(have[name])}"
    return None


# --- 05.1 ----------------------------------------------------------------------------------------


class BuildFeatures(BuildModule):
    """The answer: `build_features(configuration, batch_norm=False, in_channels=3)` → Sequential."""

    id, points, title = "05.1", 5, "Layers from a list"
    mistakes = {
        "a 3×3 convolution without padding makes the image smaller: padding=1 keeps the size": dict(
            padding=0
        ),
        "VGG's pooling window is 2×2 with stride 2, not 3×3": dict(pool_options=(3, 2)),
        "VGG's pooling window is 2×2 with stride 2, not 3×3 (padding does not mend it)": dict(
            pool_options=(3, 2, 1)
        ),
        "VGG's pooling window is 2×2 with stride 2: yours does not halve the size": dict(
            pool_options=(2, 1)
        ),
        "pool with the maximum, not with the average": dict(pool=F.avg_pool2d),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [4, "M", 8, "M"], False, 3)
        yield self._case(rng, [4, "M", 8, "M"], True, 3)
        yield self._case(rng, [5, 3, "M", 6], False, 1)
        yield self._case(rng, ["M", 2, "M"], True, 2)
        yield self._bad_case(rng, [4, "M", "P"])
        yield self._bad_case(rng, [0, "M"])
        yield self._bad_case(rng, [4, 2.5, "M"])
        yield self._bad_case(rng, [4, "M", -8])
        for _ in range(6):
            width = [int(number) for number in rng.integers(1, 7, 4)]
            end = ["M"] if rng.random() < 0.5 else []
            configuration: Configuration = [*width[:2], "M", *width[2:], *end]
            yield self._case(rng, configuration, bool(rng.integers(2)), int(rng.integers(1, 5)))
        yield self._bad_case(rng, [6, "M", f"x{rng.integers(10, 99)}", 4])

    def _case(
        self, rng: Generator, configuration: Configuration, batch_norm: bool, in_channels: int
    ) -> Case:
        arguments = {"configuration": configuration, "batch_norm": batch_norm}
        state = _features_state(rng, configuration, batch_norm, in_channels)
        x = normal(rng, 2, in_channels, 12, int(rng.integers(9, 13)))
        return {"arguments": arguments | {"in_channels": in_channels}, "state": state, "x": x}

    def _bad_case(self, rng: Generator, configuration: list) -> Case:
        options = {"batch_norm": bool(rng.integers(2)), "in_channels": 3}
        return {"arguments": {"configuration": configuration, **options}}

    def run(self, answer: Any, case: Case) -> Any:
        if "state" in case:
            return super().run(answer, case)
        try:
            self.build(answer, case)
        except NotImplementedError:
            raise
        except Exception as error:
            return {"raised": type(error).__name__, "message": str(error)}
        return {"raised": None}

    def look(self, module: nn.Module) -> dict[str, Any]:
        kinds = [type(layer).__name__ for layer in module.children()]
        return super().look(module) | {"kinds": kinds}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        if "state" not in case:
            return self._judge_error(case, *fields(result, "raised", "message"))
        kinds = field(result, "kinds")
        if not isinstance(kinds, list):
            return wrong("return the layers in order as nn.Sequential(*layers)")
        configuration, batch_norm, _ = case["arguments"].values()
        if kinds != (want := _kinds(configuration, batch_norm)):
            return wrong(self._kinds_hint(batch_norm, kinds, want))
        return super().judge(case, key, result)

    def reference(self, case: Case, **mistake: Any) -> Tensor:
        return _features(case, **mistake)

    def output_hint(self, output: Any, want: Tensor) -> str:
        return (
            f"the output should have shape {tuple(want.shape)}; yours is {describe(output)}. "
            "Convolution: 3×3, stride 1, padding 1. Pooling: 2×2, stride 2"
        )

    def _judge_error(self, case: Case, raised: Any, message: Any) -> Verdict:
        entries = case["arguments"]["configuration"]
        bad = next(e for e in entries if e != "M" and (type(e) is not int or e < 1))
        if raised is None:
            return wrong(f"the entry {bad!r} means nothing here: raise a ValueError that names it")
        if raised != "ValueError":
            return wrong(
                f"the entry {bad!r} leads to {describe(raised)} somewhere inside: check each entry "
                "and raise a ValueError before a layer is built from it"
            )
        if not isinstance(message, str) or str(bad) not in message:
            return wrong(f"the message of the ValueError should show the bad entry, {bad!r}")
        return right()

    def _kinds_hint(self, batch_norm: bool, kinds: list, want: list[str]) -> str:
        if "ReLU" not in kinds:
            return "a ReLU layer follows each convolution: nn.ReLU(inplace=True) in the list"
        if ("BatchNorm2d" in kinds) != batch_norm:
            asked = "is" if batch_norm else "is not"
            return f"batch norm {asked} asked for here: use the argument batch_norm"
        if sorted(map(str, kinds)) == sorted(want):
            return "the order is convolution, then batch norm if asked for, then ReLU"
        return f"the layers should be {', '.join(want)}; yours are {', '.join(map(str, kinds))}"

    def state_hint(self, have: dict, want: dict) -> str:
        problem = _shape_problem(have, want)
        if problem is None:
            return "a weight or a bias is missing: nn.Conv2d has a bias unless it is told not to"
        channels = "the channels that come out of one convolution go into the next one"
        return f"{problem}: {channels}, and a kernel is 3×3"


# --- 05.2 ----------------------------------------------------------------------------------------


class BuildVGG(BuildModule):
    """The answer: a class, built from a configuration, whose state dict has torchvision's names."""

    id, points, title = "05.2", 6, "The whole VGG"
    mistakes = {
        "between the linear layers the ReLU is missing": dict(after_linear=identity),
        "the last layer returns logits: no ReLU after it": dict(last=F.relu),
        "the last layer returns logits: leave the softmax out, F.cross_entropy contains it": dict(
            last=lambda x: x.softmax(dim=1)
        ),
        "the last layer returns logits: leave the log-softmax out": dict(
            last=lambda x: x.log_softmax(dim=1)
        ),
        "the pool before the classifier takes the mean of each window, not the maximum": dict(
            pool=F.adaptive_max_pool2d
        ),
        "a ReLU follows each convolution": dict(relu=identity),
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [4, "M", 8, "M"], image_size=28)  # 7×7: the pool changes nothing
        yield self._case(rng, [4, "M", 8, "M"], image_size=20, batch_norm=True)  # 5×5 to 7×7
        yield self._case(rng, [4, "M", 6, 6, "M"], image_size=8, pool_size=1, in_channels=1)
        yield self._case(rng, [4, "M", 8], image_size=10, pool_size=3)  # the list ends with a conv
        for _ in range(5):
            channels = [int(number) for number in rng.integers(2, 8, 3)]
            yield self._case(
                rng,
                [channels[0], "M", *channels[1:], "M"],
                image_size=int(rng.integers(8, 24)),
                num_classes=int(rng.integers(2, 12)),
                in_channels=int(rng.integers(1, 4)),
                pool_size=int(rng.integers(1, 5)),
                hidden=int(rng.integers(16, 25)),
                batch_norm=bool(rng.integers(2)),
            )

    def _case(
        self, rng: Generator, configuration: Configuration, *, image_size: int, **options: Any
    ) -> Case:
        arguments: dict[str, Any] = {
            "configuration": configuration,
            "num_classes": 10,
            "in_channels": 3,
            "pool_size": 7,
            "hidden": 16,
            "batch_norm": False,
        } | options
        _, num_classes, in_channels, pool_size, hidden, batch_norm = arguments.values()
        features = _features_state(rng, configuration, batch_norm, in_channels)
        state = {f"features.{name}": value for name, value in features.items()}
        last = next(entry for entry in reversed(configuration) if isinstance(entry, int))
        sizes = [last * pool_size**2, hidden, hidden, num_classes]
        for place, before, after in zip((0, 3, 6), sizes[:-1], sizes[1:], strict=True):
            state |= layer_state(rng, f"classifier.{place}", after, before)
        x = normal(rng, 4, in_channels, image_size, image_size)
        return {"arguments": arguments, "state": state, "x": x}

    def describe(self, case: Case) -> str:
        return f"{super().describe(case)}, images {tuple(case['x'].shape)}"

    def build(self, answer: Any, case: Case) -> Any:
        options = dict(case["arguments"])
        return answer(options.pop("configuration"), **options)

    def outputs(self, module: nn.Module, case: Case) -> dict[str, Any]:
        result = super().outputs(module, case)
        for part in module.modules():  # batch norm must not add to the differences
            part.training = not isinstance(part, nn.BatchNorm2d)
        return result | {"training": [module(case["x"]) for _ in range(2)]}

    def judge_output(self, case: Case, key: Any, result: Any) -> Verdict:
        verdict = super().judge_output(case, key, result)
        return self._judge_dropout(field(result, "training")) if verdict.is_right else verdict

    def output_hint(self, output: Any, want: Tensor) -> str:
        return not_logits(output, want) or (
            "the names and shapes are right, but the logits differ: compare forward with "
            "features, avgpool, flatten(1), classifier"
        )

    def _judge_dropout(self, training: Any) -> Verdict:
        if isinstance(training, list) and len(training) == 2:
            first, second = training
            if isinstance(second, Tensor) and not same_tensor(first, second):
                return right()
        return wrong(
            "in training mode two passes over the same images should differ: nn.Dropout() follows "
            "each ReLU of the classifier"
        )

    def reference(
        self,
        case: Case,
        *,
        pool: Callable = F.adaptive_avg_pool2d,
        after_linear: Callable = F.relu,
        last: Callable = identity,
        relu: Callable = F.relu,
    ) -> Tensor:
        features = _features(case, prefix="features.", relu=relu)
        x = pool(features, case["arguments"]["pool_size"]).flatten(1)
        state = case["state"]
        for place in (0, 3, 6):
            x = F.linear(x, state[f"classifier.{place}.weight"], state[f"classifier.{place}.bias"])
            x = last(x) if place == 6 else after_linear(x)
        return x

    def state_hint(self, have: dict, want: dict) -> str:
        if not have:
            return (
                "the model has no parameters: layers in a plain Python list stay invisible. "
                "Put them in nn.Sequential and assign that to self"
            )
        for part in ("features", "classifier"):
            if not any(name.startswith(f"{part}.") for name in have):
                return f"the state dict has no name that begins with {part}: assign self.{part}"
        linear = [name for name in have if name.startswith("classifier") and "weight" in name]
        if linear != [f"classifier.{place}.weight" for place in (0, 3, 6)]:
            return (
                f"the classifier's weights should be called classifier.0, 3 and 6; yours are "
                f"{', '.join(linear)}. Count the layers: linear, ReLU, dropout, linear, ..."
            )
        problem = _shape_problem(have, want)
        if problem is None:
            return f"the names under features differ from torchvision's: {describe(list(have))}"
        if problem.startswith("classifier.0.weight"):
            problem += ": it reads the last number of channels times pool_size · pool_size"
        return problem


# --- 05.3 ----------------------------------------------------------------------------------------

PARTS = ("parameters of the features", "parameters of the classifier", "multiplications")


def _count(
    case: Case,
    *,
    conv: Callable = lambda i, o: conv_parameters(i, o, 3),
    linear: Callable = linear_parameters,
    norm: int = 2,
    channels_of: Callable = lambda before, first: before,
    flat: Callable = lambda channels, side: channels * side * side,
    halve: bool = True,
    late: bool = False,
    each: int = 1,
) -> list[int]:
    """The three counts of a VGG; the options are the likely mistakes."""
    side, channels, features, products = case["image_size"], case["in_channels"], 0, 0
    for entry in case["configuration"]:
        if entry == "M":
            side = side // 2 if halve else side
            continue
        inputs = channels_of(channels, case["in_channels"])
        features += conv(inputs, entry) + (norm * entry if case["batch_norm"] else 0)
        pixels = 1 if late else side * side
        products += each * 9 * inputs * entry * pixels
        channels = entry
    classifier, inputs = 0, flat(channels, side)
    for outputs in (case["hidden"], case["hidden"], case["num_classes"]):
        classifier += linear(inputs, outputs)
        products += each * inputs * outputs
        inputs = outputs
    return [features, classifier, products]


COUNT_MISTAKES = (
    {
        "the convolutions have biases, one for each output channel": dict(
            conv=lambda i, o: conv_parameters(i, o, 3, bias=False)
        ),
        "batch norm has two parameters for each channel, weight and bias": dict(norm=0),
        "batch norm has two parameters for each channel: its running statistics are not trained": (
            dict(norm=4)
        ),
        "a convolution's input channels are what the one before it puts out": dict(
            channels_of=lambda before, first: first
        ),
        "a kernel has 3 · 3 weights for each input channel": dict(
            conv=lambda i, o: o * (3 * i + 1)
        ),
        "a filter is full in depth: 3 · 3 weights for each input channel, and one bias": dict(
            conv=lambda i, o: o * 10
        ),
    },
    {
        "the linear layers have biases, one for each output": dict(
            linear=lambda i, o: linear_parameters(i, o, bias=False)
        ),
        "the first linear layer reads channels · side · side numbers, not only the channels": dict(
            flat=lambda channels, side: channels
        ),
        "the first linear layer reads channels · side · side numbers: here the side is not 7": dict(
            flat=lambda channels, side: channels * 49
        ),
        "each pooling halves height and width (and drops a remainder)": dict(halve=False),
    },
    {
        "count a multiplication with its addition as one": dict(each=2),
        "a convolution multiplies anew at each output pixel: times height · width": dict(late=True),
        "each pooling halves height and width (and drops a remainder)": dict(halve=False),
    },
)


class CountVGG(Exercise):
    """The answer: `count_vgg(configuration, image_size, ...)` → three whole numbers."""

    id, points, title = "05.3", 5, "Count a VGG by formula"

    def cases(self, rng: Generator) -> Iterator[Case]:
        vgg11: Configuration = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]
        yield self._case(vgg11)
        yield self._case([4], image_size=5, num_classes=2, hidden=3)
        yield self._case([4, "M"], image_size=5, num_classes=2, hidden=3)  # 5 // 2 = 2
        yield self._case([4, "M", 8, 8, "M"], image_size=9, hidden=16, batch_norm=True)
        yield self._case(vgg11, image_size=32, num_classes=10, hidden=512, in_channels=1)
        for _ in range(8):
            channels = [int(number) for number in rng.integers(2, 65, 4)]
            yield self._case(
                [channels[0], "M", *channels[1:3], "M", channels[3], "M"],
                image_size=int(rng.integers(16, 65)),
                num_classes=int(rng.integers(2, 101)),
                in_channels=int(rng.integers(1, 5)),
                hidden=int(rng.integers(8, 257)),
                batch_norm=bool(rng.integers(2)),
            )

    def _case(self, configuration: Configuration, **options: Any) -> Case:
        return {
            "configuration": configuration,
            "image_size": 224,
            "num_classes": 1000,
            "in_channels": 3,
            "hidden": 4096,
            "batch_norm": False,
        } | options

    def run(self, answer: Any, case: Case) -> Any:
        with Watch() as watch:
            returned = answer(**case)
        return {"returned": returned, "used": bool(watch.names)}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        returned, used = fields(result, "returned", "used")
        if used:
            return wrong("count with whole numbers alone: no layer or tensor needs to be built")
        if not isinstance(returned, list) or len(returned) != 3:
            return wrong(f"return three numbers: the {', the '.join(PARTS)}")
        for place, (part, want) in enumerate(zip(PARTS, _count(case), strict=True)):
            have = returned[place]
            if same_number(have, want):
                if type(have) is not int:
                    return wrong(f"{part}: right, but as a float. Whole numbers: // instead of /")
                continue
            return wrong(f"{part}: {self._hint(case, place, have, want)}")
        return right()

    def _hint(self, case: Case, place: int, have: Any, want: int) -> str:
        def count(mistake: dict[str, Any]) -> int:
            return _count(case, **mistake)[place]

        hint = first_mistake(have, COUNT_MISTAKES[place], count, same_number)
        return hint or f"expected {want:,}, got {describe(have)}"


# --- 05.4 ----------------------------------------------------------------------------------------


def _batch_norm(
    case: Case,
    x: Tensor,
    state: dict[str, Tensor],
    *,
    dims: tuple[int, ...] = (0, 2, 3),
    correction: int = 0,
    running_correction: int = 1,
    flip_momentum: bool = False,
    learns: bool | None = None,
    uses_batch: bool | None = None,
    late: bool = False,
    scale: bool = True,
    eps_outside: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output and the state after it; the options are the likely mistakes."""
    learns = case["training"] if learns is None else learns
    uses_batch = case["training"] if uses_batch is None else uses_batch
    column = (1, -1, 1, 1)
    after = dict(state)
    if learns:
        share = 1 - case["momentum"] if flip_momentum else case["momentum"]
        batch = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=running_correction)
        for name, new in zip(("running_mean", "running_var"), batch, strict=True):
            after[name] = (1 - share) * state[name] + share * new
    mean = x.mean(dims, keepdim=True)
    var = x.var(dims, correction=correction, keepdim=True)
    if not uses_batch:
        known = after if late else state
        mean, var = known["running_mean"].view(column), known["running_var"].view(column)
    spread = var.sqrt() + case["eps"] if eps_outside else (var + case["eps"]).sqrt()
    output = (x - mean) / spread
    if scale:
        output = output * state["weight"].view(column) + state["bias"].view(column)
    return output, after


OUTPUT_MISTAKES = {
    "in evaluation the running statistics are used, not those of the batch": dict(uses_batch=True),
    "in training the statistics of the batch are used, not the running ones": dict(
        uses_batch=False
    ),
    "in training the statistics of the batch are used, not the running ones (also if they have "
    "just been updated)": dict(uses_batch=False, late=True),
    "in evaluation the running statistics stay as they are: yours were updated first": dict(
        learns=True, late=True
    ),
    "scale and shift are missing: the normalised numbers times weight, plus bias": dict(
        scale=False
    ),
    "to normalise, divide the sum of squares by their number, not by one less "
    "(torch.var needs correction=0)": dict(correction=1),
    "one mean for each channel, over images and pixels: yours differs from pixel to pixel": dict(
        dims=(0,)
    ),
    "one mean for each channel, over all images of the batch: yours is one for each image": dict(
        dims=(2, 3)
    ),
    "one mean for each channel: yours mixes the channels of an image (that is layer norm)": dict(
        dims=(1, 2, 3)
    ),
    "one mean for each channel: yours mixes all channels": dict(dims=(0, 1, 2, 3)),
    "eps belongs under the root: sqrt(variance + eps)": dict(eps_outside=True),
}
RUNNING_MISTAKES = {
    "in evaluation the running statistics stay as they are": dict(learns=True),
    "in training the running statistics move a little towards those of the batch": dict(
        learns=False
    ),
    "momentum is the share of the new batch: (1 − momentum) · old + momentum · new": dict(
        flip_momentum=True
    ),
    "the running variance takes the unbiased variance of the batch (torch.var as it is)": dict(
        running_correction=0
    ),
}
STATE_NAMES = ("weight", "bias", "running_mean", "running_var")


class BatchNorm(Exercise):
    """The answer: a module, built with `num_features`, `momentum` and `eps`."""

    id, points, title = "05.4", 6, "Batch normalisation"
    ready_made = ("batch_norm", "native_batch_norm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d")

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [2, 2, 2, 2], training=True, eps=1e-5)
        yield self._case(rng, [2, 2, 2, 2], training=False, eps=1e-5)
        yield self._case(rng, [4, 3, 1, 1], training=True)  # a pixel an image
        yield self._case(rng, [1, 2, 3, 5], training=True)  # one image
        yield self._case(rng, [1, 3, 2, 2], training=False)  # one image
        for training in (True, True, True, False, False, True):
            shape = [int(n) for n in rng.integers(2, 6, 4)]
            yield self._case(rng, shape, training=training, momentum=float(rng.uniform(0.1, 0.4)))

    def _case(
        self,
        rng: Generator,
        shape: list[int],
        *,
        training: bool,
        momentum: float = 0.1,
        eps: float = 0.05,
    ) -> Case:
        offset, scale = normal(rng, 1, shape[1], 1, 1, scale=2), rng.uniform(0.4, 2)
        return {
            "training": training,
            "momentum": momentum,
            "eps": eps,
            "state": norm_state(rng, shape[1], mean_scale=1),
            "images": offset + normal(rng, *shape, scale=float(scale)),
            "pull": normal(rng, *shape),
        }

    def describe(self, case: Case) -> str:
        mode = "training" if case["training"] else "evaluation"
        return (
            f"{mode} mode, x of shape {tuple(case['images'].shape)}, "
            f"momentum={case['momentum']:.3g}, eps={case['eps']:g}"
        )

    def run(self, answer: Any, case: Case) -> Any:
        options = dict(momentum=case["momentum"], eps=case["eps"])
        module = answer(len(case["state"]["weight"]), **options)
        if not isinstance(module, nn.Module):
            return {"names": None}
        result: dict[str, Any] = {
            "names": {
                "parameters": [name for name, _ in module.named_parameters()],
                "buffers": [name for name, _ in module.named_buffers()],
            },
            "start": {name: value.clone() for name, value in module.state_dict().items()},
        }
        if set(STATE_NAMES) <= set(result["start"]):
            module.load_state_dict(case["state"], strict=False)
            x = case["images"].requires_grad_()
            with Watch() as watch:
                output = module.train(case["training"])(x)
            result |= {"output": output, "state": dict(module.state_dict()), "gradient": None}
            result["ready_made"] = any("batch_norm" in name for name in watch.names)
            if output.requires_grad and output.shape == x.shape:
                (output * case["pull"]).sum().backward()
                result["gradient"] = x.grad
        return result

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        names, start, output, state, gradient, ready_made = fields(
            result, "names", "start", "output", "state", "gradient", "ready_made"
        )
        if ready_made:
            return wrong("batch norm is what you are to write: means, variances and a quotient")
        hint = self._names_hint(names) or self._start_hint(case, start)
        if hint:
            return wrong(hint)
        x = case["images"].clone().requires_grad_()
        want, after = _batch_norm(case, x, case["state"])
        if not close(output, want.detach()):
            return wrong(self._output_hint(case, output))
        for name in ("running_mean", "running_var"):
            have = state.get(name) if isinstance(state, dict) else None
            if not close(have, after[name].detach()):
                return wrong(self._running_hint(case, name, have))
        (want * case["pull"]).sum().backward()
        if same_tensor(gradient, x.grad, 1e-3):
            return right()
        return wrong(
            "the gradient of the input is not right: mean and variance of the batch depend on the "
            "input too, so compute them with gradients, and detach only the running statistics"
        )

    def _names_hint(self, names: Any) -> str | None:
        parameters, buffers = fields(names, "parameters", "buffers")
        if not isinstance(parameters, list) or not isinstance(buffers, list):
            return NO_MODULE
        if {"running_mean", "running_var"} & set(map(str, parameters)):
            return (
                "the running statistics are measured, not trained: register_buffer instead of "
                "nn.Parameter, or the optimizer would change them"
            )
        if sorted(map(str, parameters)) != ["bias", "weight"]:
            return f"the parameters should be weight and bias; yours are {describe(parameters)}"
        if not {"running_mean", "running_var"} <= set(map(str, buffers)):
            return (
                "running_mean and running_var must be saved with the model: "
                'self.register_buffer("running_mean", ...)'
            )
        return None

    def _start_hint(self, case: Case, start: Any) -> str | None:
        count = len(case["state"]["weight"])
        for name, value in zip(STATE_NAMES, (1.0, 0.0, 0.0, 1.0), strict=True):
            have = start.get(name) if isinstance(start, dict) else None
            if not same_tensor(have, torch.full((count,), value)):
                return f"{name} should start as {count} numbers, each {value:g}"
        return None

    def _output_hint(self, case: Case, output: Any) -> str:
        def make(mistake: dict[str, Any]) -> Tensor:
            return _batch_norm(case, case["images"], case["state"], **mistake)[0]

        if not isinstance(output, Tensor) or output.shape != case["images"].shape:
            return f"the output has the shape of the input; yours is {describe(output)}"
        hint = first_mistake(output, OUTPUT_MISTAKES, make)
        return hint or "the shape of the output is right, but the values are not"

    def _running_hint(self, case: Case, name: str, have: Any) -> str:
        def make(mistake: dict[str, Any]) -> Tensor:
            return _batch_norm(case, case["images"], case["state"], **mistake)[1][name]

        hint = first_mistake(have, RUNNING_MISTAKES, make)
        return hint or f"the output is right, but {name} is not: it is {describe(have)}"


# --- 05.5 ----------------------------------------------------------------------------------------

CALLS = ("device", "train", "zero_grad", "backward", "step", "eval", "no_grad")
OVERLOOKED = {
    "device": "compare the two devices: a model and its images must be in the same place",
    "train": "batch norm did not learn while the model was trained: look at running_means",
    "zero_grad": "compare gradients with batch_gradients: something old is in them",
    "backward": "the gradients are all zero: who should have computed them?",
    "step": "there are gradients, but the weights do not move",
    "eval": "batch norm learned from the images it was evaluated on",
    "no_grad": "the evaluation recorded a graph, which costs memory for nothing",
}
FALSE_ALARM = {
    "train": "running_means does change from batch to batch",
    "zero_grad": "old gradients would be added to the new ones, and that is not what is seen here",
    "backward": "there are gradients that are not zero",
    "step": "without gradients even a good step leaves the weights where they are",
    "eval": "the evaluation left batch norm's running mean as it was",
    "no_grad": "the evaluation recorded no graph",
    "device": "model and images are on the same device",
}


def _flat(tensors: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensor:
    """All numbers in one row; zeros for what is missing."""
    parts = [torch.zeros_like(b) if a is None else a for a, b in zip(tensors, like, strict=True)]
    return torch.cat([part.detach().flatten() for part in parts])


def _train_and_record(rng: Generator, missing: set[str]) -> Case:
    """Train a small model on three batches without the missing calls, and note what happens."""
    features, classes, size = 3, int(rng.integers(2, 4)), int(rng.integers(4, 7))
    norm, linear = nn.BatchNorm1d(features), nn.Linear(features, classes)
    norm.load_state_dict(norm_state(rng, features, mean_scale=1), strict=False)
    linear.load_state_dict({"weight": normal(rng, classes, features), "bias": torch.ones(classes)})
    model = nn.Sequential(norm, linear).train("train" not in missing)
    weights = list(model.parameters())
    optimizer = torch.optim.SGD(weights, lr=0.1)

    def running_mean() -> Tensor:
        return norm.state_dict()["running_mean"].clone()

    rows: dict[str, list[Tensor]] = {
        "weights": [_flat(weights, weights)],
        "gradients": [],
        "batch_gradients": [],
        "running_means": [running_mean()],
    }
    for _ in range(3):
        images, labels = normal(rng, size, features), rng.integers(0, classes, size)
        if "zero_grad" not in missing:
            optimizer.zero_grad()
        loss = F.cross_entropy(model(images), torch.from_numpy(labels))
        new = torch.autograd.grad(loss, weights)
        if "backward" not in missing:  # loss.backward() adds the new gradients to the old ones
            for weight, gradient in zip(weights, new, strict=True):
                weight.grad = gradient if weight.grad is None else weight.grad + gradient
        if "step" not in missing:
            optimizer.step()
        rows["weights"].append(_flat(weights, weights))
        rows["gradients"].append(_flat([weight.grad for weight in weights], weights))
        rows["batch_gradients"].append(_flat(new, weights))
        rows["running_means"].append(running_mean())
    model.train("eval" in missing)
    with torch.set_grad_enabled("no_grad" in missing):
        logits = model(normal(rng, size, features))
    return {
        "model_device": "cpu",
        "images_device": "cpu",
        **{name: torch.stack(values) for name, values in rows.items()},
        "running_mean_after_evaluation": running_mean(),
        "evaluation_recorded_graph": logits.requires_grad,
    }


def _missing_calls(record: Case) -> set[str]:
    """What was forgotten, found from the record alone."""
    if record["model_device"] != record["images_device"]:
        return {"device"}
    means, gradients = record["running_means"], record["gradients"]
    has_gradients = bool(gradients.any())
    signs = {
        "train": torch.equal(means[0], means[-1]),
        "zero_grad": has_gradients and not torch.allclose(gradients, record["batch_gradients"]),
        "backward": not has_gradients,
        "step": has_gradients and torch.equal(record["weights"][0], record["weights"][-1]),
        "eval": not torch.equal(means[-1], record["running_mean_after_evaluation"]),
        "no_grad": record["evaluation_recorded_graph"],
    }
    return {call for call, holds in signs.items() if holds}


class Diagnose(Exercise):
    """The answer: `diagnose(record)` → a list of the calls that the run forgot."""

    id, points, title = "05.5", 6, "Diagnose a broken training run"

    TOGETHER = (
        ("zero_grad", "eval"),
        ("train", "no_grad"),
        ("backward", "eval"),
        ("step", "zero_grad"),
        ("step", "train", "no_grad"),
        ("backward", "train"),
        ("zero_grad", "eval", "no_grad"),
    )

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"record": _train_and_record(rng, set())}
        for call in CALLS[1:]:
            yield {"record": _train_and_record(rng, {call})}
        yield {"record": self._stopped("cuda:0", "cpu")}
        yield {"record": self._stopped("cpu", "mps:0")}
        for missing in self.TOGETHER:
            yield {"record": _train_and_record(rng, set(missing))}
        yield {"record": _train_and_record(rng, set())}

    def _stopped(self, model_device: str, images_device: str) -> Case:
        """Nothing can be computed on two devices at once: the record is empty."""
        empty = torch.zeros(0, 0)
        tensors = ("weights", "gradients", "batch_gradients", "running_means")
        return {
            "model_device": model_device,
            "images_device": images_device,
            **{name: empty for name in tensors},
            "running_mean_after_evaluation": torch.zeros(0),
            "evaluation_recorded_graph": False,
        }

    def describe(self, case: Case) -> str:
        record = case["record"]
        devices = f"model on {record['model_device']}, images on {record['images_device']}"
        return f"a record of {len(record['gradients'])} batches, {devices}"

    def run(self, answer: Any, case: Case) -> Any:
        found = answer(case["record"])
        return {"found": sorted(found) if isinstance(found, (set, frozenset)) else found}

    def judge(self, case: Case, key: Any, result: Any) -> Verdict:
        (found,) = fields(result, "found")
        if not isinstance(found, list) or not all(type(call) is str for call in found):
            return wrong(f"return a list of names, [] if nothing is missing, not {describe(found)}")
        unknown = [call for call in found if call not in CALLS]
        if unknown:
            return wrong(f"{unknown[0]!r} is none of the names {', '.join(CALLS)}")
        want = _missing_calls(case["record"])
        for call in CALLS:
            if call in want and call not in found:
                return wrong(f"something was overlooked: {OVERLOOKED[call]}")
            if call in found and call not in want:
                return wrong(f"{call!r} was not forgotten here: {FALSE_ALARM[call]}")
        return right()


EXERCISES = [BuildFeatures(), BuildVGG(), CountVGG(), BatchNorm(), Diagnose()]
