"""A checkpoint is used by the run that wrote it, in any process, and by no other."""

import functools
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass, replace
from enum import IntEnum
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from training_data import bright_quarters, interrupt

from course_utils.data import Split, standard_augmentation
from course_utils.data.augment import flip, pad_crop
from course_utils.training import CheckpointError, Precision, Recipe, TrainingInterrupted, fit
from course_utils.training.facts import checksum, facts
from course_utils.training.identity import differences

SETTINGS = dict(epochs=1, batch_size=40, device="cpu", fast=False)


@pytest.fixture(scope="module")
def data():
    return bright_quarters(size=16)


def net(act=nn.ReLU, **options):
    linear = nn.Linear(256, 8), act(**options), nn.Linear(8, 4)
    return nn.Sequential(nn.Flatten(), *linear)


def scaled(x, by=2.0):
    return x * by


class Custom(nn.Module):
    """A network whose result depends on code and attributes, with the same weights in all cases."""

    slope = 0.1

    def __init__(self, between=torch.relu, **attributes):
        super().__init__()
        self.first, self.last, self.between = nn.Linear(256, 8), nn.Linear(8, 4), between
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x):
        return self.last(self.between(self.first(x.flatten(1))))


class InMethod(Custom):
    def forward(self, x):
        return self.last(self.through(self.first(x.flatten(1))))

    def through(self, x):
        return F.leaky_relu(x, self.slope)


class Steeper(InMethod):
    slope = 0.2


class OtherMethod(InMethod):
    def through(self, x):
        return F.leaky_relu(x, -self.slope)


class CallsBase(InMethod):
    def forward(self, x):
        return super().forward(x) * 2


def named_net(forward):
    """Networks that differ in nothing but the code of this function."""
    return type("Net", (Custom,), {"forward": forward})()


def frozen():
    model = net()
    model[1].bias.requires_grad_(False)
    return model


def with_buffer(value):
    model = Custom()
    model.register_buffer("mask", torch.full((3,), value), persistent=False)
    return model


def attention(heads):
    return nn.Sequential(nn.Flatten(1, 2), nn.TransformerEncoderLayer(16, heads, 8), Last())


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(16, 4)

    def forward(self, x):
        return self.out(x[:, -1])


