"""The arithmetic room against PyTorch's own layers, error for error."""

import pytest
import torch
import torchvision
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_utils.arithmetic import (
    ReceptiveField,
    adaptive_windows,
    conv_flops,
    conv_output_size,
    conv_parameters,
    layer_sizes,
    linear_flops,
    linear_parameters,
    pool_output_size,
    read_counts,
    receptive_field,
    scaled,
    trace,
    unread,
)

fuzz = settings(max_examples=80)
few = settings(max_examples=40)

sizes = st.integers(1, 20)
size_pairs = st.tuples(sizes, sizes)
kernels = st.integers(1, 6)
strides = st.integers(1, 4)
dilations = st.integers(1, 3)
paddings = st.integers(0, 4)


def either(numbers):
    """One number, or a pair of them."""
    return st.one_of(numbers, st.tuples(numbers, numbers))


def meta_size(layer, size, channels=1):
    """The layer's output (height, width), from PyTorch, without computing anything."""
    with torch.device("meta"):
        return tuple(layer.to("meta")(torch.empty(1, channels, *size)).shape[2:])


def agree(ours, theirs):
    """Both give the same size, or both refuse."""
    try:
        want = theirs()
    except (RuntimeError, ValueError):
        with pytest.raises(ValueError, match="padding|does not fit"):
            ours()
    else:
        assert ours() == want


# -- output sizes ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@fuzz
@given(
    size_pairs,
    either(kernels),
    either(strides),
    st.one_of(either(paddings), st.sampled_from(["same", "valid"])),
    either(dilations),
)
def test_conv_size_is_that_of_conv2d(size, kernel, stride, padding, dilation):
    window = (kernel, stride, padding, dilation)
    agree(
        lambda: conv_output_size(size, *window),
        lambda: meta_size(nn.Conv2d(1, 1, *window), size),
    )


@fuzz
@given(
    size_pairs,
    either(kernels),
    st.one_of(st.none(), either(strides)),
    either(paddings),
    either(dilations),
    st.booleans(),
)
def test_pool_size_is_that_of_max_pool2d(size, kernel, stride, padding, dilation, ceil_mode):
    window = (kernel, stride, padding, dilation)
    agree(
        lambda: pool_output_size(size, *window, ceil_mode),
        lambda: meta_size(nn.MaxPool2d(*window, ceil_mode=ceil_mode), size),
    )


@fuzz
@given(
    size_pairs,
    either(kernels),
    st.one_of(st.none(), either(strides)),
    either(paddings),
    st.booleans(),
)
def test_pool_size_is_that_of_avg_pool2d(size, kernel, stride, padding, ceil_mode):
    agree(
        lambda: pool_output_size(size, kernel, stride, padding, ceil_mode=ceil_mode),
        lambda: meta_size(nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil_mode), size),
    )


@few
@given(st.integers(1, 16), st.integers(1, 10))
def test_adaptive_windows_are_those_of_adaptive_avg_pool(size, output_size):
    image = torch.rand(1, 1, size, size, dtype=torch.float64)
    pooled = nn.AdaptiveAvgPool2d((1, output_size))(image)[0, 0, 0]
    ours = [image[..., start:stop].mean() for start, stop in adaptive_windows(size, output_size)]
    torch.testing.assert_close(torch.stack(ours), pooled)


def test_one_number_in_one_number_out():
    assert conv_output_size(5, 3) == 3
    assert conv_output_size((5, 7), 3) == (3, 5)
    assert conv_output_size(5, (3, 1)) == (3, 5)
    assert conv_output_size(32, 5, padding="same") == 32
    assert pool_output_size(28, 2) == 14


def test_ceil_mode_keeps_no_window_that_starts_in_the_right_padding():
    assert pool_output_size(4, 1, stride=4, ceil_mode=True) == 1
    assert pool_output_size(7, 2) == 3
    assert pool_output_size(7, 2, ceil_mode=True) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 7), "kernel_size 7 does not fit into an input of size 5: use a smaller kernel"),
        ((3, 3, 1, 1, 3), "dilation 3 spans 7 pixels and does not fit .* 5 with padding"),
        ((5, 3, 0), "stride must be at least 1, got 0"),
        ((5, 3, 1, -1), "padding must be at least 0, got -1"),
        ((5, 2.5), "kernel_size must be a whole number, got 2.5"),
        ((5, 3, 2, "same"), "needs stride 1"),
        ((5, 3, 1, "full"), "'full'"),
        (((5, 5, 5), 3), "pair"),
    ],
)
def test_impossible_sizes_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv_output_size(*arguments)


