"""How a network is compared with torchvision's."""

import torch
from torch import nn


def count(model):
    """Return how many parameters a network has."""
    return sum(parameter.numel() for parameter in model.parameters())


def randomised(model):
    """Give batch norm running statistics that are not 0 and 1, so that they count."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 2)
    return model.eval()


def close(ours, want):
    """Return whether two outputs agree to 1e-5, relative to the largest value."""
    return torch.allclose(ours, want, rtol=1e-5, atol=1e-5 * want.abs().max().item())


def same_logits(ours, theirs):
    """Load torchvision's weights and random running statistics, compare the logits."""
    torch.manual_seed(0)
    ours.load_state_dict(randomised(theirs).state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        return close(ours.eval()(images), theirs(images))
