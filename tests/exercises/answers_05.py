"""Lecture 05: other right answers, and wrong ones with the hint that each should get."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import vgg

from course_utils.arithmetic import linear_flops, linear_parameters, trace
from course_utils.models import VGG
from course_utils.models.vgg import CONFIGURATIONS, make_layers

# --- 05.1 ----------------------------------------------------------------------------------------


def features_with(
    *,
    padding=1,
    kernel=3,
    pool=nn.MaxPool2d,
    pool_options=(2, 2),
    relu=True,
    order="norm first",
    use_norm=None,
    follow=True,
    check="ValueError",
    bias=True,
    wrap=lambda layers: nn.Sequential(*layers),
):
    """Make a builder of layers; each option is a mistake or another way to write it."""

    def build_features(configuration, batch_norm=False, in_channels=3):
        layers = []
        for entry in configuration:
            if entry == "M":
                layers.append(pool(*pool_options))
                continue
            if check and (not isinstance(entry, int) or entry <= 0):
                text = f"cannot build {entry!r}" if check != "mute" else "bad configuration"
                raise (TypeError if check == "TypeError" else ValueError)(text)
            layers.append(nn.Conv2d(in_channels, entry, kernel, padding=padding, bias=bias))
            rest = [nn.ReLU()] if relu else []
            if batch_norm if use_norm is None else use_norm:
                rest.insert(0 if order == "norm first" else len(rest), nn.BatchNorm2d(entry))
            layers += rest
            in_channels = entry if follow else in_channels
        return wrap(layers)

    return build_features


def named_one_by_one(configuration, batch_norm=False, in_channels=3):
    """The layers are added under their numbers, after all entries were checked."""
    for entry in configuration:
        if entry != "M" and (type(entry) is not int or entry < 1):
            raise ValueError(f"{entry} is neither 'M' nor a number of channels")
    layers = nn.Sequential()
    for entry in configuration:
        if entry == "M":
            layers.append(nn.MaxPool2d(kernel_size=2))
        else:
            layers.append(nn.Conv2d(in_channels, entry, (3, 3), padding="same"))
            if batch_norm:
                layers.append(nn.BatchNorm2d(entry))
            layers.append(nn.ReLU(inplace=True))
            in_channels = entry
    return layers


def features_of_torchvision(configuration, batch_norm=False, in_channels=3):
    return vgg.make_layers(configuration, batch_norm)


def always_an_error(configuration, batch_norm=False, in_channels=3):
    raise ValueError(configuration)


# --- 05.2 ----------------------------------------------------------------------------------------


class TheVGG(nn.Module):
    """Right; the class attributes are what the wrong ones change."""

    pool_layer = nn.AdaptiveAvgPool2d
    use_relu = True
    drop = 0.5

    def __init__(
        self,
        configuration,
        num_classes=10,
        in_channels=3,
        pool_size=7,
        hidden=4096,
        batch_norm=False,
    ):
        super().__init__()
        self.features = features_with()(configuration, batch_norm, in_channels)
        self.avgpool = self.pool_layer((pool_size, pool_size))
        sizes = [self.flat(configuration, pool_size), hidden, hidden, num_classes]
        self.classifier = nn.Sequential(*self.head(sizes))

    def flat(self, configuration, pool_size):
        return [entry for entry in configuration if entry != "M"][-1] * pool_size**2

    def head(self, sizes):
        layers = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            layers += [nn.Linear(before, after), nn.ReLU() if self.use_relu else nn.Identity()]
            layers.append(nn.Dropout(self.drop))
        return layers[:-2]

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class FunctionsInForward(TheVGG):
    """ReLU and dropout as functions; the linear layers keep their numbers."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        linear = {str(place): self.classifier[place] for place in (0, 3, 6)}
        self.classifier = nn.ModuleDict(linear)

    def forward(self, x):
        x = self.avgpool(self.features(x)).flatten(1)
        for place in "03":
            x = F.dropout(self.classifier[place](x).relu(), 0.5, self.training)
        return self.classifier["6"](x)