# what differs: (one network, another one, what the message names)
NETWORKS = {
    "activation": (net(), net(nn.Sigmoid), r"model\.2 'ReLU' there, 'Sigmoid' here"),
    "its setting": (net(nn.ELU), net(nn.ELU, alpha=2.0), r"model\.2\.alpha 1\.0 there, 2\.0 here"),
    "dropout": (net(nn.Dropout), net(nn.Dropout, p=0.1), r"model\.2\.p 0\.5 there, 0\.1 here"),
    "frozen": (net(), frozen(), r"model\.1\.bias .* there, '.*frozen' here"),
    "heads": (attention(2), attention(4), r"model\.1\.self_attn\.num_heads 2 there, 4 here"),
    "function": (Custom(), Custom(torch.sigmoid), r"model\.between '.*relu' there, '.*sigmoid'"),
    "lambda": (Custom(lambda x: x), Custom(lambda x: -x), r"model\.between\(\) 'code .* there"),
    "default": (
        Custom(scaled),
        Custom(functools.partial(scaled, by=3.0)),
        r"model\.between 'scaled' there, 'functools\.partial' here",
    ),
    "partial": (
        Custom(functools.partial(scaled, by=2.0)),
        Custom(functools.partial(scaled, by=3.0)),
        r"model\.between\.by 2\.0 there, 3\.0 here",
    ),
    "class attribute": (
        type("Net", (InMethod,), {})(),
        type("Net", (Steeper,), {})(),
        r"model\.Steeper\.slope nothing there, 0\.2 here",
    ),
    "method": (
        type("Net", (InMethod,), {})(),
        type("Net", (OtherMethod,), {})(),
        r"model\.OtherMethod\.through",
    ),
    "super": (InMethod(), CallsBase(), r"model 'InMethod' there, 'CallsBase' here"),
    "forward": (
        named_net(lambda self, x: self.last(torch.relu(self.first(x.flatten(1))))),
        named_net(lambda self, x: self.last(torch.tanh(self.first(x.flatten(1))))),
        r"model\.forward\(\) 'code .* there, 'code .* here",
    ),
    "constant": (
        named_net(lambda self, x: self.last(self.first(x.flatten(1)) * 2)),
        named_net(lambda self, x: self.last(self.first(x.flatten(1)) * 3)),
        r"model\.forward\(\) 'code",
    ),
    "attribute": (Custom(skip=True), Custom(skip=False), r"model\.skip True there, False here"),
    "list": (Custom(sizes=[1, 2]), Custom(sizes=[1, 3]), r"model\.sizes '\[1, 2\]' there"),
    "tensor": (
        Custom(mean=torch.zeros(3)),
        Custom(mean=torch.ones(3)),
        r"model\.mean 'float32 \(3,\) .* there",
    ),
    "kept buffer": (with_buffer(0.0), with_buffer(1.0), r"model\.mask 'float32 \(3,\)"),
    "width": (
        nn.Sequential(nn.Flatten(), nn.Linear(256, 4)),
        nn.Sequential(nn.Flatten(), nn.Linear(256, 5)),
        r"model\.1\.out_features 4 there, 5 here",
    ),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_another_network_is_refused_and_named(data, tmp_path, case):
    one, other, message = NETWORKS[case]
    file = tmp_path / "net.pt"
    fit(one, data, **SETTINGS, checkpoint=file)
    content = file.read_bytes()
    with pytest.raises(CheckpointError, match=f"belongs to another run .*{message}"):
        fit(other, data, **SETTINGS, checkpoint=file)
    assert file.read_bytes() == content
    fit(one, data, **SETTINGS, checkpoint=file)  # the same network, trained in the meantime


@dataclass
class Padded:
    padding: int = 2
    scale: float = 1.0

    def __call__(self, images, generator=None):
        return pad_crop(images, self.padding, generator)


@dataclass(slots=True)
class Slotted:
    size: int

    def __call__(self, images, generator=None):
        return pad_crop(images, self.size, generator)


class ByBank:
    """Draws on a tensor of its own."""

    def __init__(self, value):
        self.bank = np.full(4, value)

    def __call__(self, images, generator=None):
        return images


class Chain:
    def __init__(self, *parts):
        self.parts = parts

    def __call__(self, images, generator=None):
        for part in self.parts:
            images = part(images, generator=generator)
        return images


def closure(padding):
    def augment(images, generator=None):
        return pad_crop(images, padding, generator)

    return augment


def nested(padding):
    inner = closure(padding)
    return lambda images, generator=None: flip(inner(images, generator), generator=generator)


def by_default(padding):
    def augment(images, generator=None, *, padding=padding):
        return pad_crop(images, padding, generator)

    return augment


def from_global(images, generator=None):
    return pad_crop(images, CHOSEN["padding"], generator)


CHOSEN = {"padding": 2}

# what it is: (one augmentation, another one, what the message names)
AUGMENTATIONS = {
    "none": (None, flip, r"augment None there, 'flip' here"),
    "ours": (
        standard_augmentation(4),
        standard_augmentation(12),
        r"augment\.padding 4 there, 12 here",
    ),
    "closure": (closure(1), closure(2), r"augment\.padding 1 there, 2 here"),
    "closure in a closure": (nested(1), nested(2), r"augment\.inner\.padding 1 there, 2 here"),
    "default": (by_default(1), by_default(2), r"augment\.defaults .*1.* there, .*2.* here"),
    "partial": (
        functools.partial(pad_crop, padding=1),
        functools.partial(pad_crop, padding=2),
        r"augment\.padding 1 there, 2 here",
    ),
    "dataclass": (Padded(1), Padded(2), r"augment\.padding 1 there, 2 here"),
    "slots": (Slotted(1), Slotted(2), r"augment\.size 1 there, 2 here"),
    "bound method": (
        Padded(1).__call__,
        Padded(2).__call__,
        r"augment\.self\.padding 1 there, 2 here",
    ),
    "array": (ByBank(1), ByBank(2), r"augment\.bank 'int64 \(4,\)"),
    "lambda": (
        lambda images, generator=None: pad_crop(images, 1),
        lambda images, generator=None: pad_crop(images, 2),
        r"augment\(\) 'code",
    ),
    "list of parts": (
        Chain(closure(1), flip),
        Chain(closure(2), flip),
        r"augment\.parts\.0\.padding 1 there, 2 here",
    ),
}


@pytest.mark.parametrize("case", AUGMENTATIONS)
def test_another_augmentation_is_refused_and_named(data, tmp_path, case):
    one, other, message = AUGMENTATIONS[case]
    file = tmp_path / "net.pt"
    fit(net(), data, **SETTINGS, checkpoint=file, augment=one)
    with pytest.raises(CheckpointError, match=f"belongs to another run .*{message}"):
        fit(net(), data, **SETTINGS, checkpoint=file, augment=other)
    fit(net(), data, **SETTINGS, checkpoint=file, augment=one)


def test_what_a_function_reads_from_outside_counts(monkeypatch):
    before = facts("augment", from_global)
    monkeypatch.setitem(CHOSEN, "padding", 3)
    (difference,) = differences(before, facts("augment", from_global))
    assert difference == "augment.CHOSEN \"{'padding': 2}\" there, \"{'padding': 3}\" here"


def changed_pixel(split):
    images = split.images.clone()
    images[-1, 0, -1, -1] += 1
    return Split(images, split.labels)


def changed_label(split):
    labels = split.labels.clone()
    labels[-1] = (labels[-1] + 1) % 4
    return Split(split.images, labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: replace(d, train=changed_pixel(d.train)), "train images 'uint8 .*there"),
        (lambda d: replace(d, train=changed_label(d.train)), "train labels 'int64 .*there"),
        (lambda d: replace(d, validation=changed_pixel(d.validation)), "validation images 'uint8"),
        (lambda d: replace(d, validation=changed_label(d.validation)), "validation labels 'int64"),
        (lambda d: replace(d, train=d.train.at(list(range(95, -1, -1)))), "train images 'uint8"),
        (lambda d: replace(d, class_names=(*"abcd",)), "class names .*there, 'a, b, c, d' here"),
        (lambda d: replace(d, std=(0.5,)), r"std '\(0\.2,\)' there, '\(0\.5,\)' here"),
    ],
)
def test_other_data_are_refused_and_named(data, tmp_path, change, message):
    file = tmp_path / "net.pt"
    fit(net(), data, **SETTINGS, checkpoint=file)
    with pytest.raises(CheckpointError, match=f"belongs to another run .*{message}"):
        fit(net(), change(data), **SETTINGS, checkpoint=file)


