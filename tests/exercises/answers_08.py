"""Lecture 08: other right answers, and wrong ones with the hint that each should get."""

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet

from course_utils.models.resnet import BasicBlock, Bottleneck, PadShortcut, zero_last_batch_norm

# --- 08.1 ----------------------------------------------------------------------------------------


def shortcut_with(take=lambda x, s: x[:, :, ::s, ::s], join=None, new=lambda x, n: n - x.shape[1]):
    """Make a shortcut; the options are mistakes or other ways to write it."""
    join = join or (lambda x, zeros: torch.cat([x, zeros], dim=1))

    def pad_shortcut(x, out_channels, stride=1):
        taken = take(x, stride)
        zeros = taken.new_zeros(taken.shape[0], new(taken, out_channels), *taken.shape[2:])
        return join(taken, zeros)

    return pad_shortcut


def shortcut_in_place(x, out_channels, stride=1):
    result = F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, 0, out_channels - x.shape[1]))
    x.zero_()
    return result


def shortcut_by_assignment(x, out_channels, stride=1):
    taken = x[:, :, ::stride, ::stride]
    result = torch.zeros(x.shape[0], out_channels, *taken.shape[2:])
    result[:, : x.shape[1]] = taken
    return result


def copies(x, out_channels, stride=1):
    taken = x[:, :, ::stride, ::stride]
    return torch.cat([taken] * out_channels, dim=1)[:, :out_channels]


def zeros_as_shortcut(x, out_channels, stride=1):
    return x.new_zeros(len(x), out_channels, *x[0, 0, ::stride, ::stride].shape)


def shortcut_of_the_course(x, out_channels, stride=1):
    return PadShortcut(x.shape[1], out_channels, stride)(x)


# --- 08.2 and 08.3 -------------------------------------------------------------------------------


def block_with(
    *,
    bottleneck=False,
    strided=None,
    bias=False,
    shortcut="needed",
    between=F.relu,
    forward=None,
    module=nn.Module,
    padding=None,
):
    """Make a class of blocks; the options are mistakes or other ways to write it."""
    kernels = (1, 3, 1) if bottleneck else (3, 3)
    strided = (1 if bottleneck else 0) if strided is None else strided
    forward = forward or (lambda branch, x: F.relu(branch + x))

    class Made(module):
        def __init__(self, in_channels, channels, stride=1):
            super().__init__()
            out = channels * (4 if bottleneck else 1)
            sizes = [in_channels, *[channels] * (len(kernels) - 1), out]
            for n, size in enumerate(kernels):
                step = stride if n == strided else 1
                around = size // 2 if padding is None else padding
                conv = nn.Conv2d(sizes[n], sizes[n + 1], size, step, around, bias=bias)
                setattr(self, f"conv{n + 1}", conv)
                setattr(self, f"bn{n + 1}", nn.BatchNorm2d(sizes[n + 1]))
            self.downsample = None
            fits = stride == 1 and in_channels == out
            if shortcut == "always" or (shortcut != "never" and not fits):
                layers = [nn.Conv2d(in_channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)]
                self.downsample = nn.Sequential(*layers[: 1 if shortcut == "bare" else 2])

        def forward(self, x):
            out = x
            for n in range(1, len(kernels) + 1):
                out = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(out))
                out = between(out) if n < len(kernels) else out
            return forward(out, x if self.downsample is None else self.downsample(x))

    return Made


class BlockFromTheCourse(BasicBlock):
    """The course's own class is one more way to write it."""


class BottleneckFromTheCourse(Bottleneck):
    """The same for the bottleneck."""


BLOCK_MISTAKES = {
    "no addition": (dict(forward=lambda branch, x: F.relu(branch)), "addition is missing"),
    "relu too early": (dict(forward=lambda branch, x: F.relu(branch) + x), "add first"),
    "two relus": (dict(forward=lambda b, x: F.relu(F.relu(b) + x)), "never take away"),
    "no last relu": (dict(forward=lambda branch, x: branch + x), "follows the addition"),
    "no relu between": (dict(between=lambda x: x), "each batch norm but the last"),
    "biases": (dict(bias=True), "bias=False"),
    "always a projection": (dict(shortcut="always"), "self.downsample = None"),
    "never a projection": (dict(shortcut="never"), "nn.Sequential of a 1×1"),
    "a projection without batch norm": (dict(shortcut="bare"), r"no tensor downsample\.1\.bias"),
    "not a module": (dict(module=object), "inherits from nn.Module"),
    "no padding": (dict(padding=0), "Error|should have shape"),
}


