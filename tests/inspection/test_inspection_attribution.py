"""Grad-CAM and occlusion on networks whose answer is known by hand."""

import pytest
import torch
from torch import nn

from course_utils.inspection import activation_map, grad_cam, occlusion
from course_utils.models import LeNet5


def small_net(pool=True):
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
    end = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    return nn.Sequential(*layers, *(end if pool else (nn.Flatten(), nn.Linear(4 * 64, 5))))


def test_with_global_average_pooling_the_weights_are_those_of_the_linear_layer():
    """Then Grad-CAM is CAM (Zhou et al., 2016), up to the number of pixels."""
    net, images = small_net().eval(), torch.rand(3, 3, 8, 8)
    classes = torch.tensor([0, 4, 2])
    maps = net[2](net[1](net[0](images)))
    cam = activation_map(maps, net[5].weight, classes).detach()
    torch.testing.assert_close(grad_cam(net, images, classes, "2"), cam.relu() / 64)
    logits = net(images)[torch.arange(3), classes] - net[5].bias[classes]
    torch.testing.assert_close(cam.mean((1, 2)), logits.detach())


def test_the_layer_before_a_relu_that_works_in_place():
    net, images, classes = small_net(pool=False), torch.rand(2, 3, 8, 8), torch.tensor([1, 3])
    apart = nn.Sequential(*net[:2], nn.ReLU(), *net[3:]).eval()
    maps = apart[1](apart[0](images)).detach().requires_grad_()
    logits = apart[4](apart[3](apart[2](maps)))
    (gradient,) = torch.autograd.grad(logits[[0, 1], classes].sum(), maps)
    want = (gradient.mean((2, 3), keepdim=True) * maps).sum(1).relu().detach()
    torch.testing.assert_close(grad_cam(net, images, classes, "1"), want)
    assert not torch.equal(grad_cam(net, images, classes, "2"), want)


def test_grad_cam_changes_nothing_and_works_with_frozen_weights():
    net, images, classes = small_net().train(), torch.rand(2, 3, 8, 8), torch.tensor([0, 1])
    before = {name: value.clone() for name, value in net.state_dict().items()}
    maps = grad_cam(net, images, classes, "0")
    assert maps.shape == (2, 8, 8)
    assert not maps.requires_grad
    assert net.training
    assert all(p.grad is None for p in net.parameters())
    assert not images.requires_grad
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())
    net.requires_grad_(False)
    assert torch.equal(grad_cam(net, images, classes, "0"), maps)


def test_grad_cam_names_what_does_not_fit():
    model, images, classes = LeNet5(4), torch.rand(1, 1, 32, 32), torch.tensor([0])
    with pytest.raises(ValueError, match="no layer 'conv1'; its layers are: features"):
        grad_cam(model, images, classes, "conv1")
    with pytest.raises(ValueError, match=r"output of 'classifier.0' has the shape \(1, 120\)"):
        grad_cam(model, images, classes, "classifier.0")
    model.unused = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match="'unused' was not asked for"):
        grad_cam(model, images, classes, "unused")


class OnePixel(nn.Module):
    """Two classes; the logit of class 1 is ten times one pixel."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, images):
        pixel = images[:, 0, 5, 2] * self.scale
        return torch.stack([torch.zeros_like(pixel), pixel], dim=1)


def test_occlusion_finds_the_only_pixel_that_counts():
    images, model = torch.ones(2, 1, 8, 8), OnePixel()
    kept = images.clone()
    fall = occlusion(model, images, torch.tensor([1, 0]), size=2, stride=2)
    change = torch.sigmoid(torch.tensor(10.0)).item() - 0.5
    want = torch.zeros(8, 8)
    want[4:6, 2:4] = change
    torch.testing.assert_close(fall, torch.stack([want, -want]))
    assert torch.equal(images, kept)
    assert not fall.requires_grad


def test_occlusion_takes_the_mean_over_the_squares_that_overlap():
    fall = occlusion(OnePixel(), torch.ones(1, 1, 8, 8), torch.tensor([1]), size=4, stride=2)
    change = torch.sigmoid(torch.tensor(10.0)).item() - 0.5
    assert fall[0, 5, 2] == pytest.approx(change)  # every square over it covers it
    assert fall[0, 7, 0] == pytest.approx(change)  # the one square of this corner covers it too
    assert fall[0, 5, 4] == pytest.approx(change / 2)  # of four squares, two
    assert fall[0, 0, 7] == 0


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (2, 3), (9, 1), (2, 0)])
def test_occlusion_refuses_squares_that_do_not_fit(size, stride):
    with pytest.raises(ValueError, match="do not cover 8x8 images"):
        occlusion(OnePixel(), torch.ones(1, 1, 8, 8), torch.tensor([1]), size, stride)
