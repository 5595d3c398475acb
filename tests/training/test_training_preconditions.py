"""What would go wrong in the middle of training is mended or said before it."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from training_data import bright_quarters

from course_utils.data import batches
from course_utils.training import OutOfMemory, Precision, fit, learning_rate_range_test
from course_utils.training.last_batch import without_single_image
from course_utils.training.run import Run

SETTINGS = dict(epochs=1, batch_size=32, device="cpu", fast=False)


@pytest.fixture(scope="module")
def data():
    return bright_quarters(train=97, size=16)  # 3 batches of 32, and one image


def normed(width=8):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(256, width), nn.BatchNorm1d(width)).append(
        nn.Linear(width, 4)
    )


class Squeezed(nn.Module):
    """Loses the dimension of the images where there is only one."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(256, 4)

    def forward(self, x):
        return self.out(x.flatten(1)).squeeze()


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of the batches that are trained on."""
    found, plain = [], Precision.place

    def place(self, thing):
        if isinstance(thing, torch.Tensor):
            found.append(len(thing))
        return plain(self, thing)

    monkeypatch.setattr(Precision, "place", place)
    return found


@pytest.mark.parametrize("make", [normed, Squeezed])
@pytest.mark.parametrize("schedule", ["one_cycle", None])
def test_a_last_image_joins_the_batch_before(data, sizes, make, schedule):
    fit(make(), data, **SETTINGS, schedule=schedule)
    assert sizes[-3:] == [32, 32, 33]


def test_a_last_image_stays_alone_where_the_network_can_train_on_it(data, sizes):
    layers = nn.Conv2d(1, 4, 4, stride=4), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 4)
    fit(nn.Sequential(*layers), data, **SETTINGS)
    assert sizes[-4:] == [32, 32, 32, 1]


@given(st.integers(2, 40), st.integers(2, 12), st.integers(0, 3))
def test_joined_batches_hold_the_same_images_in_the_same_order(count, size, epoch):
    data = replace(bright_quarters(train=40, size=4), validation=None)
    data = replace(data, train=data.train.at(list(range(count))))
    plain, joined = (batches(data, batch_size=size) for _ in range(2))
    joined = without_single_image(joined)
    plain.set_epoch(epoch)
    joined.set_epoch(epoch)
    expected, found = list(plain), list(joined)
    assert len(joined) == len(found)
    assert all(len(labels) > 1 for _, labels in found)
    for a, b in zip(zip(*expected, strict=True), zip(*found, strict=True), strict=True):
        assert torch.equal(torch.cat(a), torch.cat(b))
    if count % size != 1:
        assert [len(labels) for _, labels in found] == [len(labels) for _, labels in expected]


@pytest.mark.parametrize(("images", "size"), [(97, 1), (1, 32)])
def test_batches_of_one_image_only_are_refused(data, images, size):
    few = replace(data, train=data.train.at(list(range(images))))
    with pytest.raises(ValueError, match=f"{images} images in batches of {size}.*batch_size=2"):
        without_single_image(batches(few, batch_size=size))
    with pytest.raises(ValueError, match="cannot train on a batch of one image"):
        fit(normed(), few, **SETTINGS | {"batch_size": size})


def test_halving_ends_where_batches_would_have_one_image(data, monkeypatch):
    def step(self, optimizer):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Precision, "step", step)
    with pytest.raises(OutOfMemory) as error:
        fit(normed(), data, **SETTINGS, halve_batch=True)
    assert error.value.batch_size == 2


class Returns(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.out, self.change = nn.Linear(256, 4), change

    def forward(self, x):
        return self.change(self.out(x.flatten(1)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :3], "3 outputs, 4 classes"),
        (lambda x: {"out": x}, r"logits of shape \(2, 4\), and it returned a dict"),
        (lambda x: (x, x), r"\(2, 4\), and it returned a tuple"),
        (lambda x: x[:, :, None, None], r"\(2, 4\), and it returned shape \(2, 4, 1, 1\)"),
        (lambda x: x[:1], r"it returned shape \(1, 4\)"),
    ],
)
@pytest.mark.parametrize("fast", [True, False])
def test_an_output_that_does_not_fit_is_named_before_training(
    data, change, message, fast, monkeypatch
):
    monkeypatch.setattr(Run, "__init__", None)  # no training
    model = Returns(change)
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(ValueError, match=message):
        fit(model, data, **SETTINGS | {"fast": fast})
    assert all(map(torch.equal, before, model.parameters()))


def test_more_outputs_than_classes_are_allowed(data):
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 7))
    assert len(fit(model, data, **SETTINGS)) == 1


def test_images_of_a_wrong_shape_are_named_by_torch(data):
    with pytest.raises(RuntimeError, match=r"shapes cannot be multiplied \(32x256 and 255x4\)"):
        fit(nn.Sequential(nn.Flatten(), nn.Linear(255, 4)), data, **SETTINGS)


def lazy(sized=False):
    if sized:
        layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(784, 4)
    else:
        layers = nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(4)
    return nn.Sequential(*layers)


def test_lazy_layers_train_like_others(data, tmp_path):
    histories, weights = [], []
    for sized in (True, False):
        torch.manual_seed(3)
        model = lazy(sized)
        file = tmp_path / f"{sized}.pt"
        histories.append(fit(model, data, **SETTINGS, checkpoint=file))
        weights.append(list(model.state_dict().values()))
        assert fit(lazy(sized), data, **SETTINGS, checkpoint=file) == histories[-1]
    assert histories[0] == histories[1]
    assert all(map(torch.equal, *weights))


def test_two_lazy_networks_do_not_begin_with_the_same_weights(data):
    one, other = (nn.Sequential(nn.Flatten(), nn.LazyLinear(4)) for _ in range(2))
    settings = SETTINGS | {"learning_rate": 1e-12}
    fit(one, data, **settings)
    fit(other, data, **settings)
    assert not torch.allclose(one[1].weight, other[1].weight)


def test_a_lazy_layer_that_evaluation_does_not_use_is_named(data):
    class Auxiliary(nn.Module):
        def __init__(self):
            super().__init__()
            self.out, self.aux = nn.LazyLinear(4), nn.LazyLinear(4)

        def forward(self, x):
            return self.out(x.flatten(1)) + (self.aux(x.flatten(1)) if self.training else 0)

    with pytest.raises(ValueError, match=r"aux\.weight, aux\.bias: still without a size"):
        fit(Auxiliary(), data, **SETTINGS)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_range_test_takes_lazy_layers_and_leaves_them(data, optimizer):
    model, loader = lazy(), batches(data, batch_size=32)
    state = torch.get_rng_state()
    assert len(learning_rate_range_test(model, loader, optimizer=optimizer, steps=3)) == 3
    assert isinstance(model[0].weight, nn.UninitializedParameter)
    assert torch.equal(torch.get_rng_state(), state)