class MaxPooled(TheVGG):
    pool_layer = nn.AdaptiveMaxPool2d


class NoHiddenReLU(TheVGG):
    use_relu = False


class NoDropout(TheVGG):
    drop = 0.0


class DropoutLeftOut(TheVGG):
    def head(self, sizes):
        return [layer for layer in super().head(sizes) if not isinstance(layer, nn.Dropout)]


class WithSoftmax(TheVGG):
    def forward(self, x):
        return super().forward(x).softmax(1)


class WithLastReLU(TheVGG):
    def forward(self, x):
        return super().forward(x).relu()


class ForgotPoolSize(TheVGG):
    def flat(self, configuration, pool_size):
        return super().flat(configuration, 1)


class LastButOneEntry(TheVGG):
    def flat(self, configuration, pool_size):
        entry = configuration[-2]
        return (8 if entry == "M" else entry) * pool_size**2 + (configuration[-1] != "M")


class OtherNames(TheVGG):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.body = self.features
        del self.features


class LayersInAList(TheVGG):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.parts = [self.features, self.classifier]
        del self.features, self.classifier


class ZeroLogits(TheVGG):
    def forward(self, x):
        return 0 * super().forward(x)


class NotFlat(TheVGG):
    def forward(self, x):
        return super().forward(x)[:, :, None]


class VGGOfTheCourse(VGG):
    def __init__(self, configuration, num_classes, **options):
        CONFIGURATIONS["own"] = configuration
        super().__init__("own", num_classes, **options)


class VGGOfTorchvision(vgg.VGG):
    """Its classifier has 4096 units and reads 7 × 7 maps: the rest has to be written anew."""

    def __init__(self, configuration, num_classes, batch_norm=False, **_):
        super().__init__(vgg.make_layers(configuration, batch_norm), num_classes)


# --- 05.3 ----------------------------------------------------------------------------------------


def count_with(
    *,
    conv_bias=1,
    norm=2,
    kernel=9,
    linear_bias=1,
    flat=lambda channels, side: channels * side**2,
    divide=lambda side: side // 2,
    pixels=lambda side: side**2,
    each=1,
    first=False,
    result=lambda features, classifier, products: (features, classifier, products),
):
    """Make a count; each option is a mistake or another way to write it."""

    def count_vgg(
        configuration,
        image_size=224,
        num_classes=1000,
        in_channels=3,
        hidden=4096,
        batch_norm=False,
    ):
        side, channels, features, products = image_size, in_channels, 0, 0
        for entry in configuration:
            if entry == "M":
                side = divide(side)
                continue
            inputs = in_channels if first else channels
            features += entry * (kernel * inputs + conv_bias + norm * batch_norm)
            products += each * entry * 9 * inputs * pixels(side)
            channels = entry
        sizes = [flat(channels, side), hidden, hidden, num_classes]
        pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
        classifier = sum(b * (a + linear_bias) for a, b in pairs)
        products += each * sum(a * b for a, b in pairs)
        return result(features, classifier, products)

    return count_vgg


def count_by_building(configuration, batch_norm=False, in_channels=3, **options):
    _, *others = count_with()(configuration, in_channels=in_channels, **options)
    with torch.device("meta"):
        layers = features_with()(configuration, batch_norm, in_channels)
    return sum(p.numel() for p in layers.parameters()), *others


def count_by_the_course(
    configuration, image_size, num_classes, in_channels, hidden, batch_norm=False
):
    with torch.device("meta"):
        layers = make_layers(configuration, batch_norm, in_channels)
    features = trace(layers, (in_channels, image_size, image_size))
    channels, *sides = features.output_shape
    sizes = [channels * sides[0] * sides[1], hidden, hidden, num_classes]
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    products = features.flops // 2 + sum(linear_flops(*pair) for pair in pairs) // 2
    return features.parameters, sum(linear_parameters(*pair) for pair in pairs), products


# --- 05.4 ----------------------------------------------------------------------------------------


