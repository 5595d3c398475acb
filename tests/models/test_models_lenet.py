import pytest
import torch
import torch.nn.functional as F

from course_utils.models import LeNet5


@pytest.mark.parametrize(("channels", "parameters"), [(1, 61_706), (3, 62_006)])
def test_number_of_parameters(channels, parameters):
    assert sum(p.numel() for p in LeNet5(in_channels=channels).parameters()) == parameters


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [10, 4])
def test_logits_have_one_column_a_class(channels, classes):
    logits = LeNet5(classes, in_channels=channels)(torch.rand(5, channels, 32, 32))
    assert logits.shape == (5, classes)
    assert logits.isfinite().all()


def test_every_stage_has_the_shape_of_the_paper():
    images, shapes = torch.rand(2, 1, 32, 32), []
    for layer in LeNet5().features:
        images = layer(images)
        shapes.append(tuple(images.shape[1:]))
    maps = [(6, 28, 28), (6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 10, 10), (16, 5, 5)]
    assert shapes == maps


def test_parameter_names_follow_torchvision():
    names = [name for name, _ in LeNet5().named_parameters()]
    layers = ["features.0", "features.3", "classifier.0", "classifier.2", "classifier.4"]
    assert names == [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]


def test_the_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    model = LeNet5()
    F.cross_entropy(model(torch.rand(8, 1, 32, 32)), torch.arange(8)).backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_an_image_of_28_pixels_is_refused():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        LeNet5()(torch.rand(1, 1, 28, 28))
