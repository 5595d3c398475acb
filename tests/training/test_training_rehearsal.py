"""A faster way to compute is used where a network works with it, and only there."""

import copy
import random
import threading
import warnings
from importlib import import_module

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from training_data import bright_quarters

from course_utils.data import ImageData, Split
from course_utils.models.densenet import SmallDenseNet
from course_utils.models.efficientnet import slim_efficientnet
from course_utils.models.googlenet import SmallGoogLeNet
from course_utils.models.lab import LabVGG, SevenLayerVGG
from course_utils.models.lenet import LeNet5
from course_utils.models.resnet import SmallResNet
from course_utils.models.vgg import slim_vgg
from course_utils.models.whitened import WhitenedNet, whitening_filters
from course_utils.training import Precision, fit, precision
from course_utils.training.rehearsal import rehearse

CPU = torch.device("cpu")
FAST = Precision(CPU, torch.bfloat16, channels_last=True)


def noise(shape, classes=4, count=9) -> ImageData:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *shape), generator=generator).to(torch.uint8)
    split = Split(images, torch.arange(count) % classes)
    names = tuple("abcdefghij"[:classes])
    middle = ((0.5,) * shape[0], (0.3,) * shape[0])
    return ImageData("noise", "Noise", "made by a test", names, split, split, split, *middle)


@pytest.fixture
def fastest(monkeypatch):
    """Every device gains most from bfloat16 and channels_last."""
    monkeypatch.setattr(precision, "_measured_choice", lambda device: (torch.bfloat16, True))


class Net(nn.Module):
    """A convolution, `between`, and a linear layer; the classes below change what is between."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.out = nn.Conv2d(1, 6, 3), nn.Linear(6 * 14 * 14, 4)

    def forward(self, x):
        return self.out(self.between(self.conv(x)).flatten(1))

    def between(self, x):
        return x


class Viewed(Net):
    def between(self, x):
        return x.view(len(x), -1)


class ViewedInTraining(Net):
    def between(self, x):
        return x.view(len(x), -1) if self.training else x


class Strided(Net):
    """Relies on the order of numbers in memory: no error, but another result."""

    def between(self, x):
        return x.as_strided((len(x), x[0].numel()), (x[0].numel(), 1))


class StridedALittle(Strided):
    """The same, but most of the result does not come from the maps."""

    def __init__(self):
        super().__init__()
        with torch.no_grad():
            self.out.weight.mul_(0.5)
            self.out.bias.add_(1)


class Halved(torch.autograd.Function):
    """A function whose way back is written by hand."""

    @staticmethod
    def forward(context, x):
        return x / 2

    @staticmethod
    def backward(context, gradient):
        return (gradient.view(len(gradient), -1) / 2).view_as(gradient)


class ViewedOnTheWayBack(Net):
    def __init__(self):
        super().__init__()
        self.more = nn.Conv2d(6, 6, 3, padding=1)

    def between(self, x):
        return self.more(Halved.apply(x))


class Warns(Net):
    def between(self, x):
        warnings.warn("a network may warn", stacklevel=1)
        return x


class ToNumPy(Net):
    def between(self, x):
        self.largest = x.detach().cpu().numpy().max()
        return x


class KeepsMaps(Net):
    """Writes into a float32 tensor at some places, which takes float32 only."""

    def between(self, x):
        kept = torch.zeros(x.shape)
        kept[x > 0] = x[x > 0]
        return kept


class AsksForTheType(Net):
    def between(self, x):
        return x if x.dtype == torch.float32 else torch.zeros_like(x)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Net, "bfloat16, channels_last"),
        (Viewed, "bfloat16, contiguous"),
        (ViewedInTraining, "bfloat16, contiguous"),
        (Strided, "bfloat16, contiguous"),
        (StridedALittle, "bfloat16, contiguous"),
        (ViewedOnTheWayBack, "bfloat16, contiguous"),
        (ToNumPy, "float32, contiguous"),
        (KeepsMaps, "float32, contiguous"),
        (AsksForTheType, "float32, contiguous"),
    ],
)
def test_the_fastest_way_that_a_network_works_with(fastest, kind, expected):
    data = bright_quarters(size=16)
    assert str(rehearse(kind(), data, FAST).amp) == expected
    history = fit(kind(), data, epochs=3, batch_size=32, learning_rate=0.01, device="cpu")
    assert history["train_loss"][-1] < history["train_loss"][0]
    if expected == "float32, contiguous":
        plain = fit(
            kind(), data, epochs=3, batch_size=32, learning_rate=0.01, device="cpu", fast=False
        )
        assert history == plain


RGB_IMAGES = noise((3, 32, 32)).train.images.float()
OURS = {
    "LeNet-5": lambda: LeNet5(4, 3),
    "VGG": lambda: slim_vgg("vgg11", 4),
    "ResNet": lambda: SmallResNet(1, 4, width=8),
    "GoogLeNet": lambda: SmallGoogLeNet(4),
    "DenseNet": lambda: SmallDenseNet(num_classes=4),
    "EfficientNet": lambda: slim_efficientnet(num_classes=4),
    "lab": lambda: LabVGG(4),
    "seven layers": lambda: SevenLayerVGG(4),
    "whitened": lambda: WhitenedNet(whitening_filters(RGB_IMAGES), 4),
}


@pytest.mark.parametrize("name", OURS)
def test_the_networks_of_the_course_work_with_the_fastest_way(name):
    torch.manual_seed(0)
    assert rehearse(OURS[name](), noise((3, 32, 32)), FAST).amp == FAST


def test_a_rehearsal_leaves_no_trace(capsys):
    class Talks(Net):
        def between(self, x):
            print("in training" if self.training else "in evaluation")
            warnings.warn("a warning", stacklevel=1)
            return F.dropout(x + random.random())

    model = nn.Sequential(nn.BatchNorm2d(1), Talks())
    model[0].eval()
    before, states = copy.deepcopy(model.state_dict()), (random.getstate(), torch.get_rng_state())
    rehearse(model, bright_quarters(size=16), FAST)
    assert capsys.readouterr().out == ""
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (model.training, model[0].training) == (True, False)
    assert model[1].conv.weight.is_contiguous()


def test_a_network_that_warns_is_not_taken_for_one_that_fails():
    assert rehearse(Warns(), bright_quarters(size=16), FAST).amp == FAST


def test_a_network_that_cannot_be_copied_trains_in_the_plain_way(fastest):
    data, settings = bright_quarters(size=16), dict(epochs=1, batch_size=32, device="cpu")
    model, plain = Net(), Net()
    model.lock = threading.Lock()
    assert fit(model, data, **settings) == fit(plain, data, **settings, fast=False)


def classifier(block, shape):
    """A network around a student's block; ``shape`` is that of one image."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(shape[0], 8, 3, padding=1), block, nn.ReLU(), nn.Flatten())
    return net.append(nn.LazyLinear(4))


