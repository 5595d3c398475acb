"""Lecture 08: other right answers, and wrong ones with the hint that each should get."""

import copy

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models import resnet

from course_utils.inspection import weight_gradients
from course_utils.models.resnet import BasicBlock, PadShortcut, PreActivationBlock, remove_block

# --- 08.1 ----------------------------------------------------------------------------------------


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
    asked=lambda n, p: p.ndim > 1,
):
    """Make an answer; the options are mistakes."""

    def gradient_norms(model, images, labels):
        if clear:
            model.zero_grad()
        F.cross_entropy(model(images), labels, reduction=reduction).backward()
        chosen = [(n, p) for n, p in model.named_parameters() if biases or asked(n, p)]
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


# --- 08.2 ----------------------------------------------------------------------------------------


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


# --- 08.3 and 08.4 -------------------------------------------------------------------------------


def block_with(
    *,
    strided=0,
    bias=False,
    shortcut="needed",
    between=F.relu,
    forward=None,
    module=nn.Module,
    padding=1,
):
    """Make a class of blocks; the options are mistakes or other ways to write it."""
    forward = forward or (lambda branch, x: F.relu(branch + x))

    class Made(module):
        def __init__(self, in_channels, channels, stride=1):
            super().__init__()
            for n, read in enumerate((in_channels, channels)):
                step = stride if n == strided else 1
                conv = nn.Conv2d(read, channels, 3, step, padding, bias=bias)
                setattr(self, f"conv{n + 1}", conv)
                setattr(self, f"bn{n + 1}", nn.BatchNorm2d(channels))
            self.downsample = None
            fits = stride == 1 and in_channels == channels
            if shortcut == "always" or (shortcut != "never" and not fits):
                layers = [nn.Conv2d(in_channels, channels, 1, stride, bias=False)]
                layers.append(nn.BatchNorm2d(channels))
                self.downsample = nn.Sequential(*layers[: 1 if shortcut == "bare" else 2])

        def forward(self, x):
            out = x
            for n in (1, 2):
                out = getattr(self, f"bn{n}")(getattr(self, f"conv{n}")(out))
                out = between(out) if n == 1 else out
            return forward(out, x if self.downsample is None else self.downsample(x))

    return Made


BLOCK_MISTAKES = {
    "no addition": (block_with(forward=lambda branch, x: F.relu(branch)), "addition is missing"),
    "relu too early": (block_with(forward=lambda branch, x: F.relu(branch) + x), "add first"),
    "two relus": (block_with(forward=lambda b, x: F.relu(F.relu(b) + x)), "never take away"),
    "no last relu": (block_with(forward=lambda branch, x: branch + x), "follows the addition"),
    "no relu between": (block_with(between=lambda x: x), "each batch norm but the last"),
    "biases": (block_with(bias=True), "bias=False"),
    "always a projection": (block_with(shortcut="always"), "self.downsample = None"),
    "never a projection": (block_with(shortcut="never"), "nn.Sequential of a 1×1"),
    "a projection without batch norm": (
        block_with(shortcut="bare"),
        r"no tensor downsample\.1\.bias",
    ),
    "not a module": (block_with(module=object), "inherits from nn.Module"),
    "no padding": (block_with(padding=0), "Error|should have shape"),
}


def block_of_torchvision(in_channels, channels, stride=1):
    """Its projection is built outside."""
    fits = stride == 1 and in_channels == channels
    layers = [nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)]
    shortcut = None if fits else nn.Sequential(*layers)
    return resnet.BasicBlock(in_channels, channels, stride, shortcut)


class NoModule:
    """Has the right arguments, and is not a network."""

    def __init__(self, in_channels, channels, stride=1):
        pass


def pre_activation_with(
    *,
    first=lambda norm, x: F.relu(norm(x)),
    last=lambda x: x,
    after=False,
    early=False,
    add=True,
    strided=0,
    bias=False,
    sizes=lambda in_channels, channels: (in_channels, channels),
    projection=False,
):
    """Make a class of pre-activated blocks; the options are mistakes."""

    class Made(nn.Module):
        def __init__(self, in_channels, channels, stride=1):
            super().__init__()
            norms = [nn.BatchNorm2d(size) for size in sizes(in_channels, channels)]
            self.bn1, self.bn2 = norms
            steps = (stride, 1) if strided == 0 else (1, stride)
            self.conv1 = nn.Conv2d(in_channels, channels, 3, steps[0], padding=1, bias=bias)
            self.conv2 = nn.Conv2d(channels, channels, 3, steps[1], padding=1, bias=bias)
            self.stride, self.new = stride, channels - in_channels
            self.downsample = nn.Conv2d(in_channels, channels, 1, stride) if projection else None

        def forward(self, x):
            if after:
                out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            else:
                out = first(self.bn1, x)
                x = out if early else x
                out = self.conv2(first(self.bn2, self.conv1(out)))
            if not add:
                return out
            taken = x[:, :, :: self.stride, :: self.stride]
            return last(out + F.pad(taken, (0, 0, 0, 0, 0, self.new)))

    return Made


# --- 08.5 ----------------------------------------------------------------------------------------