def block_of_torchvision(block):
    """Its projection is built outside."""

    def build(in_channels, channels, stride=1):
        out = channels * block.expansion
        fits = stride == 1 and in_channels == out
        layers = [nn.Conv2d(in_channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)]
        return block(in_channels, channels, stride, None if fits else nn.Sequential(*layers))

    return build


def empty_blocks(**options):
    """Have the right weights, and use none."""
    return {
        "only x": block_with(forward=lambda branch, x: x, **options),
        "zeros": block_with(forward=lambda branch, x: 0 * branch, **options),
    }


def wrong_blocks(**options):
    return {name: (block_with(**o, **options), hint) for name, (o, hint) in BLOCK_MISTAKES.items()}


class NoModule:
    """Has the right arguments, and is not a network."""

    def __init__(self, in_channels, channels, stride=1):
        pass


# --- 08.4 ----------------------------------------------------------------------------------------


def norms_with(
    *,
    clear=True,
    measure=torch.linalg.vector_norm,
    biases=False,
    reduction="mean",
    source=lambda p: p.grad,
    number=lambda value: value.item(),
    order=list,
    name=str,
):
    """Make an answer; the options are mistakes."""

    def gradient_norms(model, images, labels):
        if clear:
            model.zero_grad()
        F.cross_entropy(model(images), labels, reduction=reduction).backward()
        chosen = [(n, p) for n, p in model.named_parameters() if biases or p.ndim > 1]
        return {name(n): number(measure(source(p).detach())) for n, p in order(chosen)}

    return gradient_norms


def norms_by_autograd(model, images, labels):
    """No parameter.grad is touched at all."""
    chosen = {n: p for n, p in model.named_parameters() if p.dim() >= 2}
    loss = nn.CrossEntropyLoss()(model(images), labels)
    gradients = torch.autograd.grad(loss, list(chosen.values()))
    return {n: g.norm().item() for n, g in zip(chosen, gradients, strict=True)}


def norms_always(value):
    return lambda model, *batch: {n: value for n, p in model.named_parameters() if p.ndim > 1}


# --- 08.5 ----------------------------------------------------------------------------------------


def identity_with(choose):
    """Make an answer that sets the tensors to 0 that ``choose(block)`` names."""

    def start_as_identity(model):
        for module in model.modules():
            if isinstance(module, (BasicBlock, Bottleneck)):
                for tensor in choose(module):
                    nn.init.zeros_(tensor)

    return start_as_identity


def last_of(block):
    return block.bn3 if isinstance(block, Bottleneck) else block.bn2


def identity_by_names(model):
    with torch.no_grad():
        for module in model.modules():
            if hasattr(module, "downsample"):
                norms = [m for n, m in module.named_children() if n.startswith("bn")]
                norms[-1].weight.mul_(0)


def norms_of(block):
    return [m.weight for n, m in block.named_children() if n.startswith("bn")]


def shortcut_norm(block):
    return [] if block.downsample is None else [block.downsample[1].weight]


def identity_frozen(model):
    for module in model.modules():
        if isinstance(module, (BasicBlock, Bottleneck)):
            last_of(module).weight = nn.Parameter(
                torch.zeros_like(last_of(module).weight), requires_grad=False
            )