class Function(nn.Module):
    """A layer made of a student's function."""

    def __init__(self, function, *arguments):
        super().__init__()
        self.function, self.arguments = function, arguments

    def forward(self, x):
        return self.function(x, *self.arguments)


class Grouped(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, nn.Parameter(torch.randn(8, 2, 3, 3))

    def forward(self, x):
        return self.function(x, self.weight, 4)


# exercise: (shape of an image, how an answer becomes a network)
SMALL, RGB = (1, 16, 16), (3, 32, 32)
ANSWERS = {
    "03.1": ((1, 32, 32), lambda answer: answer(4, 1, 32)),
    "04.2": (SMALL, lambda answer: classifier(Function(answer), SMALL)),
    "04.3": ((3, 224, 224), lambda answer: answer(num_classes=4, unit=2)),
    "06.3": (SMALL, lambda answer: classifier(Function(answer, 0.5, True), SMALL)),
    "05.1": (SMALL, lambda answer: classifier(answer([4, "M", 6], True, 8), SMALL)),
    "05.2": (RGB, lambda answer: answer([4, "M", 8, "M"], num_classes=4, hidden=16)),
    "06.1": (SMALL, lambda answer: classifier(answer(8), SMALL)),
    "08.2": (SMALL, lambda answer: classifier(Function(answer, 12, 2), SMALL)),
    "08.3": (SMALL, lambda answer: classifier(answer(8, 12, 2), SMALL)),
    "08.4": (SMALL, lambda answer: classifier(answer(8, 12, 2), SMALL)),
    "10.4": (RGB, lambda answer: answer(4, [4, 8], 16)),
    "11.1": (SMALL, lambda answer: classifier(answer(8, 2, 2, 3, 2, 3, 2), SMALL)),
    "11.3": (SMALL, lambda answer: classifier(answer(8, 4), SMALL)),
    "11.4": (SMALL, lambda answer: classifier(answer(8), SMALL)),
    "12.1": (SMALL, lambda answer: classifier(Grouped(answer), SMALL)),
    "12.2": (SMALL, lambda answer: classifier(answer(8, 4), SMALL)),
}


def variants(exercise):
    return import_module(f"answers_{exercise[:2]}").ANSWERS[exercise]["variants"]


@pytest.mark.parametrize(
    ("exercise", "name"), [(exercise, name) for exercise in ANSWERS for name in variants(exercise)]
)
def test_every_network_that_an_exercise_accepts_can_be_trained(fastest, exercise, name):
    shape, build = ANSWERS[exercise]
    torch.manual_seed(0)
    model = build(variants(exercise)[name])
    history = fit(model, noise(shape), epochs=1, batch_size=4, learning_rate=1e-4, device="cpu")
    assert len(history) == 1


def test_lazy_layers_after_view_are_accepted_too(fastest):
    lazy = import_module("answers_03").Lazy(4, 1, 32)
    assert len(fit(lazy, bright_quarters(), epochs=1, batch_size=32, device="cpu")) == 1
