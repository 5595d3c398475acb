"""Lecture 11: other right answers, and wrong ones with the hint that each should get."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.densenet import _DenseLayer, _Transition

from course_utils.arithmetic import conv_parameters
from course_utils.models.densenet import JoinedDenseLayer, half_transition
from course_utils.models.googlenet import BasicConv2d, Inception, PaperInception, weights_of_module

# --- 11.1 ----------------------------------------------------------------------------------------


def side_by_side(branches):
    return torch.cat(branches, dim=1)


def inception_with(
    *,
    join=side_by_side,
    pool=lambda: nn.MaxPool2d(3, stride=1, padding=1),
    large=5,
    layer=BasicConv2d,
    hide=False,
    module=nn.Module,
):
    """Make a class of modules; the options are mistakes or other ways to write it."""

    class Made(module):
        def __init__(self, read, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj):
            super().__init__()
            branches = [
                layer(read, ch1x1, 1),
                nn.Sequential(layer(read, ch3x3red, 1), layer(ch3x3red, ch3x3, 3)),
                nn.Sequential(layer(read, ch5x5red, 1), layer(ch5x5red, ch5x5, large)),
                nn.Sequential(pool(), layer(read, pool_proj, 1)),
            ]
            self.names = [f"branch{n}" for n in range(1, 5)]
            for name, branch in zip(self.names, branches, strict=True):
                setattr(self, name, [branch] if hide else branch)

        def forward(self, x):
            return join([getattr(self, name)(x) for name in self.names])

    return Made


class Bare(nn.Module):
    """A convolution without batch norm and ReLU."""

    def __init__(self, read, out, size):
        super().__init__()
        self.conv = nn.Conv2d(read, out, size, padding=size // 2, bias=False)

    def forward(self, x):
        return self.conv(x)


class NoReLU(BasicConv2d):
    def forward(self, x):
        return self.bn(self.conv(x))


class OtherEpsilon(BasicConv2d):
    def __init__(self, read, out, size):
        super().__init__(read, out, size)
        self.bn.eps = 1e-5


class WithBias(BasicConv2d):
    def __init__(self, read, out, size):
        super().__init__(read, out, size)
        self.conv = nn.Conv2d(read, out, size, padding=size // 2)


class ConvolutionFirst(inception_with()):
    """In branch 4 the 1×1 convolution comes before the pool."""

    def __init__(self, *channels):
        super().__init__(*channels)
        self.branch4 = nn.Sequential(*reversed(self.branch4))


class NoModule:
    """Takes any arguments, and is not a network."""

    def __init__(self, *arguments):
        pass


# --- 11.2 ----------------------------------------------------------------------------------------


def weights_with(*, large=25, bias=0, projection=True, spared=True, late=False, swap=False, out=0):
    """Make an answer; the options are mistakes."""

    def module_weights(in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj):
        def conv(read, make, area=1):
            return (read * area + bias) * make

        first, last = conv(in_channels, ch1x1), conv(in_channels, pool_proj)
        reduced = first + conv(in_channels, ch3x3red) + conv(ch3x3red, ch3x3, 9)
        reduced += conv(in_channels, ch5x5red) + conv(ch5x5red, ch5x5, large)
        reduced += last if projection else 0
        read3, read5 = (ch3x3red, ch5x5red) if late else (in_channels, in_channels)
        direct = first + conv(read3, ch3x3, 9) + conv(read5, ch5x5, large)
        direct += 0 if spared else last
        pooled = {0: in_channels, 1: pool_proj, 2: 0, 3: 1}[out]
        channels = ch1x1 + ch3x3 + ch5x5 + pooled
        return (direct, reduced, channels) if swap else (reduced, direct, channels)

    return module_weights


def weights_by_layers(in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj):
    """Let PyTorch count."""
    plan = (in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj)
    with torch.device("meta"):
        module = Inception(*plan, large=5)
        direct = [
            nn.Conv2d(in_channels, out, size, bias=False)
            for out, size in ((ch1x1, 1), (ch3x3, 3), (ch5x5, 5))
        ]
    reduced = sum(p.numel() for p in module.parameters() if p.ndim == 4)
    return [reduced, sum(c.weight.numel() for c in direct), in_channels + ch1x1 + ch3x3 + ch5x5]


def weights_by_the_course(in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj):
    def weights(*layers):
        return sum(conv_parameters(*layer, bias=False) for layer in layers)

    first, last = (in_channels, ch1x1, 1), (in_channels, pool_proj, 1)
    small = ((in_channels, ch3x3red, 1), (ch3x3red, ch3x3, 3))
    large = ((in_channels, ch5x5red, 1), (ch5x5red, ch5x5, 5))
    direct = weights(first, (in_channels, ch3x3, 3), (in_channels, ch5x5, 5))
    return weights(first, *small, *large, last), direct, ch1x1 + ch3x3 + ch5x5 + in_channels


# --- 11.3 ----------------------------------------------------------------------------------------


def dense_with(
    *,
    forward=lambda x, new: torch.cat([x, new], dim=1),
    first=F.relu,
    second=F.relu,
    factor=4,
    bias=False,
    padding=1,
    after=False,
    module=nn.Module,
):
    """Make a class of dense layers; the options are mistakes or other ways to write it."""

    class Made(module):
        def __init__(self, in_channels, growth_rate):
            super().__init__()
            width = factor * growth_rate
            self.norm1 = nn.BatchNorm2d(width if after else in_channels)
            self.conv1 = nn.Conv2d(in_channels, width, 1, bias=bias)
            self.norm2 = nn.BatchNorm2d(growth_rate if after else width)
            self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=padding, bias=bias)

        def forward(self, x):
            if after:
                new = second(self.norm2(self.conv2(first(self.norm1(self.conv1(x))))))
            else:
                new = self.conv2(second(self.norm2(self.conv1(first(self.norm1(x))))))
            return forward(x, new)

    return Made


def dense_without(name):
    """Make a class of dense layers whose forward leaves out a layer."""

    class Made(dense_with()):
        def forward(self, x):
            setattr(self, name, nn.Identity())
            return super().forward(x)

    return Made


class ReluFirst(dense_with(first=lambda x: x)):
    """ReLU, norm1, conv1; the rest is right."""

    def forward(self, x):
        new = super().forward(F.relu(x))[:, x.shape[1] :]
        return torch.cat([x, new], dim=1)


class DenseByAssignment(dense_with()):
    """Fills a new tensor part by part."""

    def forward(self, x):
        new = super().forward(x)[:, x.shape[1] :]
        out = x.new_empty(x.shape[0], x.shape[1] + new.shape[1], *x.shape[2:])
        out[:, : x.shape[1]], out[:, x.shape[1] :] = x, new
        return out


class DenseOfTorchvision(_DenseLayer):
    def __init__(self, in_channels, growth_rate):
        super().__init__(in_channels, growth_rate, bn_size=4, drop_rate=0)

    def forward(self, x):
        return torch.cat([x, super().forward(x)], dim=1)


# --- 11.4 ----------------------------------------------------------------------------------------


def transition_with(
    *,
    pool=lambda x: F.avg_pool2d(x, 2),
    before=lambda x: x,
    activation=F.relu,
    last=lambda x: x,
    channels=lambda n: n // 2,
    bias=False,
    norm_last=False,
):
    """Make a class of transitions; the options are mistakes or other ways to write it."""

    class Made(nn.Module):
        def __init__(self, in_channels):
            super().__init__()
            out = channels(in_channels)
            self.norm = nn.BatchNorm2d(out if norm_last else in_channels)
            self.conv = nn.Conv2d(in_channels, out, 1, bias=bias)

        def forward(self, x):
            if norm_last:
                return pool(activation(self.norm(self.conv(x))))
            return pool(last(self.conv(before(activation(self.norm(x))))))

    return Made


ANSWERS = {
    "11.1": {
        "variants": {"a loop": inception_with()},
        "wrong": {
            "sum": (inception_with(join=sum), "not added"),
            "backwards": (inception_with(join=lambda b: side_by_side(b[::-1])), "order 1, 2, 3, 4"),
            "two swapped": (
                inception_with(join=lambda b: side_by_side([b[0], b[2], b[1], b[3]])),
                "before branch3",
            ),
            "one below the other": (
                inception_with(join=lambda b: torch.cat(b, dim=2)),
                "should have shape|do not fit together",
            ),
            "along the batch": (inception_with(join=torch.cat), "should have shape|do not fit"),
            "pool not padded": (
                inception_with(pool=lambda: nn.MaxPool2d(3, stride=1)),
                "stride 1, padding 1",
            ),
            "usual stride": (
                inception_with(pool=lambda: nn.MaxPool2d(3, padding=1)),
                "stride 1, padding 1",
            ),
            "mean pool": (inception_with(pool=lambda: nn.AvgPool2d(3, 1, 1)), "is a max pool"),
            "no pool": (inception_with(pool=nn.Identity), "begins with the max pool"),
            "torchvision's 3×3": (inception_with(large=3), "follows the paper"),
            "no batch norm": (inception_with(layer=Bare), "has no tensor branch1.bn"),
            "no relu": (inception_with(layer=NoReLU), "batch norm and ReLU"),
            "another epsilon": (inception_with(layer=OtherEpsilon), "eps=0.001"),
            "biases": (inception_with(layer=WithBias), "bias=False"),
            "1×1 first": (ConvolutionFirst, "begins with the max pool, and the 1×1"),
            "a list": (inception_with(hide=True), "plain Python list"),
            "no network": (NoModule, "inherits from nn.Module"),
        },
        "empty": {
            "zeros": inception_with(join=lambda b: 0 * side_by_side(b)),
            "ones": inception_with(join=lambda b: side_by_side(b) ** 0),
        },
        "adapters": {"the course's": (PaperInception, 0)},
    },
    "11.2": {
        "variants": {"by formula": weights_with(), "by PyTorch": weights_by_layers},
        "wrong": {
            "biases": (weights_with(bias=1), "biases are not counted"),
            "3×3 for 5×5": (weights_with(large=9), "25 weights"),
            "swapped": (weights_with(swap=True), "first the weights with"),
            "no projection": (weights_with(projection=False), "behind the pool has weights"),
            "projection stays": (weights_with(spared=False), "no 1×1 behind the pool either"),
            "reads the reduced": (weights_with(late=True), "read all channels"),
            "pool reduced": (weights_with(out=1), "hands on all channels"),
            "pool forgotten": (weights_with(out=2), "joined too"),
            "one channel": (weights_with(out=3), "channels without reductions: expected"),
            "one number": (lambda **channels: 163328, "three whole numbers"),
            "nothing right": (lambda **channels: (1, 2, 3), "with reductions: expected"),
        },
        "empty": {
            "zeros": lambda **channels: (0, 0, 0),
            "arguments": lambda **channels: list(channels.values())[:3],
        },
        "adapters": {
            "the course's": (weights_of_module, 0),
            "counted by the course": (weights_by_the_course, 0),
        },
    },
    "11.3": {
        "variants": {"functions": dense_with(), "assignment": DenseByAssignment},
        "wrong": {
            "new only": (dense_with(forward=lambda x, new: new), "x is missing"),
            "sum": (dense_with(forward=lambda x, new: x + new), "do not add"),
            "new first": (
                dense_with(forward=lambda x, new: torch.cat([new, x], dim=1)),
                "x comes first",
            ),
            "relu on x": (
                dense_with(forward=lambda x, new: torch.cat([F.relu(x), new], dim=1)),
                "no ReLU on it",
            ),
            "relu at the end": (
                dense_with(forward=lambda x, new: F.relu(torch.cat([x, new], dim=1))),
                "no ReLU at the end",
            ),
            "no first relu": (dense_with(first=lambda x: x), "each of the two"),
            "no second relu": (dense_with(second=lambda x: x), "follows norm2"),
            "norm1 forgotten": (dense_without("norm1"), "norm1 is not used in forward"),
            "norm2 forgotten": (dense_without("norm2"), "norm2 is not used in forward"),
            "doubled": (
                dense_with(forward=lambda x, new: torch.cat([x, 2 * new], dim=1)),
                "shape of the output; its numbers are not",
            ),
            "relu first": (ReluFirst, "ReLU comes before norm1"),
            "norm behind": (dense_with(after=True), "norm1 comes before conv1"),
            "narrow": (dense_with(factor=1), r"4 · growth_rate"),
            "biases": (dense_with(bias=True), "bias=False"),
            "no padding": (dense_with(padding=0), "needs padding 1"),
            "no network": (NoModule, "inherits from nn.Module"),
        },
        "empty": {
            "only x": dense_with(forward=lambda x, new: x),
            "zeros": dense_with(forward=lambda x, new: 0 * torch.cat([x, new], dim=1)),
        },
        "adapters": {
            "the course's": (JoinedDenseLayer, 0),
            "torchvision's": (DenseOfTorchvision, 7),
        },
    },
    "11.4": {
        "variants": {
            "pool last": transition_with(),
            # Both are linear, and the mean does not care in which order sums are taken.
            "pool first": transition_with(before=lambda x: F.avg_pool2d(x, 2), pool=lambda x: x),
        },
        "wrong": {
            "max pool": (transition_with(pool=lambda x: F.max_pool2d(x, 2)), "not the maximum"),
            "no pool": (transition_with(pool=lambda x: x), "pool is missing"),
            "stride 1": (
                transition_with(pool=lambda x: F.avg_pool2d(x, 2, stride=1)),
                "side by side: stride 2",
            ),
            "every second pixel": (
                transition_with(pool=lambda x: x[:, :, ::2, ::2]),
                "single pixels",
            ),
            "rounded up": (
                transition_with(pool=lambda x: F.avg_pool2d(x, 2, ceil_mode=True)),
                "odd row",
            ),
            "no relu": (transition_with(activation=lambda x: x), "follows the batch norm"),
            "one more relu": (transition_with(last=F.relu), "no ReLU follows"),
            "norm behind": (transition_with(norm_last=True), "batch norm comes first"),
            "all channels": (transition_with(channels=lambda n: n), "in_channels // 2"),
            "channels rounded up": (
                transition_with(channels=lambda n: -(-n // 2)),
                "in_channels // 2",
            ),
            "biases": (transition_with(bias=True), "bias=False"),
            "no network": (NoModule, "inherits from nn.Module"),
        },
        "empty": {"zeros": transition_with(pool=lambda x: F.avg_pool2d(0 * x, 2))},
        "adapters": {
            "the course's": (half_transition, 0),
            "torchvision's": (lambda channels: _Transition(channels, channels // 2), 6),
        },
    },
}
