"""What lecture 05 asks: layers from a list, the whole VGG, counts, batch norm, broken runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from ...arithmetic import conv_parameters, linear_parameters
from ...exercises.core import Case
from ...exercises.shared import identity
from .core import Examiner, ModuleExaminer, mistaken
from .tensors import layer_state, norm_state, normal, normed

Configuration = Sequence[int | str]


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


# --- 05.1 ----------------------------------------------------------------------------------------


class BuildFeatures(ModuleExaminer):
    """Layers with random weights, and lists with an entry that means nothing."""

    id = "05.1"
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
    }

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [4, "M", 8, "M"], False, 3)
        yield self._case(rng, [4, "M", 8, "M"], True, 3)
        yield self._case(rng, [5, 3, "M", 6], False, 1)
        yield self._case(rng, ["M", 2, "M"], True, 2)
        width, letter = int(rng.integers(1, 50)), str(rng.choice([*"ABCPX"]))
        yield self._bad_case(rng, [width, "M", letter])
        yield self._bad_case(rng, [0, "M", width])
        yield self._bad_case(rng, [width, int(rng.integers(2, 9)) + 0.5, "M"])
        yield self._bad_case(rng, [width, "M", -int(rng.integers(1, 30))])
        for _ in range(6):
            widths = [int(number) for number in rng.integers(1, 7, 4)]
            end = ["M"] if rng.random() < 0.5 else []
            configuration: Configuration = [*widths[:2], "M", *widths[2:], *end]
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
        good = [entry for entry in configuration if not _means_nothing(entry)]
        options = {"batch_norm": bool(rng.integers(2)), "in_channels": 3}
        return {"arguments": {"configuration": configuration, **options}, "good": good}

    def key(self, case: Case) -> Any:
        configuration, batch_norm, _ = case["arguments"].values()
        if "state" not in case:
            return {"bad": next(filter(_means_nothing, configuration))}
        return super().key(case) | {"kinds": _kinds(configuration, batch_norm)}

    def reference(self, case: Case, **mistake: Any) -> Tensor:
        return _features(case, **mistake)


def _means_nothing(entry: Any) -> bool:
    return entry != "M" and (type(entry) is not int or entry < 1)


# --- 05.2 ----------------------------------------------------------------------------------------


def _logits(
    case: Case,
    *,
    pool: Callable = F.adaptive_avg_pool2d,
    after_linear: Callable = F.relu,
    last: Callable = identity,
    relu: Callable = F.relu,
) -> Tensor:
    """The whole network, with functions only; the options are the likely mistakes."""
    features = _features(case, prefix="features.", relu=relu)
    x = pool(features, case["arguments"]["pool_size"]).flatten(1)
    state = case["state"]
    for place in (0, 3, 6):
        x = F.linear(x, state[f"classifier.{place}.weight"], state[f"classifier.{place}.bias"])
        x = last(x) if place == 6 else after_linear(x)
    return x


class BuildVGG(ModuleExaminer):
    """Maps that the pool leaves as they are, enlarges or shrinks, and classifiers of any size."""

    id = "05.2"
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
        yield self._case(rng, [4, "M", 5, "M"], image_size=28)  # 7×7: the pool changes nothing
        yield self._case(rng, [4, "M", 5, "M"], image_size=20, batch_norm=True)  # 5×5 to 7×7
        yield self._case(rng, [4, "M", 6, 6, "M"], image_size=8, pool_size=1, in_channels=1)
        yield self._case(rng, [4, "M", 8], image_size=10, pool_size=3)  # the list ends with a conv
        for _ in range(5):
            channels = [int(number) for number in rng.integers(2, 8, 3)]
            yield self._case(
                rng,
                [channels[0], "M", *channels[1:], "M"],
                image_size=int(rng.integers(8, 20)),
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
        x = normal(rng, 2, in_channels, image_size, image_size)
        return {"arguments": arguments, "state": state, "x": x}

    def reference(self, case: Case, **mistake: Any) -> Tensor:
        return _logits(case, **mistake)


# --- 05.3 ----------------------------------------------------------------------------------------

VGG11: Configuration = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]


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


class CountVGG(Examiner):
    """VGG-11, small ones with a remainder, batch norm or no pooling, and any."""

    id = "05.3"

    def examples(self) -> Iterator[Case]:
        yield self._case(VGG11)
        yield self._case([4], image_size=5, num_classes=2, hidden=3)
        yield self._case([4, "M"], image_size=5, num_classes=2, hidden=3)  # 5 // 2 = 2

    def cases(self, rng: Generator) -> Iterator[Case]:
        def between(low: int, high: int) -> int:
            return int(rng.integers(low, high + 1))

        yield self._case(VGG11, num_classes=between(2, 2000))
        odd, width = 2 * between(2, 9) + 1, between(2, 9)
        yield self._case([width], image_size=odd, num_classes=2, hidden=between(2, 9))
        yield self._case([width, "M"], image_size=odd, num_classes=2, hidden=between(2, 9))
        widths: Configuration = [between(2, 9), "M", between(2, 9), 8, "M"]
        yield self._case(widths, image_size=odd, hidden=16, batch_norm=True)
        small = dict(image_size=32, num_classes=10, hidden=between(100, 999))
        yield self._case(VGG11, **small, in_channels=1)
        for _ in range(8):
            first, *middle, last = (int(number) for number in rng.integers(2, 65, 4))
            yield self._case(
                [first, "M", *middle, "M", last, "M"],
                image_size=between(16, 64),
                num_classes=between(2, 100),
                in_channels=between(1, 4),
                hidden=between(8, 256),
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

    def key(self, case: Case) -> Any:
        def count(place: int) -> Callable[[dict[str, Any]], int]:
            return lambda mistake: _count(case, **mistake)[place]

        want = _count(case)
        mistakes = [mistaken(m, count(i), want[i]) for i, m in enumerate(COUNT_MISTAKES)]
        return dict(want=want, mistakes=mistakes)


# --- 05.4 ----------------------------------------------------------------------------------------


def _batch_norm(
    case: Case,
    x: Tensor,
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
    state = case["state"]
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


class BatchNorm(Examiner):
    """Both modes; one pixel, one image, and any shape."""

    id = "05.4"

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield self._case(rng, [2, 2, 2, 2], training=True, eps=1e-5)
        yield self._case(rng, [2, 2, 2, 2], training=False, eps=1e-5)
        yield self._case(rng, [4, 3, 1, 1], training=True)  # a pixel an image
        yield self._case(rng, [1, 2, 3, 5], training=True)  # one image
        yield self._case(rng, [1, 3, 2, 2], training=False)  # one image
        for training in (True, True, True, False, False, True):
            shape = [int(n) for n in rng.integers(2, 5, 4)]
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

    def key(self, case: Case) -> Any:
        def output(mistake: dict[str, Any]) -> Tensor:
            return _batch_norm(case, case["images"], **mistake)[0]

        def running(name: str) -> Callable[[dict[str, Any]], Tensor]:
            return lambda mistake: _batch_norm(case, case["images"], **mistake)[1][name]

        x = case["images"].clone().requires_grad_()
        want, _ = _batch_norm(case, x)
        (want * case["pull"]).sum().backward()
        after = {name: running(name)({}) for name in ("running_mean", "running_var")}
        return {
            "want": want,
            "gradient": x.grad,
            "mistakes": mistaken(OUTPUT_MISTAKES, output, want),
            "running": after,
            "running_mistakes": {
                name: mistaken(RUNNING_MISTAKES, running(name), new) for name, new in after.items()
            },
        }


# --- 05.5 ----------------------------------------------------------------------------------------


@contextmanager
def _one_thread() -> Iterator[None]:
    """A sum depends on how many threads share it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _flat(tensors: Sequence[Tensor | None], like: Sequence[Tensor]) -> Tensor:
    """All numbers in one row; zeros for what is missing."""
    parts = [torch.zeros_like(b) if a is None else a for a, b in zip(tensors, like, strict=True)]
    return torch.cat([part.detach().flatten() for part in parts])