def test_too_much_pool_padding():
    with pytest.raises(
        ValueError, match="more than half of the pooling window's 2 pixels: use at most 1"
    ):
        pool_output_size(8, 2, 2, 2)


# -- which pixels are read ----------------------------------------------------------------------


@few
@given(st.integers(1, 14), kernels, strides, paddings, dilations)
def test_read_counts_are_the_gradient_of_a_sum(size, kernel, stride, padding, dilation):
    assume(size + 2 * padding > dilation * (kernel - 1))
    image = torch.zeros(1, 1, size, requires_grad=True)
    weight = torch.ones(1, 1, kernel)
    nn.functional.conv1d(
        image, weight, stride=stride, padding=padding, dilation=dilation
    ).sum().backward()
    counts = read_counts(size, kernel, stride, padding, dilation)
    assert counts == image.grad[0, 0].int().tolist()
    unread_rows = unread(size, kernel, stride, padding, dilation)
    assert unread_rows == [row for row in range(size) if counts[row] == 0]


def test_floor_loses_the_last_rows():
    assert unread(8, 3, stride=3) == [6, 7]
    assert unread(224, 11, stride=4) == [223]
    assert unread(227, 11, stride=4) == []
    assert unread(4, 2, padding="same") == []  # the extra zero stands after the image
    assert read_counts(4, 2, padding="same") == [1, 2, 2, 2]


# -- costs --------------------------------------------------------------------------------------


@few
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    either(st.integers(1, 4)),
    either(st.integers(1, 3)),
    st.booleans(),
)
def test_conv_costs_are_pytorchs(ins, outs, groups, kernel, stride, bias):
    ins, outs = ins * groups, outs * groups
    layer = nn.Conv2d(ins, outs, kernel, stride, bias=bias, groups=groups, device="meta")
    parameters = sum(p.numel() for p in layer.parameters())
    assert conv_parameters(ins, outs, kernel, bias=bias, groups=groups) == parameters
    with FlopCounterMode(display=False) as counter:
        layer(torch.empty(1, ins, 9, 7, device="meta"))
    size = conv_output_size((9, 7), kernel, stride)
    assert conv_flops(ins, outs, kernel, size, groups=groups) == counter.get_total_flops()


@few
@given(st.integers(1, 50), st.integers(1, 50), st.booleans())
def test_linear_costs_are_pytorchs(ins, outs, bias):
    layer = nn.Linear(ins, outs, bias=bias, device="meta")
    assert linear_parameters(ins, outs, bias=bias) == sum(p.numel() for p in layer.parameters())
    with FlopCounterMode(display=False) as counter:
        layer(torch.empty(1, ins, device="meta"))
    assert linear_flops(ins, outs) == counter.get_total_flops()


def test_sharing_is_what_makes_it_small():
    assert conv_parameters(3, 6, 5) == 456
    assert linear_parameters(3 * 32 * 32, 6 * 28 * 28) == 3073 * 4704


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match="groups=2 must divide both in_channels=3"):
        conv_parameters(3, 4, 3, groups=2)


# -- receptive fields ---------------------------------------------------------------------------

layer_dicts = st.fixed_dictionaries(
    {
        "kernel_size": st.integers(1, 4),
        "stride": st.integers(1, 3),
        "padding": st.integers(0, 2),
        "dilation": st.integers(1, 2),
    }
)


@few
@given(st.lists(layer_dicts, min_size=1, max_size=4), st.data())
def test_receptive_field_is_where_the_gradient_is_not_zero(layers, data):
    length = 60
    image = torch.zeros(1, 1, length, dtype=torch.float64, requires_grad=True)
    output = image
    for layer in layers:
        window = {name: value for name, value in layer.items() if name != "kernel_size"}
        weight = torch.ones(1, 1, layer["kernel_size"], dtype=torch.float64)
        assume(output.shape[-1] + 2 * layer["padding"] > layer["dilation"] * weight.shape[-1])
        output = nn.functional.conv1d(output, weight, **window)
    position = data.draw(st.integers(0, output.shape[-1] - 1))
    output[0, 0, position].backward()
    seen = image.grad[0, 0].nonzero().flatten().tolist()
    first, last = receptive_field(layers).pixels(position)
    if first >= 0 and last < length:  # inside the image: exact
        assert (seen[0], seen[-1]) == (first, last)
    else:
        assert all(first <= pixel <= last for pixel in seen)