ANSWERS = {
    "08.1": {
        "variants": {
            "concatenation": shortcut_with(),
            "assignment": shortcut_by_assignment,
        },
        "wrong": {
            "zeros in front": (
                shortcut_with(join=lambda x, zeros: torch.cat([zeros, x], dim=1)),
                "come after the old ones",
            ),
            "no stride": (shortcut_with(take=lambda x, s: x), "every stride-th row"),
            "mean of windows": (
                shortcut_with(take=lambda x, s: F.avg_pool2d(x, s, ceil_mode=True)),
                "not the mean of a window",
            ),
            "maximum of windows": (
                shortcut_with(take=lambda x, s: F.max_pool2d(x, s, ceil_mode=True)),
                "not the maximum",
            ),
            "starts at 1": (
                shortcut_with(take=lambda x, s: x[:, :, 1::s, 1::s] if s > 1 else x),
                "start at 0",
            ),
            "copies": (copies, "not with copies"),
            "changes x": (shortcut_in_place, "x was changed"),
            "too many channels": (shortcut_with(new=lambda x, n: n), "should have shape"),
        },
        "empty": {"zeros": zeros_as_shortcut},
        "adapters": {"the course's": (shortcut_of_the_course, 0)},
    },
    "08.2": {
        "variants": {"a loop over the layers": block_with()},
        "wrong": wrong_blocks()
        | {
            "stride in the second": (block_with(strided=1), "the first convolution"),
            "no network": (NoModule, "inherits from nn.Module"),
            "no weights": (lambda *arguments: nn.Identity(), "has no parameters"),
        },
        "empty": empty_blocks(),
        "adapters": {
            "the course's": (BasicBlock, 0),
            "torchvision's": (block_of_torchvision(resnet.BasicBlock), 7),
        },
    },
    "08.3": {
        "variants": {
            "a loop over the layers": block_with(bottleneck=True),
            # The last 1×1 reads single pixels: skipping them before or after gives the same.
            "stride in the last": block_with(bottleneck=True, strided=2),
        },
        "wrong": wrong_blocks(bottleneck=True)
        | {
            "stride in the first": (block_with(bottleneck=True, strided=0), "skip pixels unread"),
            "two convolutions": (block_with(), "no tensor bn3"),
            "no weights": (lambda *arguments: nn.Identity(), "has no parameters"),
        },
        "empty": empty_blocks(bottleneck=True),
        "adapters": {
            "the course's": (Bottleneck, 0),
            "torchvision's": (block_of_torchvision(resnet.Bottleneck), 6),
        },
    },
    "08.4": {
        "variants": {"torch.autograd.grad": norms_by_autograd, "a dict": norms_with()},
        "wrong": {
            "old gradients": (norms_with(clear=False), "zero_grad"),
            "squares": (norms_with(measure=lambda g: (g**2).sum()), "square root"),
            "mean of sizes": (norms_with(measure=lambda g: g.abs().mean()), "mean of the absolute"),
            "largest": (norms_with(measure=lambda g: g.abs().max()), "largest absolute"),
            "norm of weights": (norms_with(source=lambda p: p), "norm of the weights"),
            "sum over the batch": (norms_with(reduction="sum"), "not the sum"),
            "biases": (norms_with(biases=True), "leave the biases out"),
            "tensors": (norms_with(number=lambda value: value), r"\.item\(\)"),
            "backwards": (norms_with(order=lambda pairs: pairs[::-1]), "keep the order"),
            "other names": (norms_with(name=lambda n: n.split(".")[0]), "names should be"),
            "twice": (norms_with(number=lambda value: 2 * value.item()), "expected"),
            "nothing": (lambda model, images, labels: None, "return a dict"),
        },
        "empty": {"zeros": norms_always(0.0), "ones": norms_always(1.0)},
        "adapters": {},
    },
    "08.5": {
        "variants": {
            "by class": identity_with(lambda block: [last_of(block).weight]),
            "by names": identity_by_names,
        },
        "wrong": {
            "always bn2": (identity_with(lambda block: [block.bn2.weight]), "not bn2"),
            "the first": (identity_with(lambda block: [block.bn1.weight]), "not the first"),
            "all": (identity_with(norms_of), "no gradient comes through"),
            "the shortcut too": (
                identity_with(lambda b: [last_of(b).weight, *shortcut_norm(b)]),
                "x must come through",
            ),
            "the bias too": (
                identity_with(lambda b: [last_of(b).weight, last_of(b).bias]),
                "leave the bias",
            ),
            "only the bias": (identity_with(lambda b: [last_of(b).bias]), "not the bias"),
            "nothing": (lambda model: None, "nothing has changed"),
            "frozen": (identity_frozen, "requires_grad"),
            "a convolution": (identity_with(lambda b: [b.conv1.weight]), "should be"),
        },
        "empty": {"all at 0": identity_with(lambda block: block.parameters())},
        "adapters": {"the course's": (zero_last_batch_norm, 0)},
    },
}