def removed_with(
    *,
    part=nn.Identity,
    refuse=ValueError,
    copied=copy.deepcopy,
    off=0,
    forget=False,
    always=False,
    refused=lambda model, name: model.get_submodule(name).downsample is not None,
):
    """Make an answer; the options are mistakes."""

    def without_block(model, name):
        changes = refused(model, name)
        if refuse and (changes or always):
            raise refuse(name)
        changed = copied(model)
        stage, place = name.split(".")
        blocks = changed.get_submodule(stage)
        if not forget:
            blocks[min(int(place) + off, len(blocks) - 1)] = part()
        return changed

    return without_block


def removed_from_the_list(model, name):
    """Leaves the block out of its stage, by slices."""
    stage, place = name.split(".")
    blocks = model.get_submodule(stage)
    if blocks[int(place)].downsample:
        raise ValueError
    changed = copy.deepcopy(model)
    kept = [block for n, block in enumerate(changed.get_submodule(stage)) if n != int(place)]
    setattr(changed, stage, nn.Sequential(*kept))
    return changed


class Nothing(nn.Module):
    """Hands on zeros."""

    def forward(self, x):
        return 0 * x


ANSWERS = {
    "08.1": {
        "variants": {"torch.autograd.grad": norms_by_autograd, "a dict": norms_with()},
        "wrong": {
            "old gradients": (norms_with(clear=False), "zero_grad"),
            "squares": (norms_with(measure=lambda g: (g**2).sum()), "square root"),
            "mean of sizes": (norms_with(measure=lambda g: g.abs().mean()), "mean of the absolute"),
            "largest": (norms_with(measure=lambda g: g.abs().max()), "largest absolute"),
            "norm of weights": (norms_with(source=lambda p: p), "norm of the weights"),
            "sum over the batch": (norms_with(reduction="sum"), "not the sum"),
            "biases": (norms_with(biases=True), "leave the biases out"),
            "by their names": (norms_with(asked=lambda n, p: "weight" in n), "names should be"),
            "tensors": (norms_with(number=lambda value: value), r"\.item\(\)"),
            "backwards": (norms_with(order=lambda pairs: pairs[::-1]), "keep the order"),
            "other names": (norms_with(name=lambda n: n.split(".")[0]), "names should be"),
            "twice": (norms_with(number=lambda value: 2 * value.item()), "expected"),
            "nothing": (lambda model, images, labels: None, "return a dict"),
        },
        "empty": {"zeros": norms_always(0.0), "ones": norms_always(1.0)},
        "adapters": {"the course's": (weight_gradients, 0)},
    },
    "08.2": {
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
    "08.3": {
        "variants": {"a loop over the layers": block_with()},
        "wrong": BLOCK_MISTAKES
        | {
            "stride in the second": (block_with(strided=1), "the first convolution"),
            "no network": (NoModule, "inherits from nn.Module"),
            "no weights": (lambda *arguments: nn.Identity(), "has no parameters"),
        },
        "empty": {
            "only x": block_with(forward=lambda branch, x: x),
            "zeros": block_with(forward=lambda branch, x: 0 * branch),
        },
        "adapters": {
            "the course's": (BasicBlock, 0),
            "torchvision's": (block_of_torchvision, 7),
        },
    },
    "08.4": {
        "variants": {"functions": pre_activation_with()},
        "wrong": {
            "no addition": (pre_activation_with(add=False), "addition is missing"),
            "a last relu": (pre_activation_with(last=F.relu), "no ReLU after the addition"),
            "relu first": (
                pre_activation_with(first=lambda norm, x: norm(F.relu(x))),
                "first batch norm",
            ),
            "no relu": (pre_activation_with(first=lambda norm, x: norm(x)), "stands before each"),
            "the basic block": (
                pre_activation_with(after=True, sizes=lambda i, c: (c, c)),
                "order is that of the basic block|bn1 stands before",
            ),
            "late shortcut": (pre_activation_with(early=True), "takes x itself"),
            "stride in the second": (pre_activation_with(strided=1), "first convolution"),
            "biases": (pre_activation_with(bias=True), "bias=False"),
            "a projection": (pre_activation_with(projection=True), "shortcut A has no weights"),
            "no network": (NoModule, "inherits from nn.Module"),
            "no weights": (lambda *arguments: nn.Identity(), "has no parameters"),
        },
        "empty": {
            "zeros": pre_activation_with(last=lambda x: 0 * x),
        },
        "adapters": {"the course's": (PreActivationBlock, 0)},
    },
    "08.5": {
        "variants": {"Identity": removed_with(), "a shorter stage": removed_from_the_list},
        "wrong": {
            "not a copy": (removed_with(copied=lambda model: model), "has changed"),
            "a shallow copy": (removed_with(copied=copy.copy), "has changed"),
            "never refuses": (removed_with(refuse=None), "raise ValueError"),
            "always refuses": (removed_with(always=True), "same result for every case"),
            "refuses each first block": (
                removed_with(refused=lambda model, name: name.endswith(".0")),
                "",
            ),
            "another block": (removed_with(off=1), "another block|has changed"),
            "nothing": (removed_with(forget=True), "nothing was taken out"),
            "zeros": (removed_with(part=Nothing), "not zeros"),
            "no network": (lambda model, name: None, "return a network|raise ValueError"),
        },
        "empty": {
            "the model": lambda model, name: model,
            "a copy": lambda model, name: copy.deepcopy(model),
        },
        "adapters": {"the course's": (remove_block, 0)},
    },
}