def _noted(values: Tensor) -> Tensor:
    return values.round(decimals=5).float()


@_one_thread()
def _train_and_record(rng: Generator, missing: set[str]) -> Case:
    """Train a small model on three batches without the missing calls, and note what happens.

    It computes with float64 and notes five decimals: the same ones on every machine.
    """
    features, classes, size = 3, int(rng.integers(2, 4)), int(rng.integers(4, 7))
    norm = nn.BatchNorm1d(features, dtype=torch.float64)
    linear = nn.Linear(features, classes, dtype=torch.float64)
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
        images, labels = normal(rng, size, features).double(), rng.integers(0, classes, size)
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
        logits = model(normal(rng, size, features).double())
    return {
        "model_device": "cpu",
        "images_device": "cpu",
        **{name: _noted(torch.stack(values)) for name, values in rows.items()},
        "running_mean_after_evaluation": _noted(running_mean()),
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


class Diagnose(Examiner):
    """Runs that forgot nothing, each call alone, and several at once."""

    id = "05.5"

    TOGETHER = (
        ("zero_grad", "eval"),
        ("train", "no_grad"),
        ("backward", "eval"),
        ("step", "zero_grad"),
        ("step", "train", "no_grad"),
        ("backward", "train"),
        ("zero_grad", "eval", "no_grad"),
    )

    def examples(self) -> Iterator[Case]:
        yield {"record": self._stopped("cuda:0", "cpu")}
        yield {"record": self._stopped("cpu", "mps:0")}

    def cases(self, rng: Generator) -> Iterator[Case]:
        yield {"record": _train_and_record(rng, set())}
        for call in ("train", "zero_grad", "backward", "step", "eval", "no_grad"):
            yield {"record": _train_and_record(rng, {call})}
        kind, first, second = rng.choice(["cuda", "xpu"]), *rng.permutation(8)[:2]
        yield {"record": self._stopped(f"{kind}:{first}", "cpu")}
        yield {"record": self._stopped("cpu", f"{kind}:{second}")}
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

    def key(self, case: Case) -> Any:
        return {"want": sorted(_missing_calls(case["record"]))}


EXAMINERS = [BuildFeatures(), BuildVGG(), CountVGG(), BatchNorm(), Diagnose()]