def test_other_test_images_do_not_matter(data, tmp_path):
    file = tmp_path / "net.pt"
    first = fit(net(), data, **SETTINGS, checkpoint=file)
    changed = replace(data, test=changed_pixel(data.test))
    assert fit(net(), changed, **SETTINGS, checkpoint=file) == first


class Policy:
    def __init__(self, padding):
        self.padding = padding

    def apply(self, images):
        return pad_crop(images, self.padding)


class Wider(Policy):
    def apply(self, images):
        return pad_crop(images, self.padding + 1)


def follows(policy):
    return lambda images, generator=None: policy.apply(images)


def decorated(factor):
    @torch.no_grad()
    def augment(images, generator=None):
        return images * factor

    return augment


class WithProperty(Policy):
    half = property(lambda self: self.padding // 2)


class WithStatic(Policy):
    half = staticmethod(lambda padding: padding // 2)


class WithOtherStatic(Policy):
    half = staticmethod(lambda padding: padding // 3)


class WithOtherProperty(Policy):
    half = property(lambda self: self.padding // 3)


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (follows(Policy(1)), follows(Policy(2)), "it.policy.padding 1 there, 2 here"),
        (follows(Policy(1)), follows(Wider(1)), "it.policy 'Policy' there, 'Wider' here"),
        (decorated(1), decorated(2), ".factor 1 there, 2 here"),
        (WithProperty, WithOtherProperty, "it.half() 'code"),
        (WithStatic, WithOtherStatic, "it.half() 'code"),
        (Policy, Wider, "it.apply() 'code"),
        (nn.ReLU, nn.GELU, "it 'ReLU' there, 'GELU' here"),
        (np.float32(1), np.float32(2), "it 1.0 there, 2.0 here"),
        (1, True, "it 1 there, True here"),
        ({1, 2}, {1, 3}, "['1', '2']\" there"),
        (torch.float32, torch.float16, "it 'torch.float32' there"),
    ],
)
def test_facts_tell_what_differs(one, other, message):
    assert message in "; ".join(differences(facts("it", one), facts("it", other)))
    assert not differences(facts("it", one), facts("it", one))


def test_facts_can_be_saved_and_read_without_running_code(tmp_path):
    class Size(IntEnum):
        SMALL = 1

    class Text(str):
        __slots__ = ()

    found = facts("it", [Size.SMALL, Text("a"), np.int64(3), np.str_("b"), object()])
    torch.save(found, tmp_path / "facts.pt")
    assert torch.load(tmp_path / "facts.pt", weights_only=True) == found


def test_not_a_number_is_the_same_as_itself():
    assert not differences(facts("it", float("nan")), facts("it", float("nan")))


class TakesNotes(Custom):
    """Keeps what it saw, as for Grad-CAM: this is not what the network is."""

    calls = 0

    def forward(self, x):
        TakesNotes.calls += 1
        self.seen = getattr(self, "seen", 0) + 1
        self.maps = self.first(x.flatten(1))
        SHAPES.append(tuple(x.shape))
        return self.last(self.maps)


SHAPES = []


def test_what_a_network_notes_while_it_works_does_not_count(data, tmp_path, capsys):
    file, model, settings = tmp_path / "net.pt", TakesNotes(), SETTINGS | {"epochs": 2}
    with interrupt(5), pytest.raises(TrainingInterrupted):
        fit(model, data, **settings, checkpoint=file)
    assert model.maps.grad_fn is not None  # torch itself copies no tensor inside of a graph
    history = fit(model, data, **settings, checkpoint=file)
    assert "1 of 2 epochs are done" in capsys.readouterr().out
    assert fit(TakesNotes(), data, **settings, checkpoint=file) == history


SCRIPT = '''
import functools, sys
sys.path[:0] = sys.argv[2:]
import torch
from torch import nn
from training_data import bright_quarters
from course_utils.data import standard_augmentation
from course_utils.training import fit

torch.set_num_threads(1)
KINDS = {"garment", "shoe", "bag"}

class Helper:
    def __init__(self, words):
        self.words, self.made = words, object()

class Net(nn.Module):
    """COMMENT"""
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(256, 4)
        self.helper, self.seen = Helper({"a", "b", "c"}), set(KINDS)
        self.act = functools.partial(nn.functional.leaky_relu, negative_slope=0.2)
        self.norm = lambda x: x * 2  # COMMENT

    def forward(self, x):
        """COMMENT"""
        if self.helper.words in ({"a", "b"}, {"a"}) or "x" in {"a", "b", "c"}:
            return None
        return self.norm(self.act(self.out(x.flatten(1))))

torch.manual_seed(int(sys.argv[1]))
options = dict(epochs=1, batch_size=40, device="cpu", augment=standard_augmentation(2))
print(fit(Net(), bright_quarters(size=16), **options, checkpoint="net.pt")["train_loss"])
'''


def test_the_same_run_is_known_in_a_new_process(tmp_path):
    printed = []
    for seed, comment in (("1", "one"), ("2", "another")):
        script = tmp_path / f"script_{seed}.py"
        script.write_text(SCRIPT.replace("COMMENT", comment))
        done = subprocess.run(
            [sys.executable, script.name, seed, *sys.path],
            cwd=tmp_path,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.splitlines())
    assert printed[1] == ["net.pt: 1 of 1 epochs are done already.", *printed[0]]


def test_facts_hold_no_address():
    things = [object(), functools.partial(Padded), [lambda: 0, {1: closure(3)}], attention(2)]
    things += [iter([]), TakesNotes().forward, {"a", int}, SimpleNamespace(a=nn.ReLU())]
    for found in (facts("thing", thing) for thing in things):
        assert found
        assert "0x" not in repr(found)


def test_facts_of_things_that_hold_themselves_end():
    circle = SimpleNamespace(items=[])
    circle.items.append(circle)
    endless = []
    endless.append(endless)
    assert facts("it", circle)["it.items.0"] == "types.SimpleNamespace"
    assert len(facts("it", endless)) < 20


def test_a_long_list_is_one_fact():
    found = [facts("it", [closure(n % last) for n in range(100)]) for last in (7, 8)]
    assert len(found[0]) == 1
    assert found[0] != found[1]


@given(
    st.sampled_from([torch.uint8, torch.int64, torch.float32, torch.bfloat16, torch.bool]),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=12),
)
def test_a_checksum_tells_every_value_and_the_shape(dtype, pairs):
    one, other = torch.tensor(pairs).to(dtype).T  # every second number in memory
    assert (checksum(one) == checksum(other)) == torch.equal(one, other)
    assert checksum(one) == checksum(one.clone())
    assert checksum(one) != checksum(one[None])


def test_values_that_are_not_there_have_their_shape():
    assert checksum(torch.zeros(2, 3, device="meta")) == "float32 (2, 3)"
    assert checksum(np.array(["a", "b"])) == "<U1 (2,)"


@pytest.fixture
def room(monkeypatch):
    """Give the device memory for so many images."""
    plain = Precision.place

    def give(images):
        def place(self, thing):
            if isinstance(thing, torch.Tensor) and len(thing) > images:
                raise torch.OutOfMemoryError("out of memory: tried to allocate 2.00 GiB")
            return plain(self, thing)

        monkeypatch.setattr(Precision, "place", place)

    return give


def test_a_run_goes_on_after_a_halving(data, tmp_path, room, capsys):
    settings = SETTINGS | dict(epochs=3, learning_rate=0.01, halve_batch=True)
    torch.manual_seed(0)
    start = net().state_dict()

    def run(**options):
        model = net()
        model.load_state_dict(start)
        return fit(model, data, **settings | options)

    expected = run(batch_size=20)
    room(20)
    file = tmp_path / "net.pt"
    with interrupt(8), pytest.raises(TrainingInterrupted):  # in the second epoch
        run(batch_size=80, checkpoint=file)
    assert "going on with batch_size=20" in capsys.readouterr().out
    room(1000)  # another machine: the run keeps the batches that it began with
    assert run(batch_size=80, checkpoint=file) == expected
    assert "out of memory" not in capsys.readouterr().out
    assert run(batch_size=80, checkpoint=file) == expected
    with pytest.raises(CheckpointError, match=r"batches of 20 images instead of 80.*halve_batch"):
        run(batch_size=80, checkpoint=file, halve_batch=False)
    with pytest.raises(CheckpointError, match="batch_size 80 there, 20 here"):
        run(batch_size=20, checkpoint=file)


def test_halving_may_be_allowed_later(data, tmp_path):
    file = tmp_path / "net.pt"
    first = fit(net(), data, **SETTINGS, checkpoint=file)
    assert fit(net(), data, **SETTINGS, checkpoint=file, halve_batch=True) == first


def test_a_recipe_cannot_be_changed():
    recipe = Recipe(1, 8, "adam", 0.1, None, 0.0, True, 0)
    with pytest.raises(FrozenInstanceError):
        recipe.batch_size = 4
