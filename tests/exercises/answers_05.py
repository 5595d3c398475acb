"""Lecture 05: other right answers, and wrong ones with the hint that each should get."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import vgg

from course_utils.arithmetic import trace
from course_utils.models.vgg import VGG, make_layers

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


class VGGOfTorchvision(vgg.VGG):
    """Its classifier has 4096 units and reads 7 × 7 maps: the rest has to be written anew."""

    def __init__(self, configuration, num_classes, batch_norm=False, **_):
        super().__init__(vgg.make_layers(configuration, batch_norm), num_classes)


# --- 05.3 ----------------------------------------------------------------------------------------


def count_with(
    *,
    bias=1,
    kernel=9,
    follow=True,
    divide=lambda side: side // 2,
    pixels=lambda side: side**2,
    each=1,
    result=lambda parameters, products: (parameters, products),
):
    """Make a count; each option is a mistake or another way to write it."""

    def count_features(configuration, image_size=224, in_channels=3):
        side, channels, parameters, products = image_size, in_channels, 0, 0
        for entry in configuration:
            if entry == "M":
                side = divide(side)
                continue
            parameters += entry * (kernel * channels + bias)
            products += each * entry * 9 * channels * pixels(side)
            channels = entry if follow else in_channels
        return result(parameters, products)

    return count_features


def count_by_building(configuration, image_size=224, in_channels=3):
    _, products = count_with()(configuration, image_size, in_channels)
    with torch.device("meta"):
        layers = features_with()(configuration, False, in_channels)
    return sum(p.numel() for p in layers.parameters()), products


def count_by_trace(configuration, image_size=224, in_channels=3):
    cost = trace(make_layers(configuration), (in_channels, image_size, image_size))
    return cost.parameters, cost.flops // 2


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
        adapters={"the course's": (VGG, 0), "torchvision's": (VGGOfTorchvision, 0)},
    ),
    "05.3": dict(
        variants={
            "tuple": count_with(),
            "list": count_with(result=lambda *counts: list(counts)),
        },
        wrong={
            "no bias": (count_with(bias=0), "biases, one for each output channel"),
            "kernel": (count_with(kernel=3), "3 · 3 weights for each"),
            "first": (count_with(follow=False), "what the one before it puts out"),
            "no halving": (count_with(divide=lambda s: s), "halves height and width"),
            "rounded up": (count_with(divide=lambda s: (s + 1) // 2), "round down"),
            "FLOPs": (count_with(each=2), "as one"),
            "pixels": (count_with(pixels=lambda s: 1), "anew at each output pixel"),
            "one side": (count_with(pixels=lambda s: s), "not only one side"),
            "float": (count_with(divide=lambda s: s // 2 * 1.0), "as a float"),
            "sum": (count_with(result=lambda *counts: sum(counts)), "return two numbers"),
            "built": (count_by_building, "no layer or tensor needs to be built"),
        },
        empty=dict(zeros=lambda *_, **__: (0, 0)),
        adapters={"the course's": (count_by_trace, 0)},
    ),
}
