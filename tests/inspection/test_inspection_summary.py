"""A summary for every usual network: torchsummary's table, or a line; then the sizes in bytes."""

import re

import pytest
import torch
from torch import nn

from course_utils.inspection import footprint, summary


class Rows(nn.Module):
    """Reads an image row by row."""

    def __init__(self, part):
        super().__init__()
        self.part, self.out = part, nn.Linear(8, 10)

    def forward(self, x):
        return self.out(self.read(x[:, 0])[:, -1])

    def read(self, rows):
        return self.part(rows)[0]


class Attends(Rows):
    def read(self, rows):
        return self.part(rows, rows, rows, need_weights=False)[0]


class Named(Rows):
    def read(self, rows):
        return self.part(rows)["rows"]


class Encodes(Rows):
    def read(self, rows):
        return self.part(rows)


class ByKeyword(Rows):
    def read(self, rows):
        return self.part(input=rows)


class Maps(nn.Module):
    def forward(self, x):
        return {"rows": x, "more": [x, (x, None)]}


NETWORKS = {
    "LSTM": (Rows(nn.LSTM(8, 8, batch_first=True)), r"part \(LSTM\) returns a tuple"),
    "GRU": (Rows(nn.GRU(8, 8, batch_first=True)), r"part \(GRU\) returns a tuple"),
    "attention": (
        Attends(nn.MultiheadAttention(8, 2, batch_first=True)),
        r"part \(MultiheadAttention\) returns a tuple",
    ),
    "dict": (Named(Maps()), r"part \(Maps\) returns a dict"),
    "deep inside": (
        nn.Sequential(nn.Sequential(Rows(nn.LSTM(8, 8, batch_first=True)))),
        r"0\.0\.part \(LSTM\) returns a tuple",
    ),
    "called by keyword": (ByKeyword(nn.Linear(8, 8)), "tuple index out of range"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_torchsummary_cannot_show_is_said_in_one_line(capsys, name):
    model, reason = NETWORKS[name]
    summary(model, (1, 8, 8))
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("torchsummary cannot show this network: ")
    assert re.search(reason, first)
    assert rest == str(footprint(model, (1, 8, 8))).splitlines()
    assert rest[0].startswith(f"Parameters: {sum(p.numel() for p in model.parameters()):,} ")


def test_a_network_may_return_several_things_itself(capsys):
    class Two(Rows):
        def forward(self, x):
            return {"one": self.out(x), "two": self.out(x)}

    summary(Two(nn.Identity()), (1, 8, 8))
    assert "Linear-2             [-1, 1, 8, 10]              90" in capsys.readouterr().out


def test_a_transformer_layer_is_counted_in_its_parts():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    sizes = footprint(Encodes(layer), (1, 6, 8))
    rows = 6 * 8 * 4  # bytes of six rows of eight numbers
    # attention, its dropout and norm; to 16 numbers and dropout; back, its dropout and norm
    assert sizes.activation_bytes == 3 * rows + 2 * 2 * rows + 3 * rows + 10 * 4


def test_activations_in_tuples_lists_and_dicts_are_counted():
    assert footprint(Named(Maps()), (1, 5, 8)).activation_bytes == 3 * 5 * 8 * 4 + 40


@pytest.mark.parametrize("norm", [nn.LazyBatchNorm2d(), nn.Identity()])
def test_lazy_layers_get_their_sizes_in_a_copy(capsys, norm):
    model = nn.Sequential(nn.LazyConv2d(4, 3), norm, nn.Flatten(), nn.LazyLinear(10))
    state = torch.get_rng_state()
    summary(model, (3, 8, 8))
    printed = capsys.readouterr().out
    assert "[-1, 4, 6, 6]             112" in printed
    assert "Linear-4                   [-1, 10]           1,450" in printed
    count = 112 + 1450 + (8 if isinstance(norm, nn.LazyBatchNorm2d) else 0)
    assert f"Parameters: {count:,} ({count:,} trainable)" in printed
    assert isinstance(model[0].weight, nn.UninitializedParameter)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_network_that_has_kept_its_maps_has_a_summary(capsys):
    model = nn.Sequential(nn.Linear(4, 2))
    model.kept = [model(torch.rand(1, 4))]
    summary(model, (1, 2, 4))
    assert "Linear-1" in capsys.readouterr().out


@pytest.mark.parametrize("make", [nn.Linear, lambda *sizes: Rows(nn.Linear(*sizes))])
def test_an_input_of_a_wrong_shape_is_an_error(capsys, make):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        summary(make(8, 8), (1, 8, 9))
    assert capsys.readouterr().out == ""


def test_a_network_without_weights(capsys):
    summary(nn.Flatten(), (3, 4, 4))
    assert "Parameters: 0 (0 trainable)" in capsys.readouterr().out


def test_the_shape_has_one_name_in_the_course():
    assert footprint(nn.Flatten(), input_shape=(3, 4, 4)).activation_bytes == 192
