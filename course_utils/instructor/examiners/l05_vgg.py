"""What lecture 05 asks: layers from a list, the whole VGG, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from numpy.random import Generator
from torch import Tensor
from torch.nn import functional as F

from ...arithmetic import conv_parameters
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
    channels_of: Callable = lambda before, first: before,
    halve: Callable = lambda side: side // 2,
    pixels: Callable = lambda side: side * side,
    each: int = 1,
) -> list[int]:
    """The two counts of a list of layers; the options are the likely mistakes."""
    side, channels, parameters, products = case["image_size"], case["in_channels"], 0, 0
    for entry in case["configuration"]:
        if entry == "M":
            side = halve(side)
            continue
        inputs = channels_of(channels, case["in_channels"])
        parameters += conv(inputs, entry)
        products += each * 9 * inputs * entry * pixels(side)
        channels = entry
    return [parameters, products]


FOLLOW = {
    "a convolution's input channels are what the one before it puts out": dict(
        channels_of=lambda before, first: first
    ),
}
COUNT_MISTAKES: tuple[dict[str, Any], ...] = (
    {
        "the convolutions have biases, one for each output channel": dict(
            conv=lambda i, o: conv_parameters(i, o, 3, bias=False)
        ),
        "a kernel has 3 · 3 weights for each input channel": dict(
            conv=lambda i, o: o * (3 * i + 1)
        ),
        "a filter is full in depth: 3 · 3 weights for each input channel, and one bias": dict(
            conv=lambda i, o: o * 10
        ),
        **FOLLOW,
    },
    {
        "count a multiplication with its addition as one": dict(each=2),
        "a convolution multiplies anew at each output pixel: times height · width": dict(
            pixels=lambda side: 1
        ),
        "the map has height · width pixels, not only one side of them": dict(
            pixels=lambda side: side
        ),
        "each pooling halves height and width (and drops a remainder)": dict(
            halve=lambda side: side
        ),
        "a pooling drops a remainder: round down": dict(halve=lambda side: -(-side // 2)),
        **FOLLOW,
    },
)


class CountFeatures(Examiner):
    """VGG-11, small ones with a remainder, no pooling, and any."""

    id = "05.3"

    def examples(self) -> Iterator[Case]:
        yield self._case(VGG11)
        yield self._case([4], image_size=5)
        yield self._case([4, "M", 6], image_size=5)  # 5 // 2 = 2

    def cases(self, rng: Generator) -> Iterator[Case]:
        def between(low: int, high: int) -> int:
            return int(rng.integers(low, high + 1))

        odd, width = 2 * between(2, 9) + 1, between(2, 9)
        yield self._case(VGG11, image_size=32 * between(1, 9))
        yield self._case([width], image_size=odd)
        yield self._case([width, "M", between(2, 9)], image_size=odd, in_channels=1)
        yield self._case(["M", width, "M"], image_size=odd)
        for _ in range(8):
            first, *middle, last = (int(number) for number in rng.integers(2, 65, 4))
            yield self._case(
                [first, "M", *middle, "M", last, "M"],
                image_size=between(16, 64),
                in_channels=between(1, 4),
            )

    def _case(self, configuration: Configuration, **options: Any) -> Case:
        return {"configuration": configuration, "image_size": 224, "in_channels": 3} | options

    def key(self, case: Case) -> Any:
        def count(place: int) -> Callable[[dict[str, Any]], int]:
            return lambda mistake: _count(case, **mistake)[place]

        want = _count(case)
        mistakes = [mistaken(m, count(i), want[i]) for i, m in enumerate(COUNT_MISTAKES)]
        return dict(want=want, mistakes=mistakes)


EXAMINERS = [BuildFeatures(), BuildVGG(), CountFeatures()]