def test_an_unknown_word_for_padding_is_named():
    with pytest.raises(ValueError, match='"same" or "valid", got \'full\''):
        ReceptiveField().after(3, padding="full")


def test_small_kernels_stacked_see_what_a_large_one_sees():
    three = dict(kernel_size=3, padding=1)
    assert receptive_field([three] * 2) == ReceptiveField(5, 1, -2)
    assert receptive_field([three] * 3).size == 7
    assert receptive_field([]) == ReceptiveField(1, 1, 0)
    same = dict(kernel_size=4, padding="same")
    assert receptive_field([same]) == ReceptiveField(4, 1, -1)


# -- traces -------------------------------------------------------------------------------------


def lenet5():
    return [
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU()),
        *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    ]


def test_lenet_trace():
    table = trace(lenet5(), (1, 32, 32))
    assert table.parameters == 61_706
    shapes = [row.output_shape for row in table if row.kind != "ReLU"]
    assert shapes == [
        (6, 28, 28),
        (6, 14, 14),
        (16, 10, 10),
        (16, 5, 5),
        (400,),
        (120,),
        (84,),
        (10,),
    ]
    assert [table[i].receptive_field for i in (0, 2, 3, 5, 7)] == [
        *((5, 5), (6, 6), (14, 14), (16, 16), (32, 32))
    ]
    assert table["0"].bytes == 4 * 6 * 28 * 28
    assert table.output_shape == (10,)
    assert len(table) == 12


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("alexnet", 61_100_840), ("vgg11", 132_863_336), ("vgg11_bn", 132_868_840)],
)
def test_trace_agrees_with_torchvision(name, parameters):
    with torch.device("meta"):
        model = getattr(torchvision.models, name)()
        image = torch.empty(1, 3, 224, 224)
    table = trace(model, (3, 224, 224))
    assert table.parameters == parameters
    with FlopCounterMode(display=False) as counter:
        model.eval()(image)
    assert table.flops == counter.get_total_flops()
    shapes = {}
    for layer_name, module in model.named_modules():
        module.register_forward_hook(
            lambda _m, _i, out, layer_name=layer_name: shapes.update({layer_name: out.shape[1:]})
        )
    model(image)
    for row in table:
        assert row.name == "flatten" or row.output_shape == tuple(shapes[row.name])


pieces = st.one_of(
    st.builds(
        lambda out, k, s, p, d, g: ("conv", out * g, k, s, p, d, g),
        *(st.integers(1, 3), either(st.integers(1, 4)), either(strides), either(st.integers(0, 2))),
        *(either(st.integers(1, 2)), st.sampled_from([1, 1, 2])),
    ),
    st.builds(lambda k, s, c: ("max", k, s, c), either(kernels), either(strides), st.booleans()),
    st.builds(lambda k, c: ("avg", k, c), st.integers(1, 3), st.booleans()),
    st.builds(lambda n: ("adaptive", n), either(st.integers(1, 6))),
    st.just(("norm",)),
    st.just(("relu",)),
)


def build(piece, channels):
    kind, *values = piece
    if kind == "conv":
        out, kernel, stride, padding, dilation, groups = values
        groups = groups if channels % groups == 0 else 1
        return nn.Conv2d(channels, out, kernel, stride, padding, dilation, groups)
    if kind == "max":
        return nn.MaxPool2d(values[0], values[1], ceil_mode=values[2])
    if kind == "avg":
        return nn.AvgPool2d(values[0], ceil_mode=values[1])
    if kind == "adaptive":
        return nn.AdaptiveAvgPool2d(values[0])
    return nn.BatchNorm2d(channels) if kind == "norm" else nn.ReLU()


@fuzz
@given(st.lists(pieces, min_size=1, max_size=5), st.tuples(st.integers(4, 20), st.integers(4, 20)))
def test_trace_of_random_stacks(stack, size):
    layers, channels = [], 2
    with torch.device("meta"):
        for piece in stack:
            layers.append(build(piece, channels))
            channels = getattr(layers[-1], "out_channels", channels)
        image = torch.empty(1, 2, *size)
    network = nn.Sequential(*layers).eval()
    try:
        with FlopCounterMode(display=False) as counter:
            output = network(image)
    except RuntimeError:
        with pytest.raises(ValueError, match="layer .* does not fit"):
            trace(network, (2, *size))
        return
    table = trace(network, (2, *size))
    assert table.output_shape == tuple(output.shape[1:])
    assert table.flops == counter.get_total_flops()
    assert table.parameters == sum(p.numel() for p in network.parameters())