class Norm(nn.Module):
    """Right, with sums written out; the class attributes are what the wrong ones change."""

    dims = (0, 2, 3)
    unbiased = False
    running_unbiased = True
    learns_in = (True,)
    batch_in = (True,)
    affine = True
    eps_inside = True
    graph = True

    def __init__(self, num_features, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum, self.eps = self.share(momentum), eps
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.remember(torch.zeros(num_features), torch.ones(num_features))

    def share(self, momentum):
        return momentum

    def remember(self, mean, var):
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)

    def forward(self, x):
        column = (1, -1, 1, 1)
        mean, var = self.running_mean.view(column), self.running_var.view(column)
        if self.training in self.batch_in:
            with torch.set_grad_enabled(self.graph):
                mean = x.mean(self.dims, keepdim=True)
                var = x.var(self.dims, unbiased=self.unbiased, keepdim=True)
        if self.training in self.learns_in:
            self.learn(x.detach())
        spread = (var + self.eps).sqrt() if self.eps_inside else var.sqrt() + self.eps
        x = (x - mean) / spread
        return x * self.weight.view(column) + self.bias.view(column) if self.affine else x

    def learn(self, x):
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=self.running_unbiased)
        self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
        self.running_var.mul_(1 - self.momentum).add_(self.momentum * var)


class ByTorch(nn.BatchNorm2d):
    """Torch's own: right, but not what the exercise is about."""

    def __init__(self, num_features, momentum=0.1, eps=1e-5):
        super().__init__(num_features, eps=eps, momentum=momentum)


class ByEinsum(Norm):
    def forward(self, x):
        if not self.training:
            return super().forward(x)
        flat = x.transpose(0, 1).flatten(1)
        mean = flat.sum(1) / flat.shape[1]
        var = torch.einsum("cn,cn->c", flat, flat) / flat.shape[1] - mean**2
        self.learn(x.detach())
        scale = self.weight * (var + self.eps) ** -0.5
        return torch.einsum("nchw,c->nchw", x, scale) + (self.bias - mean * scale)[:, None, None]


def norm_with(**options):
    """Make a batch norm with other class attributes."""
    return type("ChangedNorm", (Norm,), options)


class StatisticsAsParameters(Norm):
    def remember(self, mean, var):
        self.running_mean = nn.Parameter(mean)
        self.running_var = nn.Parameter(var)

    def learn(self, x):
        with torch.no_grad():
            super().learn(x)


class StatisticsAsAttributes(Norm):
    def remember(self, mean, var):
        self.running_mean, self.running_var = mean, var


class VarianceFromZero(Norm):
    def remember(self, mean, var):
        super().remember(mean, torch.zeros_like(var))


class Flattened(Norm):
    def forward(self, x):
        return super().forward(x).flatten(1)


# --- 05.5 ----------------------------------------------------------------------------------------


def diagnose_with(
    *,
    device=True,
    zeros_are_old=False,
    step_needs_gradient=True,
    look_at="running_means",
    evaluation=True,
    result=lambda found: found,
):
    """Make a diagnosis; each option is a mistake or another way to write it."""

    def diagnose(record):
        if device and record["model_device"] != record["images_device"]:
            return result(["device"])
        found = []
        gradients, means = record["gradients"], record["running_means"]
        if len(means) and bool((means[0] == means[-1]).all()):
            found.append("train")
        is_zero = bool((gradients == 0).all())
        if (zeros_are_old or not is_zero) and not torch.equal(gradients, record["batch_gradients"]):
            found.append("zero_grad")
        if is_zero:
            found.append("backward")
        still = len(means) and torch.equal(record["weights"][0], record["weights"][1])
        if still and not (step_needs_gradient and is_zero):
            found.append("step")
        after = record["running_mean_after_evaluation"]
        if len(means) and not torch.equal(after, means[0 if look_at == "start" else -1]):
            found.append("eval")
        if evaluation and record["evaluation_recorded_graph"]:
            found.append("no_grad")
        return result(found)

    return diagnose