def test_receptive_field_after_adaptive_pooling():
    regular = trace([nn.AdaptiveAvgPool2d(4)], (1, 8, 8))
    assert regular[0].receptive_field == (2, 2)
    uneven = trace([nn.AdaptiveAvgPool2d(3), nn.Conv2d(1, 1, 3, padding=1)], (1, 8, 8))
    assert [row.receptive_field for row in uneven] == [None, None]
    assert "varies" in str(uneven)
    kept = trace([nn.AdaptiveMaxPool2d((None, 2))], (1, 5, 8))
    assert kept[0].output_shape == (1, 5, 2)


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        (
            [nn.Conv2d(1, 6, 5)],
            (3, 32, 32),
            r"layer 0 \(Conv2d\): takes 1 channels, but is given 3",
        ),
        ([nn.Linear(400, 10)], (16, 5, 5), "put nn.Flatten"),
        ([nn.Flatten(), nn.Linear(400, 10)], (16, 6, 6), "takes 400 numbers, but is given 576"),
        ([nn.ReLU(), nn.Conv2d(1, 1, 5)], (1, 4, 4), r"layer 1 \(Conv2d\): kernel_size 5 does not"),
        ([nn.Flatten(), nn.MaxPool2d(2)], (1, 4, 4), "takes an image"),
        ([nn.LSTM(3, 3)], (1, 4, 4), r"layer 0 \(LSTM\): no rule"),
        ([nn.BatchNorm2d(4)], (1, 4, 4), "takes 4 channels"),
        ([nn.AdaptiveAvgPool2d(0)], (1, 4, 4), "output_size must be at least 1"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(layers, shape, message):
    with pytest.raises(ValueError, match=message):
        trace(layers, shape)


def test_networks_with_side_paths_are_refused():
    with torch.device("meta"), pytest.raises(ValueError, match="no rule"):
        trace(torchvision.models.resnet18(), (3, 224, 224))


def test_layers_of_flat_numbers_see_no_pixels():
    rows = trace([nn.ReLU(), nn.Linear(400, 120), nn.Linear(120, 3)], (400,)).rows
    assert [row.receptive_field for row in rows[1:]] == [None, None]
    assert rows[-1].output_shape == (3,)


def test_nested_names_single_layers_and_lookup():
    nested = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Flatten())
    assert [row.name for row in trace(nested, (1, 2, 2))] == ["0.0", "0.1", "1"]
    assert trace(nn.Conv2d(1, 2, 3), (1, 5, 5)).output_shape == (2, 3, 3)
    assert trace([], (1, 5, 5)).output_shape == (1, 5, 5)
    with pytest.raises(KeyError, match="no layer 'x'; there are 0.0, 0.1, 1"):
        trace(nested, (1, 2, 2))["x"]


def test_table_prints_as_text_and_html():
    table = trace([nn.Conv2d(3, 6, 5, stride=(1, 2), padding=2), nn.ReLU()], (3, 32, 32))
    head, rule, entry, conv, *_, total = str(table).splitlines()
    assert head.split()[:4] == ["layer", "kind", "output", "parameters"]
    assert set(rule) == {"-"}
    assert "3×32×32" in entry
    assert "conv 5×5 /1×2 pad 2" in conv
    assert "456" in total
    page = table._repr_html_()
    assert page.count("<tr>") == 5
    assert "6×32×16" in page


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "–"),
        (999, "999"),
        (1000, "1 k"),
        (705_600, "706 k"),
        (999_600, "1 M"),
        (15.2e9, "15.2 G"),
    ],
)
def test_scaled_numbers(number, text):
    assert scaled(number) == text


def test_rounding_up_makes_the_sizes_of_the_paper():
    paper = [(11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0), *[(3, 1, 1)] * 3, (3, 2, 0)]
    sizes = [size for size, _ in layer_sizes(224, paper, round_up=True)]
    assert sizes == [55, 27, 27, 13, 13, 13, 13, 6]
    assert layer_sizes(224, paper)[0] == (54, 1)
    assert layer_sizes(224, paper, round_up=True)[0] == (55, -3)


def test_rounding_up_makes_pytorch_s_sizes_with_ceil_mode():
    for size in range(3, 40):
        pooled = nn.functional.max_pool1d(torch.zeros(1, 1, size), 3, 2, ceil_mode=True)
        assert layer_sizes(size, [(3, 2, 0)], round_up=True)[0][0] == pooled.shape[-1]


def test_sizes_end_before_a_layer_that_does_not_fit():
    assert layer_sizes(6, [(3, 2, 0), (5, 1, 1)]) == [(2, 1)]