def by_each_batch(record):
    """Another order, other comparisons, and a set instead of a list."""
    if record["images_device"] != record["model_device"]:
        return {"device"}
    change = record["running_means"].diff(dim=0).abs().sum()
    moved = record["weights"].diff(dim=0).abs().sum() > 0
    largest = record["gradients"].abs().max()
    difference = (record["gradients"] - record["batch_gradients"]).abs().max()
    last = record["running_means"][-1]
    signs = {
        "no_grad": record["evaluation_recorded_graph"],
        "eval": bool((record["running_mean_after_evaluation"] - last).abs().max() > 1e-7),
        "step": bool(largest > 0 and not moved),
        "backward": bool(largest == 0),
        "zero_grad": bool(largest > 0 and difference > 1e-6),
        "train": bool(change == 0),
    }
    return {name for name, holds in signs.items() if holds}


ANSWERS = {
    "05.1": dict(
        variants={"a loop": features_with(), "numbered": named_one_by_one},
        wrong={
            "no padding": (features_with(padding=0), "padding=1 keeps the size"),
            "pool 3×3": (features_with(pool_options=(3, 2)), "not 3×3"),
            "pool 3×3 padded": (features_with(pool_options=(3, 2, 1)), "padding does not mend"),
            "pool stride 1": (features_with(pool_options=(2, 1)), "does not halve"),
            "average": (features_with(pool=nn.AvgPool2d), "layers should be"),
            "no ReLU": (features_with(relu=False), "a ReLU layer follows"),
            "norm last": (features_with(order="norm last"), "then batch norm .* then ReLU"),
            "never norm": (features_with(use_norm=False), "batch norm is asked for"),
            "always norm": (features_with(use_norm=True), "batch norm is not asked for"),
            "channels": (features_with(follow=False), "go into the next one"),
            "kernel 5": (features_with(kernel=5, padding=2), "a kernel is 3×3"),
            "no bias": (features_with(bias=False), "has a bias unless"),
            "no check": (features_with(check=None), "raise a ValueError"),
            "TypeError": (features_with(check="TypeError"), "leads to 'TypeError'"),
            "no name": (features_with(check="mute"), "should show the bad entry"),
            "list": (features_with(wrap=lambda layers: layers), r"nn\.Sequential\(\*layers\)"),
            "always an error": (always_an_error, "stops with ValueError"),
        },
        empty={"an error": always_an_error},
        adapters={
            "the course's": (make_layers, 0),
            "torchvision's, for colour images": (features_of_torchvision, 0.6),
        },
    ),
    "05.2": dict(
        variants={"class": TheVGG, "functions": FunctionsInForward},
        wrong={
            "max": (MaxPooled, "mean of each window"),
            "no ReLU": (NoHiddenReLU, "between the linear layers the ReLU is missing"),
            "dropout 0": (NoDropout, "in training mode two passes"),
            "no dropout": (DropoutLeftOut, "classifier.0, 3 and 6"),
            "softmax": (WithSoftmax, "leave the softmax out"),
            "last ReLU": (WithLastReLU, "no ReLU after it"),
            "pool size": (ForgotPoolSize, "times pool_size"),
            "last entry": (LastButOneEntry, r"classifier\.0\.weight should have shape"),
            "names": (OtherNames, "assign self.features"),
            "list": (LayersInAList, "plain Python list"),
            "shape": (NotFlat, "logits of shape"),
            "no module": (lambda *_, **__: "VGG", "inherits from nn.Module"),
        },
        empty={"zeros": ZeroLogits},
        adapters={"the course's": (VGGOfTheCourse, 0), "torchvision's": (VGGOfTorchvision, 0)},
    ),
    "05.3": dict(
        variants={
            "tuple": count_with(),
            "list": count_with(result=lambda *counts: list(counts)),
        },
        wrong={
            "no conv bias": (count_with(conv_bias=0), "biases, one for each output channel"),
            "no linear bias": (count_with(linear_bias=0), "biases, one for each output$"),
            "no norm": (count_with(norm=0), "weight and bias"),
            "buffers": (count_with(norm=4), "not trained"),
            "kernel": (count_with(kernel=3), "3 · 3 weights for each"),
            "first": (count_with(first=True), "what the one before it puts out"),
            "channels only": (count_with(flat=lambda c, s: c), "not only the channels"),
            "always 7": (count_with(flat=lambda c, s: 49 * c), "side is not 7"),
            "no halving": (count_with(divide=lambda s: s), "halves height and width"),
            "FLOPs": (count_with(each=2), "as one"),
            "pixels": (count_with(pixels=lambda s: 1), "anew at each output pixel"),
            "float": (count_with(divide=lambda s: s / 2), "as a float"),
            "sum": (count_with(result=lambda *counts: sum(counts)), "return three numbers"),
            "built": (count_by_building, "no layer or tensor needs to be built"),
        },
        empty=dict(zeros=lambda *_, **__: (0, 0, 0)),
        adapters={"the course's": (count_by_the_course, 0)},
    ),
    "05.4": dict(
        variants={"by hand": Norm, "einsum": ByEinsum},
        wrong={
            "unbiased": (norm_with(unbiased=True), "needs correction=0"),
            "biased memory": (norm_with(running_unbiased=False), "takes the unbiased variance"),
            "by pixel": (norm_with(dims=(0,)), "from pixel to pixel"),
            "by image": (norm_with(dims=(2, 3)), "one for each image"),
            "layer norm": (norm_with(dims=(1, 2, 3)), "that is layer norm"),
            "all": (norm_with(dims=(0, 1, 2, 3)), "mixes all channels"),
            "momentum": (norm_with(share=lambda self, m: 1 - m), "share of the new batch"),
            "batch in evaluation": (norm_with(batch_in=(True, False)), "running statistics are us"),
            "running in training": (
                norm_with(batch_in=()),
                "statistics of the batch are used, not the run",
            ),
            "learns always": (norm_with(learns_in=(True, False)), "stay as they are"),
            "learns never": (norm_with(learns_in=()), "move a little"),
            "no affine": (norm_with(affine=False), "scale and shift are missing"),
            "eps": (norm_with(eps_inside=False), "under the root"),
            "no graph": (norm_with(graph=False), "gradient of the input"),
            "parameters": (StatisticsAsParameters, "measured, not trained"),
            "attributes": (StatisticsAsAttributes, "register_buffer"),
            "start": (VarianceFromZero, "running_var should start as"),
            "flat": (Flattened, "shape of the input"),
            "torch's": (ByTorch, "batch norm is what you are to write"),
            "no module": (lambda *_, **__: None, "inherits from nn.Module"),
        },
        empty={
            "its input": norm_with(forward=lambda self, x: x),
            "zeros": norm_with(forward=lambda self, x: 0 * x),
        },
        adapters={"PyTorch's, which a person is told": (ByTorch, 6)},
    ),
    "05.5": dict(
        variants={"list": diagnose_with(), "set": by_each_batch},
        wrong={
            "nothing ever": (lambda record: [], "the same result for every case"),
            "zeros are old": (diagnose_with(zeros_are_old=True), "'zero_grad' was not forgotten"),
            "still is no step": (diagnose_with(step_needs_gradient=False), "'step' was not forg"),
            "eval from the start": (diagnose_with(look_at="start"), "'eval' was not forgotten"),
            "graph": (diagnose_with(evaluation=False), "costs memory for nothing"),
            "device": (diagnose_with(device=False), "compare the two devices|'backward' was not"),
            "only the first": (diagnose_with(result=lambda found: found[:1]), "overlooked"),
            "text": (diagnose_with(result=", ".join), "return a list of names"),
            "other names": (
                diagnose_with(result=lambda found: [f"{name}()" for name in found]),
                "none of the names",
            ),
        },
        empty=dict(
            all=lambda record: ["train", "zero_grad", "backward", "step", "eval", "no_grad"],
            one=lambda record: ["train"],
            none=lambda record: set(),
        ),
    ),
}
